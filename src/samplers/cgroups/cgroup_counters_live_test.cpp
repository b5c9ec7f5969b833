// SPDX-License-Identifier: Apache-2.0 OR MIT
// Two cgroups with known work: each is charged exactly its own, by every family that tells them
// apart. And cgroups that come and go in a loop.

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "live/cgroup.h"
#include "live/live.h"
#include "samplers/block/disks_live.h"
#include "samplers/cgroups/cgroup_walk.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE(cgroup_counters);

Labels with(Labels labels, const char* key, const char* value) {
  labels.emplace_back(key, value);
  return labels;
}

// Parts are read before their total, and the kernel adds to the total first.
void expect_parts(const Snapshot& snapshot, const char* part, const char* whole) {
  EXPECT_LE(value(snapshot, part), value(snapshot, whole)) << part;
  EXPECT_GE(value(snapshot, part) + 1000, value(snapshot, whole)) << "while reading: " << part;
}

bool has_series(const Snapshot& snapshot, const std::string& cgroup) {
  return std::ranges::any_of(snapshot.schema->series, [&](const auto& series) {
    return series != nullptr && std::ranges::find(series->labels, std::pair<std::string, std::string>(
                                                                      "cgroup", cgroup)) !=
                                    series->labels.end();
  });
}

bool has_labels(const Series& series, const Labels& labels) {
  return std::ranges::all_of(labels, [&](const auto& label) {
    return std::ranges::find(series.labels, label) != series.labels.end();
  });
}

// How many values the histograms hold that have this name and contain these labels.
std::uint64_t samples(const Snapshot& snapshot, const char* name, const Labels& labels = {}) {
  std::uint64_t count = 0;
  for (const auto& series : snapshot.schema->series) {
    if (series == nullptr || series->name != name || !has_labels(*series, labels)) continue;
    const auto& histogram = snapshot.histograms[series->histogram_index];
    count += histogram ? histogram->count() : 0;
  }
  return count;
}

int yield(int times) {
  for (int i = 0; i < times; ++i) ::sched_yield();
  return 0;
}

// Since 7.0 the kernel skips some.
void expect_calls(std::uint64_t counted, std::uint64_t calls) {
  EXPECT_LE(counted, calls);
  EXPECT_GE(counted, kernel_preempts_programs() ? calls * 9 / 10 : calls);
}

TEST_P(cgroup_counters, SystemCalls) {
  constexpr std::uint64_t kCalls = 2000;
  LiveCollector collector({"syscall_counts", "syscall_latency"}, GetParam());
  const NamedCgroup few("rezolus_live_few");
  const NamedCgroup many("rezolus_live_many");
  if (!few.ok() || !many.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, few.labels()));
  ASSERT_TRUE(appears(*collector, many.labels()));
  collector.begin();
  const pid_t one = few.start([] { return yield(kCalls); });
  const pid_t other = many.start([] { return yield(3 * kCalls); });
  EXPECT_TRUE(wait_for(one));
  EXPECT_TRUE(wait_for(other));
  const Delta delta = collector.end();
  for (const auto& [cgroup, calls] : {std::pair(&few, kCalls), std::pair(&many, 3 * kCalls)}) {
    const std::uint64_t counted =
        delta.counter("cgroup_syscall", with(cgroup->labels(), "op", "yield"));
    expect_calls(counted, calls);
    EXPECT_GE(delta.histogram("cgroup_syscall_latency", cgroup->labels()).count(), counted);
  }
  expect_parts(*collector->collect(), "cgroup_syscall", "syscall");
}

