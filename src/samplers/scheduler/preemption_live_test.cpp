// SPDX-License-Identifier: Apache-2.0 OR MIT
// Cgroups that want the same CPU: who took it from whom, and what that does to the one that is taken
// it from.

#include <algorithm>
#include <string>
#include <vector>

#include <sched.h>
#include <unistd.h>

#include "live/cgroup.h"
#include "live/live.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE(scheduler_preemptions);

const std::vector<std::string_view> kSamplers = {"scheduler_preemptions", "scheduler_runqueue"};

Labels by(Labels labels, const char* what, const NamedCgroup* culprit = nullptr) {
  labels.emplace_back("by", what);
  if (culprit != nullptr) labels.emplace_back("by_cgroup", culprit->labels()[0].second);
  return labels;
}

// What the pairs with these labels grew by; those that came in between began at 0.
std::uint64_t grown(const SnapshotRef& from, const SnapshotRef& to, const char* name,
                    const Labels& labels) {
  return value(*to, name, labels) - value(*from, name, labels);
}

// The upper end of its bucket.
std::uint64_t quantile(const HistogramValue& histogram, double q) {
  return histogram_quantile(kAgentHistogram, histogram.buckets, q).value_or(0);
}

// Spins on one CPU for that long, beside whoever else does.
int burn(std::uint64_t duration_ns) {
  pin_to_cpu(0);
  for (const std::uint64_t begin = now_ns(); now_ns() - begin < duration_ns;) {
  }
  return 0;
}

// Gives the CPU to whoever wants it, again and again.
int yield_often() {
  pin_to_cpu(0);
  for (const std::uint64_t begin = now_ns(); now_ns() - begin < 500'000'000;) ::sched_yield();
  return 0;
}

TEST_P(scheduler_preemptions, TheNoisyNeighbourIsNamed) {
  LiveCollector collector(kSamplers, GetParam());
  const NamedCgroup victim("rezolus_live_victim");
  const NamedCgroup noisy("rezolus_live_noisy");
  if (!victim.ok() || !noisy.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, victim.labels()));
  ASSERT_TRUE(appears(*collector, noisy.labels()));
  constexpr std::uint64_t kBurnNs = 1'500'000'000;
  const SnapshotRef start = collector->collect();
  EXPECT_TRUE(wait_for(victim.start([] { return burn(kBurnNs); })));
  const SnapshotRef alone = collector->collect();
  const pid_t one = victim.start([] { return burn(kBurnNs); });
  const pid_t other = noisy.start([] { return burn(kBurnNs); });
  EXPECT_TRUE(wait_for(one));
  EXPECT_TRUE(wait_for(other));
  const SnapshotRef shared = collector->collect();
  const Labels by_noisy = by(victim.labels(), "cgroup", &noisy);
  EXPECT_EQ(value(*alone, "cgroup_preemptions", by_noisy), 0u);
  const std::uint64_t taken = grown(alone, shared, "cgroup_preemptions", by_noisy);
  const std::uint64_t waited = grown(alone, shared, "cgroup_preemption_wait", by_noisy);
  // A half of the time is its neighbour's; on a host that others share, some of it is theirs.
  EXPECT_GT(taken, in_vm() ? 10u : 2u);
  EXPECT_GT(waited, kBurnNs / (in_vm() ? 4 : 50));
  EXPECT_LT(grown(alone, shared, "cgroup_preemption_wait", by(victim.labels(), "self")),
            waited / 2 + 10'000'000);
  // It waits for a slice of its neighbour's each time: the run-queue latency rises to that bucket.
  const HistogramValue latency =
      Delta(alone, shared).histogram("cgroup_scheduler_runqueue_latency", victim.labels());
  const std::uint64_t p99 = quantile(latency, 0.99);
  EXPECT_GE(p99, waited / std::max<std::uint64_t>(taken, 1)) << "below the mean wait";
  const HistogramValue before =
      Delta(start, alone).histogram("cgroup_scheduler_runqueue_latency", victim.labels());
  if (in_vm() && before.count() != 0) {
    EXPECT_GT(p99, quantile(before, 0.9));
  }
}

TEST_P(scheduler_preemptions, OneThatHasMoreTasksThanCpus) {
  LiveCollector collector(kSamplers, GetParam());
  const NamedCgroup cgroup("rezolus_live_crowd");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  std::vector<pid_t> children;
  for (int i = 0; i < 3; ++i) children.push_back(cgroup.start(yield_often));
  for (const pid_t child : children) EXPECT_TRUE(wait_for(child));
  const SnapshotRef snapshot = collector->collect();
  const Labels itself = by(cgroup.labels(), "self");
  EXPECT_GT(value(*snapshot, "cgroup_preemptions", itself), 10u);
  EXPECT_GT(value(*snapshot, "cgroup_preemption_wait", itself), 0u);
}

TEST_P(scheduler_preemptions, AQuotaIsNobodysFault) {
  LiveCollector collector(kSamplers, GetParam());
  const NamedCgroup cgroup("rezolus_live_held");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  const bool limited = cgroup.version_2() ? cgroup.write("cpu.max", "20000 100000")
                                          : cgroup.write("cpu.cfs_quota_us", "20000");
  if (!limited) GTEST_SKIP() << "the cpu controller is not to be had";
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  EXPECT_TRUE(wait_for(cgroup.start([] { return burn(1'000'000'000); })));
  const SnapshotRef snapshot = collector->collect();
  const std::uint64_t throttled = cgroup.value("cpu.stat", "nr_throttled");
  EXPECT_GE(throttled, 2u);
  const Labels held = by(cgroup.labels(), "throttled");
  const std::uint64_t counted = value(*snapshot, "cgroup_preemptions", held);
  EXPECT_GE(counted, throttled / 2);
  EXPECT_GE(value(*snapshot, "cgroup_preemption_wait", held), counted * 20'000'000);
}

TEST_P(scheduler_preemptions, AllPairsAreTheInvoluntarySwitches) {
  LiveCollector collector(kSamplers, GetParam());
  const NamedCgroup cgroup("rezolus_live_yielding");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  const pid_t one = cgroup.start(yield_often);
  const pid_t other = cgroup.start(yield_often);
  EXPECT_TRUE(wait_for(one));
  EXPECT_TRUE(wait_for(other));
  const auto involuntary = [](const Snapshot& snapshot) {
    return value(snapshot, "scheduler_context_switch", {{"kind", "involuntary"}});
  };
  const SnapshotRef first = collector->collect();
  ::usleep(200'000);
  const SnapshotRef second = collector->collect();
  // Parts are read before their total, and the kernel adds to the total first.
  EXPECT_LE(value(*first, "cgroup_preemptions"), involuntary(*first));
  EXPECT_GE(value(*second, "cgroup_preemptions"), involuntary(*first)) << "nothing is lost";
  EXPECT_GT(involuntary(*first), 100u);
  Labels labels = cgroup.labels();
  labels.emplace_back("kind", "involuntary");
  EXPECT_LE(value(*second, "cgroup_preemptions", cgroup.labels()),
            value(*second, "cgroup_scheduler_context_switch", labels));
}

}  // namespace
}  // namespace rezolus::live
