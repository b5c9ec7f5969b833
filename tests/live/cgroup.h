// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A cgroup (version 2) of a test's own, with a limit and a child in it.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "samplers/collector.h"

namespace rezolus::live {

class Cgroup {
 public:
  // Made below the mount of version 2, and removed with us; not ok() where there is none with this
  // controller.
  Cgroup(const std::string& name, std::string_view controller);
  ~Cgroup();
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  [[nodiscard]] bool ok() const { return !path_.empty(); }
  [[nodiscard]] bool write(const std::string& file, const std::string& text) const;
  // The number behind a key in a file of lines "key number"; 0 when there is none.
  [[nodiscard]] std::uint64_t value(const std::string& file, std::string_view key) const;
  // Runs a function in a child that is in the cgroup from its start; the exit status, or −1.
  [[nodiscard]] int run(const std::function<int()>& body) const;

 private:
  std::string path_;
};

// A cgroup of the hierarchy that names them, be it version 2 or not; removed with us. On a host with
// several, it is also made in those of the given controllers; "" is version 2.
class NamedCgroup {
 public:
  explicit NamedCgroup(const std::string& name, const std::vector<std::string>& controllers = {});
  ~NamedCgroup() { remove(); }
  NamedCgroup(const NamedCgroup&) = delete;
  NamedCgroup& operator=(const NamedCgroup&) = delete;

  [[nodiscard]] bool ok() const { return !folders_.empty(); }
  [[nodiscard]] bool version_2() const { return version_2_; }
  [[nodiscard]] Labels labels() const;
  // Files are looked for in all of its folders.
  [[nodiscard]] bool has(const std::string& file) const;
  [[nodiscard]] bool write(const std::string& file, const std::string& text) const;
  [[nodiscard]] std::uint64_t value(const std::string& file, std::string_view key) const;
  // A child that moves itself here before it runs the function.
  [[nodiscard]] pid_t start(const std::function<int()>& body) const;
  // Moves one of its tasks to the root.
  [[nodiscard]] bool expel(pid_t task) const;
  void remove();

 private:
  [[nodiscard]] std::string path_of(const std::string& file) const;

  std::string name_;
  std::vector<std::string> folders_;  // the one that names it in front
  bool version_2_ = false;
};

// The child ended with 0.
bool wait_for(pid_t child);

// The sum of the series with this name whose labels contain the given ones.
std::uint64_t value(const Snapshot& snapshot, std::string_view name, const Labels& labels = {});

// Whether such a series comes, or goes if that is wanted: walks are once a second.
bool appears(Collector& collector, const Labels& labels, bool wanted = true);

// The same of any file of such lines; 0 when there is none.
std::uint64_t keyed_value(const std::string& path, std::string_view key);

}  // namespace rezolus::live
