// SPDX-License-Identifier: Apache-2.0 OR MIT
// A cgroup with a fifth of a CPU and a child that wants all of it, against the cgroup's cpu.stat.

#include <algorithm>
#include <set>
#include <string>

#include <unistd.h>

#include "live/cgroup.h"
#include "live/live.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE_WITHOUT_TASKS(cpu_bandwidth);

constexpr std::uint64_t kBurnNs = 1'000'000'000;
constexpr int kCpu = 1;

int burn() {
  pin_to_cpu(kCpu);
  for (const std::uint64_t begin = now_ns(); now_ns() - begin < kBurnNs;) {
  }
  return 0;
}

void compare_with_cpu_stat(Mode mode, const std::set<std::string>& pretend_missing,
                           const std::string& attached_as) {
  LiveCollector collector({"cpu_bandwidth"}, mode, pretend_missing);
  const SamplerStatus& status = collector.status_of("cpu_bandwidth");
  if (status.health == SamplerHealth::kUnsupported) GTEST_SKIP() << status.reason;
  ASSERT_EQ(status.state, SamplerState::kActive) << status.reason;
  for (const ProgramStatus& program : status.programs) {
    EXPECT_EQ(program.attached_as, attached_as) << program.reason;
  }
  const Cgroup cgroup("rezolus_bandwidth_live_test", "cpu");
  if (!cgroup.ok() || online_cpus() <= kCpu) GTEST_SKIP() << "no cgroup v2 with cpu to be had";
  ASSERT_TRUE(cgroup.write("cpu.max", "20000 100000"));
  collector.begin();
  const std::uint64_t begin = now_ns();
  ASSERT_EQ(cgroup.run(burn), 0);
  ::usleep(200'000);  // until the last period has released the run queue
  const Delta delta = collector.end();
  const std::uint64_t elapsed = now_ns() - begin;
  const std::uint64_t periods = cgroup.value("cpu.stat", "nr_throttled");
  const std::uint64_t kernel_ns = cgroup.value("cpu.stat", "throttled_usec") * 1000;
  const Labels cpu = {{"id", std::to_string(kCpu)}};
  const std::uint64_t count = delta.counter("cpu_throttled", cpu);
  const std::uint64_t time_ns = delta.counter("cpu_throttled_time", cpu);
  EXPECT_GE(periods, 5u);
  EXPECT_GE(count + 1, periods);
  EXPECT_LE(time_ns, elapsed);
  if (in_vm()) {
    EXPECT_LE(count, periods + 1);
    EXPECT_EQ(delta.counter("cpu_throttled"), count) << "nothing on other CPUs";
    // The throttling at the end may be in one of the two only; a period is 100 ms.
    const double tolerance_ns = std::max(static_cast<double>(kernel_ns) * 0.05, 100e6);
    EXPECT_NEAR(static_cast<double>(time_ns), static_cast<double>(kernel_ns),
                tolerance_ns);
  } else {
    EXPECT_GE(time_ns + time_ns / 20, kernel_ns);
  }
  collector.expect_no_losses();
}

TEST_P(cpu_bandwidth, ThrottlingIsWhatTheCgroupSays) {
  compare_with_cpu_stat(GetParam(), {}, "fexit");
}

TEST_P(cpu_bandwidth, ThrottlingIsWhatTheCgroupSaysByKprobes) {
  compare_with_cpu_stat(GetParam(), {"fexit"}, "kprobe");
}

}  // namespace
}  // namespace rezolus::live