TEST_P(cgroup_counters, WaitsAreNotInTheLatencyOfSystemCalls) {
  LiveCollector collector({"syscall_latency"}, GetParam());
  const NamedCgroup cgroup("rezolus_live_waits");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  collector.begin();
  EXPECT_TRUE(wait_for(cgroup.start([] {
    for (int i = 0; i < 5; ++i) ::usleep(50'000);
    return 0;
  })));
  const Delta delta = collector.end();
  EXPECT_GE(delta.histogram("syscall_latency", {{"op", "sleep"}}).sum, 250'000'000u);
  EXPECT_LT(delta.histogram("cgroup_syscall_latency", cgroup.labels()).sum, 200'000'000u);
}

TEST_P(cgroup_counters, PageFaults) {
  constexpr std::uint64_t kPages = 300;
  constexpr std::size_t kPage = 4096;
  LiveCollector collector({"page_faults"}, GetParam());
  const NamedCgroup cgroup("rezolus_live_faults");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  collector.begin();
  EXPECT_TRUE(wait_for(cgroup.start([] {
    void* memory =
        ::mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 1;
    ::madvise(memory, kPages * kPage, MADV_NOHUGEPAGE);
    for (std::size_t i = 0; i < kPages; ++i) static_cast<volatile char*>(memory)[i * kPage] = 1;
    return 0;
  })));
  const Delta delta = collector.end();
  const std::uint64_t counted =
      delta.counter("cgroup_page_fault", with(cgroup.labels(), "kind", "user"));
  EXPECT_GE(counted, kPages);
  EXPECT_LT(counted, 2 * kPages) << "but for its copies of pages";
  expect_parts(*collector->collect(), "cgroup_page_fault", "page_fault");
}

TEST_P(cgroup_counters, Throttling) {
  LiveCollector collector({"cpu_bandwidth"}, GetParam());
  const SamplerStatus& status = collector.status_of("cpu_bandwidth");
  if (status.health == SamplerHealth::kUnsupported) GTEST_SKIP() << status.reason;
  const NamedCgroup cgroup("rezolus_live_throttled");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  const bool limited = cgroup.version_2() ? cgroup.write("cpu.max", "20000 100000")
                                          : cgroup.write("cpu.cfs_quota_us", "20000");
  if (!limited) GTEST_SKIP() << "the cpu controller is not to be had";
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  collector.begin();
  EXPECT_TRUE(wait_for(cgroup.start([] {
    for (const std::uint64_t begin = now_ns(); now_ns() - begin < 1'000'000'000;) {
    }
    return 0;
  })));
  ::usleep(200'000);  // until the last period has released the run queue
  const Delta delta = collector.end();
  // The kernel's nr_throttled has periods that its timer was late for as well.
  EXPECT_GE(cgroup.value("cpu.stat", "nr_throttled"), 1u);
  EXPECT_GE(delta.counter("cgroup_cpu_throttled", cgroup.labels()), 1u);
  expect_parts(*collector->collect(), "cgroup_cpu_throttled", "cpu_throttled");
  EXPECT_GT(delta.counter("cgroup_cpu_throttled_time", cgroup.labels()), 0u);
}

TEST_P(cgroup_counters, BlockRequests) {
  constexpr std::uint64_t kReads = 40;
  LiveCollector collector({"blockio_requests", "blockio_latency"}, GetParam());
  const NamedCgroup cgroup("rezolus_live_disk");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  Target target;
  if (!target.ok()) GTEST_SKIP() << "no direct reads here";
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  collector.begin();
  EXPECT_TRUE(wait_for(cgroup.start([&] {
    for (std::uint64_t i = 0; i < kReads; ++i) target.read(offset_of(i));
    return 0;
  })));
  const Delta delta = collector.end();
  const Labels reads = with(cgroup.labels(), "op", "read");
  // On a host that is a guest the disk may not be one.
  if (delta.counter("blockio_operations", {{"op", "read"}}) < kReads) {
    GTEST_SKIP() << "reads of " << target.path() << " are no block requests";
  }
  expect_count(delta.counter("cgroup_blockio_operations", reads), kReads, "reads");
  expect_count(delta.counter("cgroup_blockio_bytes", reads), kReads * kReadBytes, "bytes");
  expect_count(delta.histogram("cgroup_blockio_latency", reads).count(), kReads, "latencies");
  expect_parts(*collector->collect(), "cgroup_blockio_operations", "blockio_operations");
}

std::unique_ptr<Collector> collector_of(const std::vector<std::string_view>& samplers, Mode mode,
                                        const CgroupLimits& limits) {
  CollectorConfig config = live_config(samplers, mode);
  config.cgroups = limits;
  return Collector::create(read_host().value(), config).value();
}

// There is one slot beside `other`, and the root has it.
TEST_P(cgroup_counters, EventsOfOneWithoutASlotAreCounted) {
  constexpr std::uint64_t kCalls = 3000;
  const NamedCgroup cgroup("rezolus_live_folded");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  const auto collector = collector_of({"syscall_counts"}, GetParam(), {.slots = 2});
  ASSERT_TRUE(appears(*collector, {{"cgroup", "/"}}));
  const auto in_other = [&] {
    return value(*collector->collect(), "cgroup_syscall", {{"cgroup", "other"}});
  };
  const std::uint64_t other = in_other();
  const std::uint64_t folded = collector->status().cgroup_folds.events;
  EXPECT_TRUE(wait_for(cgroup.start([] { return yield(kCalls); })));
  const std::uint64_t other_more = in_other() - other;
  const std::uint64_t folded_more = collector->status().cgroup_folds.events - folded;
  const std::uint64_t least = kernel_preempts_programs() ? kCalls * 9 / 10 : kCalls;
  EXPECT_GE(other_more, least);
  EXPECT_GE(folded_more, other_more) << "it was read later";
  EXPECT_FALSE(has_series(*collector->collect(), cgroup.labels()[0].second));
}

TEST_P(cgroup_counters, ValuesOfOneWithoutHistogramsAreCounted) {
  constexpr std::uint64_t kCalls = 3000;
  const auto collector = collector_of({"syscall_counts", "syscall_latency"}, GetParam(),
                                      {.slots = 64, .histogram_slots = 1});
  const NamedCgroup cgroup("rezolus_live_flat");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  const CgroupFolds before = collector->status().cgroup_folds;
  EXPECT_TRUE(wait_for(cgroup.start([] { return yield(kCalls); })));
  const CgroupFolds after = collector->status().cgroup_folds;
  EXPECT_GE(after.histogram_events - before.histogram_events, kCalls * 9 / 10);
  EXPECT_LT(after.events - before.events, kCalls) << "it has a slot";
  EXPECT_GE(value(*collector->collect(), "cgroup_syscall", cgroup.labels()), kCalls * 9 / 10);
}

TEST_P(cgroup_counters, AHistogramThatIsOffTakesNoMemory) {
  const auto bytes_of = [](const Collector& collector) {
    std::uint64_t bytes = 0;
    for (const MapStatus& map : collector.status().maps) {
      if (map.name == "runqueue_cgroup_histograms") bytes += map.size_bytes;
    }
    return bytes;
  };
  std::uint64_t bytes[3] = {};
  const std::vector<std::string> off = {"cgroup_scheduler_runqueue_latency",
                                        "cgroup_scheduler_blocked"};
  for (std::size_t i = 0; i <= off.size(); ++i) {
    const auto collector =
        collector_of({"scheduler_runqueue"}, GetParam(),
                     {.slots = 64, .histogram_slots = 64,
                      .histograms_off = {off.begin(), off.begin() + static_cast<long>(i)}});
    bytes[i] = bytes_of(*collector);
    ASSERT_TRUE(appears(*collector, {{"cgroup", "/"}}));
    for (int j = 0; j < 20; ++j) ::usleep(1000);
    const SnapshotRef snapshot = collector->collect();
    // The one that is on has its own values, and not the other's.
    EXPECT_EQ(samples(*snapshot, off[0].c_str()) != 0, i < 1);
    EXPECT_EQ(samples(*snapshot, off[1].c_str()) != 0, i < 2);
    EXPECT_LE(samples(*snapshot, off[1].c_str()),
              value(*snapshot, "cgroup_scheduler_context_switch"));
  }
  EXPECT_LT(bytes[1], bytes[0] * 6 / 10);
  EXPECT_EQ(bytes[2], 0u);
}

// The same calls are seen by two agents: one that tells classes apart, and one that does not.
TEST_P(cgroup_counters, LatencyBySystemCallClass) {
  constexpr std::uint64_t kCalls = 1000;
  constexpr const char* kLatency = "cgroup_syscall_latency";
  const std::vector<std::string_view> samplers = {"syscall_counts", "syscall_latency"};
  const auto together = collector_of(samplers, GetParam(), {});
  const auto apart = collector_of(samplers, GetParam(), {.syscall_latency_by_class = true});
  const NamedCgroup cgroup("rezolus_live_classes");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*together, cgroup.labels()));
  ASSERT_TRUE(appears(*apart, cgroup.labels()));
  EXPECT_TRUE(wait_for(cgroup.start([] {
    yield(kCalls);
    for (std::uint64_t i = 0; i < 2 * kCalls; ++i) ::syscall(SYS_getppid);
    for (int i = 0; i < 5; ++i) ::usleep(1000);
    return 0;
  })));
  const SnapshotRef snapshot = apart->collect();
  const std::uint64_t of_cgroup = samples(*together->collect(), kLatency, cgroup.labels());

  // Each call that came back is in the histogram of its class, and there is none of those that wait.
  const bool exact = !kernel_preempts_programs();
  std::uint64_t counted = 0;
  std::set<std::string> classes;
  for (const auto& series : snapshot->schema->series) {
    if (series == nullptr || series->name != kLatency) continue;
    const auto op = std::ranges::find(series->labels, "op", &Labels::value_type::first);
    ASSERT_NE(op, series->labels.end());
    classes.insert(op->second);
  }
  for (const std::string& op : classes) {
    const Labels one = with(cgroup.labels(), "op", op.c_str());
    const std::uint64_t calls = value(*snapshot, "cgroup_syscall", one);
    EXPECT_LE(samples(*snapshot, kLatency, one), calls) << op;
    EXPECT_GE(samples(*snapshot, kLatency, one), exact ? calls : calls * 9 / 10) << op;
    if (op == "yield") expect_calls(calls, kCalls);
    if (op == "query") expect_calls(calls, 2 * kCalls);
    counted += calls;
    // Parts are read before their total, and the kernel adds to the total first.
    const std::uint64_t parts = samples(*snapshot, kLatency, {{"op", op}});
    const std::uint64_t whole = samples(*snapshot, "syscall_latency", {{"op", op}});
    EXPECT_LE(parts, whole) << op;
    EXPECT_GE(parts + 1000, whole) << op << " while reading";
  }
  EXPECT_EQ(classes,
            (std::set<std::string>{"other", "read", "write", "time", "socket", "yield",
                                   "filesystem", "memory", "query", "ipc", "sync", "transfer"}));
  EXPECT_LE(of_cgroup, counted + (exact ? 0 : kCalls));
  EXPECT_GE(of_cgroup, exact ? counted : counted * 9 / 10) << "all classes together";
}

