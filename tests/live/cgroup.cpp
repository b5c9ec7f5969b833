// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "live/cgroup.h"

#include <fstream>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace rezolus::live {
namespace {

constexpr const char* kMount = "/sys/fs/cgroup";

bool offers(std::string_view controller) {
  std::ifstream file(std::string(kMount) + "/cgroup.subtree_control");
  for (std::string word; file >> word;) {
    if (word == controller) return true;
  }
  return false;
}

}  // namespace

Cgroup::Cgroup(const std::string& name, std::string_view controller) {
  if (!offers(controller)) return;
  const std::string path = std::string(kMount) + "/" + name;
  if (::mkdir(path.c_str(), 0755) == 0) path_ = path;
}

Cgroup::~Cgroup() {
  // The last task may still be on its way out.
  for (int i = 0; ok() && ::rmdir(path_.c_str()) != 0 && i < 100; ++i) ::usleep(10'000);
}

bool Cgroup::write(const std::string& file, const std::string& text) const {
  std::ofstream out(path_ + "/" + file);
  out << text << std::flush;
  return out.good();
}

std::uint64_t Cgroup::value(const std::string& file, std::string_view key) const {
  return keyed_value(path_ + "/" + file, key);
}

int Cgroup::run(const std::function<int()>& body) const {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(write("cgroup.procs", "0") ? body() : 126);
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

std::uint64_t keyed_value(const std::string& path, std::string_view key) {
  std::ifstream file(path);
  std::string word;
  std::uint64_t value = 0;
  while (file >> word >> value) {
    if (word == key) return value;
  }
  return 0;
}

}  // namespace rezolus::live
