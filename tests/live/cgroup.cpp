// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "live/cgroup.h"

#include <algorithm>
#include <fstream>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "samplers/cgroups/cgroup_walk.h"

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

NamedCgroup::NamedCgroup(const std::string& name) : name_("/" + name) {
  const auto host = read_host();
  if (!host) return;
  const auto hierarchy = find_cgroup_hierarchy(*host);
  if (!hierarchy) return;
  version_2_ = hierarchy->version_2;
  folder_ = hierarchy->mount + name_;
  if (::mkdir(folder_.c_str(), 0755) != 0) folder_.clear();
}

Labels NamedCgroup::labels() const { return {{"cgroup", cgroup_label(name_)}}; }

bool NamedCgroup::write(const std::string& file, const std::string& text) const {
  std::ofstream out(folder_ + "/" + file);
  out << text << std::flush;
  return out.good();
}

std::uint64_t NamedCgroup::value(const std::string& file, std::string_view key) const {
  return keyed_value(folder_ + "/" + file, key);
}

pid_t NamedCgroup::start(const std::function<int()>& body) const {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::_exit(write("cgroup.procs", "0") ? body() : 126);
}

void NamedCgroup::remove() {
  // The last task may still be on its way out.
  for (int i = 0; ok() && ::rmdir(folder_.c_str()) != 0 && i < 200; ++i) ::usleep(10'000);
  folder_.clear();
}

bool wait_for(pid_t child) {
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

namespace {

bool has(const Labels& all, const Labels& some) {
  return std::ranges::all_of(some, [&](const auto& label) {
    return std::ranges::find(all, label) != all.end();
  });
}

}  // namespace

std::uint64_t value(const Snapshot& snapshot, std::string_view name, const Labels& labels) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < snapshot.schema->series.size(); ++i) {
    const Series* series = snapshot.schema->series[i].get();
    if (series == nullptr || series->name != name || !has(series->labels, labels)) continue;
    sum += snapshot.scalars[i];
  }
  return sum;
}

bool appears(Collector& collector, const Labels& labels, bool wanted) {
  for (int i = 0; i < 150; ++i) {
    const SnapshotRef snapshot = collector.collect();
    const bool there = std::ranges::any_of(snapshot->schema->series, [&](const auto& series) {
      return series != nullptr && has(series->labels, labels);
    });
    if (there == wanted) return true;
    ::usleep(100'000);
  }
  return false;
}

}  // namespace rezolus::live