TEST_P(cgroup_counters, AHistogramByClassCanBeOff) {
  const auto collector = collector_of(
      {"syscall_latency"}, GetParam(),
      {.histograms_off = {"cgroup_syscall_latency"}, .syscall_latency_by_class = true});
  const auto status = collector->status();
  EXPECT_TRUE(std::ranges::none_of(
      status.maps, [](const MapStatus& map) { return map.name == "latency_cgroup_histograms"; }));
  const SnapshotRef snapshot = collector->collect();
  EXPECT_EQ(samples(*snapshot, "cgroup_syscall_latency"), 0u);
  EXPECT_GT(samples(*snapshot, "syscall_latency"), 0u);
}

// Nothing of those that are gone stays, and every switch is somebody's.
TEST_P(cgroup_counters, ChurnLeavesNoSeriesAndLosesNothing) {
  const char* wanted = std::getenv("REZOLUS_CHURN_CGROUPS");
  const int rounds = wanted == nullptr ? 200 : std::atoi(wanted);
  LiveCollector collector({"cgroup_cpu_usage", "scheduler_runqueue"}, GetParam());
  const auto host = read_host();
  ASSERT_TRUE(host.has_value());
  const auto hierarchy = find_cgroup_hierarchy(*host);
  if (!hierarchy) GTEST_SKIP() << hierarchy.error().message;
  const SnapshotRef first = collector->collect();
  std::uint64_t collected_ns = now_ns();
  for (int i = 0; i < rounds; ++i) {
    NamedCgroup cgroup("rezolus_churn_" + std::to_string(i));
    if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
    if (i % 8 == 0) {
      EXPECT_TRUE(wait_for(cgroup.start([] { return yield(3); })));
    }
    if (now_ns() - collected_ns < 100'000'000) continue;
    collector->collect();
    collected_ns = now_ns();
  }
  const auto series_left = [](const Snapshot& snapshot) {
    return std::ranges::count_if(snapshot.schema->series, [](const auto& series) {
      return series != nullptr && std::ranges::any_of(series->labels, [](const auto& label) {
               return label.second.starts_with("/rezolus_churn_");
             });
    });
  };
  const auto exited_ns = [](const Snapshot& snapshot) {
    return value(snapshot, "cgroup_cpu_time", {{"cgroup", "exited"}});
  };
  // Walks are once a second.
  SnapshotRef last = collector->collect();
  for (int i = 0; i < 100; ++i) {
    if (series_left(*last) == 0 && exited_ns(*last) > exited_ns(*first)) break;
    ::usleep(100'000);
    last = collector->collect();
  }
  EXPECT_EQ(series_left(*last), 0);
  EXPECT_GT(exited_ns(*last), exited_ns(*first));
  expect_parts(*last, "cgroup_scheduler_context_switch", "scheduler_context_switch");
}

}  // namespace
}  // namespace rezolus::live
