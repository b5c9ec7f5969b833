// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/summary.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "recorder/recorder_testing.h"

namespace rezolus {
namespace {

std::string line_with(const std::string& text, const std::string& word) {
  const std::size_t at = text.find("  " + word);
  if (at == std::string::npos) return "no line with " + word + " in\n" + text;
  return text.substr(at, text.find('\n', at) - at);
}

TEST(Summary, ShowsRatesSharesAndQuantiles) {
  SyntheticHost host;
  const SnapshotRef first = host.snapshot();
  host.advance(10 * kNsPerSecond);
  host.count("syscall", {{"op", "read"}}, 50'000);
  host.count("scheduler_context_switch", {{"id", "0"}, {"kind", "voluntary"}}, 1000);
  host.count("scheduler_context_switch", {{"id", "1"}, {"kind", "voluntary"}}, 3000);
  host.count("cpu_usage", {{"id", "0"}, {"state", "user"}}, 5 * kNsPerSecond);
  host.count("cpu_idle", {{"id", "0"}, {"state", "idle"}}, 5 * kNsPerSecond);
  host.count("cpu_idle", {{"id", "1"}, {"state", "idle"}}, 10 * kNsPerSecond);
  host.count("blockio_operations", {{"op", "read"}}, 100);
  host.count("blockio_bytes", {{"op", "read"}}, 100 * 4096);
  host.record("blockio_latency", {{"op", "read"}}, 100'000, 99);
  host.record("blockio_latency", {{"op", "read"}}, 9'000'000, 1);
  const auto activity = activity_between(*first, *host.snapshot());
  ASSERT_TRUE(activity);
  const std::string text = render_summary(*activity, {{"softirq_wait", "no such hook"}});

  EXPECT_EQ(line_with(text, "system calls "), "  system calls            5,000 /s   read 5,000");
  EXPECT_EQ(line_with(text, "context switches"),
            "  context switches          400 /s   voluntary 400");
  EXPECT_EQ(line_with(text, "CPU"), "  CPU                       25.0 %   user 25.0 · idle 75.0");
  EXPECT_EQ(line_with(text, "block I/O"),
            "  block I/O                  10 /s   read 10 (40.0 KiB/s)");
  EXPECT_EQ(line_with(text, "block read, device"),
            "  block read, device               100     106 µs     106 µs     106 µs    9.44 ms"
            "    9.44 ms");
  // Nothing happened: a count of 0 and no quantiles. Not measured: a dash and the reason.
  EXPECT_EQ(line_with(text, "block write, device"),
            "  block write, device                0          -          -          -          -"
            "          -");
  EXPECT_EQ(line_with(text, "softirq wait"),
            "  softirq wait                       -   (no such hook)");
}

TEST(Summary, OneSampleHasNoRates) {
  EXPECT_NE(render_summary(Activity{}).find("one sample only"), std::string::npos);
}

}  // namespace
}  // namespace rezolus
