// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A cgroup (version 2) of a test's own, with a limit and a child in it.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <sys/types.h>

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

// The same of any file of such lines; 0 when there is none.
std::uint64_t keyed_value(const std::string& path, std::string_view key);

}  // namespace rezolus::live
