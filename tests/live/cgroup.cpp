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

NamedCgroup::NamedCgroup(const std::string& name, const std::vector<std::string>& controllers)
    : name_("/" + name) {
  const auto host = read_host();
  if (!host) return;
  const auto hierarchy = find_cgroup_hierarchy(*host);
  const auto mounts = cgroup_mounts(*host);
  if (!hierarchy || !mounts) return;
  version_2_ = hierarchy->version_2;
  std::vector<std::string> folders = {hierarchy->mount + name_};
  for (const std::string& controller : controllers) {
    const auto mount = mount_of_controller(*mounts, controller);
    const std::string folder = mount ? mount->place + name_ : "";
    if (mount && std::ranges::find(folders, folder) == folders.end()) folders.push_back(folder);
  }
  for (const std::string& folder : folders) {
    if (::mkdir(folder.c_str(), 0755) != 0) {
      remove();
      return;
    }
    folders_.push_back(folder);
  }
}

Labels NamedCgroup::labels() const { return {{"cgroup", cgroup_label(name_)}}; }

std::string NamedCgroup::path_of(const std::string& file) const {
  for (const std::string& folder : folders_) {
    const std::string path = folder + "/" + file;
    if (::access(path.c_str(), F_OK) == 0) return path;
  }
  return name_ + " has no " + file;
}

bool NamedCgroup::has(const std::string& file) const {
  return ::access(path_of(file).c_str(), F_OK) == 0;
}

bool NamedCgroup::write(const std::string& file, const std::string& text) const {
  std::ofstream out(path_of(file));
  out << text << std::flush;
  return out.good();
}

std::uint64_t NamedCgroup::value(const std::string& file, std::string_view key) const {
  return keyed_value(path_of(file), key);
}

pid_t NamedCgroup::start(const std::function<int()>& body) const {
  const pid_t child = ::fork();
  if (child != 0) return child;
  for (const std::string& folder : folders_) {
    std::ofstream out(folder + "/cgroup.procs");
    out << "0" << std::flush;
    if (!out.good()) ::_exit(126);
  }
  ::_exit(body());
}

bool NamedCgroup::expel(pid_t task) const {
  return std::ranges::all_of(folders_, [&](const std::string& folder) {
    const std::string root = folder.substr(0, folder.size() - name_.size());
    std::ofstream out(root + "/cgroup.procs");
    out << task << std::flush;
    return out.good();
  });
}

void NamedCgroup::remove() {
  for (const std::string& folder : folders_) {
    // The last task may still be on its way out.
    for (int i = 0; ::rmdir(folder.c_str()) != 0 && i < 200; ++i) ::usleep(10'000);
  }
  folders_.clear();
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
