// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// For tests: a host with tasks of the test's own making.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/core.h>

#include "base/host.h"
#include "base/result.h"

namespace rezolus {

inline std::string stat_text(int tid, const std::string& comm, char state = 'S',
                             std::uint64_t start_ticks = 100, unsigned flags = 4194560) {
  return fmt::format(
      "{} ({}) {} 1 1 1 0 -1 {} 138 0 1 0 3 4 0 0 20 0 1 0 {} 8192 66 18446744073709551615\n", tid,
      comm, state, flags, start_ticks);
}

// A host whose tasks a test writes.
class WrittenTasks {
 public:
  WrittenTasks() {
    // In memory where there is such a place: these are thousands of files.
    std::string pattern = std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp";
    pattern += "/rezolus_task_cpu_usage_test.XXXXXX";
    CHECK(::mkdtemp(pattern.data()) != nullptr, "a folder can be made");
    host_.root = pattern + "/";
    std::filesystem::create_directories(host_.path("proc/1"));
    std::filesystem::create_directories(host_.path("proc/irq/7"));
    std::ofstream(host_.path("proc/1/schedstat")) << "5 6 7\n";
    std::ofstream(host_.path("proc/uptime")) << "1 2\n";
  }
  ~WrittenTasks() { std::filesystem::remove_all(host_.root); }
  WrittenTasks(const WrittenTasks&) = delete;
  WrittenTasks& operator=(const WrittenTasks&) = delete;

  void write(int tgid, int tid, const std::string& stat, const std::string& schedstat) const {
    const std::string folder = folder_of(tgid, tid);
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/stat") << stat;
    std::ofstream(folder + "/schedstat") << schedstat;
  }
  void run(int tid, std::uint64_t ran_ns, const std::string& comm = "task",
           std::uint64_t start_ticks = 100) const {
    write(tid, tid, stat_text(tid, comm, 'S', start_ticks), fmt::format("{} 0 1\n", ran_ns));
  }
  void end(int tgid) const {
    std::filesystem::remove_all(host_.path("proc/" + std::to_string(tgid)));
  }
  [[nodiscard]] std::string folder_of(int tgid, int tid) const {
    return host_.path(fmt::format("proc/{}/task/{}", tgid, tid));
  }
  [[nodiscard]] const Host& host() const { return host_; }

 private:
  Host host_;
};

}  // namespace rezolus
