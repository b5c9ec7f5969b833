// SPDX-License-Identifier: Apache-2.0 OR MIT
// Everything at once under mixed load: nothing is lost, nothing goes back, nothing is absurd.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>

#include <unistd.h>

#include "live/live.h"
#include "samplers/list.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE(mixed_load);

std::vector<std::string_view> all_samplers() {
  std::vector<std::string_view> names;
  for (const SamplerName& sampler : sampler_names()) names.push_back(sampler.name);
  return names;
}

// REZOLUS_LOAD_SECONDS, set where a long run is wanted.
int load_seconds() {
  const char* text = std::getenv("REZOLUS_LOAD_SECONDS");
  return text == nullptr ? 5 : std::max(1, std::atoi(text));
}

// No latency is longer than the collector is old, and no value went back.
void expect_sane(const Snapshot& before, const Snapshot& after, std::uint64_t age_ns) {
  std::set<std::string> told;
  for (std::size_t i = 0; i < after.schema->series.size(); ++i) {
    const Series* series = after.schema->series[i].get();
    if (series == nullptr || i >= before.schema->series.size()) continue;
    const bool both = before.present[i] != 0 && after.present[i] != 0;
    if (!both || before.schema->series[i] == nullptr) continue;
    // The kernel's own idle and iowait times go back now and then.
    const bool monotonic = series->type == MetricType::kCounter && series->name != "cpu_idle";
    if (monotonic && after.scalars[i] < before.scalars[i] &&
        told.insert(series->name).second) {
      ADD_FAILURE() << series_name(series->name, series->labels) << " went back from "
                    << before.scalars[i] << " to " << after.scalars[i];
    }
    if (series->type != MetricType::kHistogram) continue;
    const HistogramValue& now = *after.histograms[series->histogram_index];
    const auto grown = histogram_subtract(now, *before.histograms[series->histogram_index]);
    EXPECT_TRUE(grown) << series->name << " went back";
    if (series->unit != unit_name(Unit::kNanoseconds)) continue;
    for (std::size_t bucket = 0; bucket < now.buckets.size(); ++bucket) {
      if (now.buckets[bucket] == 0 || kAgentHistogram.lower(bucket) <= age_ns) continue;
      EXPECT_EQ(now.buckets[bucket], 0u)
          << series_name(series->name, series->labels) << ": longer than the collector is old";
    }
  }
}

TEST_P(mixed_load, NothingIsLostOrNegative) {
  if (std::system("command -v stress-ng >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "stress-ng is not installed (scripts/setup installs it)";
  }
  // The whole time in the best mode, a moment in the others.
  const int seconds = GetParam() == Mode::kBest ? load_seconds() : std::min(load_seconds(), 2);
  LiveCollector collector(all_samplers(), GetParam());
  const std::string folder = ::access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp";
  const std::string command =
      "cd " + folder + " && stress-ng --quiet --timeout " + std::to_string(seconds) +
      "s --cpu 1 --switch 1 --pipe 1 --fork 1 --futex 1 --sock 1 --udp 1 --hdd 1 --hdd-bytes 8m"
      " --timer 1 --vm 1 --vm-bytes 32m --mmap 1 --mmap-bytes 16m --epoll 1 >/dev/null 2>&1";
  int result = -1;
  std::thread load([&] { result = std::system(command.c_str()); });
  collector.begin();
  SnapshotRef last = collector->collect();
  const SnapshotRef first = last;
  const std::uint64_t end_ns = now_ns() + static_cast<std::uint64_t>(seconds) * kNsPerSecond;
  std::size_t snapshots = 1;
  while (now_ns() < end_ns) {
    ::usleep(100'000);
    const SnapshotRef next = collector->collect();
    expect_sane(*last, *next, collector.age_ns());
    if (testing::Test::HasFailure()) break;
    last = next;
    ++snapshots;
  }
  load.join();
  const Delta delta = collector.end();
  RecordProperty("snapshots", static_cast<int>(snapshots));
  EXPECT_EQ(result, 0) << "stress-ng failed";
  std::printf("%llu system calls, %llu context switches in %zu snapshots\n",
              static_cast<unsigned long long>(delta.counter("syscall")),
              static_cast<unsigned long long>(delta.counter("scheduler_context_switch")), snapshots);
  EXPECT_GE(snapshots, static_cast<std::size_t>(seconds) * 2);
  EXPECT_GT(delta.counter("syscall"), static_cast<std::uint64_t>(seconds) * 1000);
  EXPECT_GT(delta.counter("scheduler_context_switch"), static_cast<std::uint64_t>(seconds) * 100);
  collector.expect_no_losses(kernel_preempts_programs() ? delta.counter("syscall") / 2 : 5);
}

}  // namespace
}  // namespace rezolus::live
