// SPDX-License-Identifier: Apache-2.0 OR MIT
// Cgroups that want the same CPU: who took it from whom, and what that does to the one that is taken
// it from.

#include <algorithm>
#include <array>
#include <atomic>
#include <new>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <sched.h>
#include <sys/mman.h>
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
}

// A victim that is always ready to run when its neighbour wakes, and a neighbour with bursts of a
// known length, which is therefore what the victim waits. Both have real-time priorities, so that
// nobody else on a busy host comes in between.
constexpr int kBursts = 30;
constexpr std::uint64_t kBurstNs = 50'000'000;
constexpr int kNaps = 300;

struct Bursts {  // in memory that the processes share
  std::atomic<int> ready{0};
  std::atomic<bool> go{false};
  std::atomic<int> spinning{0};                     // the round that the victim spins in, from 1 on
  std::atomic<int> ended{0};                        // bursts that are over
  std::atomic<std::uint64_t> wakeups{0};            // of the neighbour
  std::array<std::uint64_t, kBursts> gaps_ns = {};  // in which the victim did not run, by its clock
  std::array<std::uint64_t, kBursts> lengths_ns = {};  // by its own clock
};

bool become_real_time(int priority) {
  const sched_param parameter{.sched_priority = priority};
  ::alarm(120);  // it must not keep its CPU for good
  return ::sched_setscheduler(0, SCHED_FIFO, &parameter) == 0;
}

// Where real-time bandwidth is given out by cgroup, a new one has none.
bool may_be_real_time(const NamedCgroup& cgroup, const char* runtime_us) {
  if (cgroup.has("cpu.rt_runtime_us") && !cgroup.write("cpu.rt_runtime_us", runtime_us))
    return false;
  return wait_for(cgroup.start([] { return become_real_time(1) ? 0 : 1; }));
}

// Alone on its CPU: waits are what it takes to be switched to.
int nap_often() {
  pin_to_cpu(0);
  if (!become_real_time(1)) return 1;
  for (int i = 0; i < kNaps; ++i) ::usleep(1000);
  return 0;
}

int wait_for_bursts(Bursts& bursts) {
  pin_to_cpu(0);
  if (!become_real_time(1)) return 1;
  for (++bursts.ready; !bursts.go;) ::usleep(2000);
  for (int i = 0; i < kBursts; ++i) {
    bursts.spinning = i + 1;
    std::uint64_t& gap_ns = bursts.gaps_ns[i];
    for (std::uint64_t last = now_ns(); bursts.ended <= i || gap_ns < kBurstNs;) {
      const std::uint64_t now = now_ns();
      gap_ns = std::max(gap_ns, now - last);
      last = now;
    }
    ::usleep(kBurstNs / 2000);  // for whoever else wants the CPU
  }
  return 0;
}

int make_bursts(Bursts& bursts) {
  pin_to_cpu(0);
  if (!become_real_time(2)) return 1;
  for (++bursts.ready; !bursts.go;) ::usleep(2000);
  for (int i = 0; i < kBursts; ++i) {
    do {
      ::usleep(kBurstNs / 1000);
      ++bursts.wakeups;
    } while (bursts.spinning <= i);
    const std::uint64_t begin = now_ns();
    while (now_ns() - begin < kBurstNs) {
    }
    bursts.lengths_ns[i] = now_ns() - begin;
    bursts.ended = i + 1;
  }
  return 0;
}

// The bucket of a quantile of these and of enough short ones to be so many.
std::uint64_t quantile_bucket(std::span<const std::uint64_t> lengths_ns, std::uint64_t count,
                              double q) {
  std::vector<std::uint64_t> buckets(kAgentHistogram.bucket_count());
  for (const std::uint64_t length_ns : lengths_ns) ++buckets[kAgentHistogram.index(length_ns)];
  buckets[0] = count - lengths_ns.size();
  return kAgentHistogram.index(histogram_quantile(kAgentHistogram, buckets, q).value_or(0));
}

TEST_P(scheduler_preemptions, TheVictimsP99IsItsNeighboursBurst) {
  LiveCollector collector(kSamplers, GetParam());
  const NamedCgroup victim("rezolus_live_victim");
  const NamedCgroup noisy("rezolus_live_noisy");
  if (!victim.ok() || !noisy.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, victim.labels()));
  ASSERT_TRUE(appears(*collector, noisy.labels()));
  if (!may_be_real_time(victim, "300000") || !may_be_real_time(noisy, "600000")) {
    GTEST_SKIP() << "no real-time priority is to be had";
  }
  const SnapshotRef start = collector->collect();
  EXPECT_TRUE(wait_for(victim.start(nap_often)));
  void* memory =
      ::mmap(nullptr, sizeof(Bursts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  Bursts& bursts = *new (memory) Bursts;
  const pid_t waiting = victim.start([&] { return wait_for_bursts(bursts); });
  const pid_t bursting = noisy.start([&] { return make_bursts(bursts); });
  for (int i = 0; i < 1000 && bursts.ready != 2; ++i) ::usleep(10'000);
  const SnapshotRef alone = collector->collect();
  bursts.go = true;
  EXPECT_TRUE(wait_for(waiting));
  EXPECT_TRUE(wait_for(bursting));
  const SnapshotRef shared = collector->collect();
  const auto lengths_ns = bursts.lengths_ns;
  const auto gaps_ns = bursts.gaps_ns;
  const std::uint64_t wakeups = bursts.wakeups;
  ::munmap(memory, sizeof(Bursts));

  constexpr const char* kWaits = "cgroup_scheduler_runqueue_latency";
  const HistogramValue before = Delta(start, alone).histogram(kWaits, victim.labels());
  EXPECT_GE(before.count(), kNaps / 2u);
  EXPECT_LT(quantile(before, 0.99), kBurstNs / 4) << "16 buckets below";
  const HistogramValue after = Delta(alone, shared).histogram(kWaits, victim.labels());
  ASSERT_GE(after.count(), static_cast<std::uint64_t>(kBursts));
  // Each wait lies between the burst and the victim's gap. They differ only where a virtual machine's
  // CPU is taken away just then.
  const std::uint64_t bucket = kAgentHistogram.index(quantile(after, 0.99));
  EXPECT_GE(bucket + 1, quantile_bucket(lengths_ns, after.count(), 0.99));
  EXPECT_LE(bucket, quantile_bucket(gaps_ns, after.count(), 0.99) + 1);

  // A few switches of a virtual machine never reach the program.
  const std::uint64_t burst_ns = std::reduce(lengths_ns.begin(), lengths_ns.end());
  const Labels by_noisy = by(victim.labels(), "cgroup", &noisy);
  const std::uint64_t taken = grown(alone, shared, "cgroup_preemptions", by_noisy);
  const std::uint64_t waited_ns = grown(alone, shared, "cgroup_preemption_wait", by_noisy);
  EXPECT_GE(taken, kBursts * 9u / 10);
  EXPECT_LE(taken, wakeups + 10);
  EXPECT_GE(waited_ns, burst_ns / 10 * 9);
  EXPECT_LE(waited_ns, std::reduce(gaps_ns.begin(), gaps_ns.end()) + burst_ns / 8);
  EXPECT_LE(grown(alone, shared, "cgroup_preemption_wait", victim.labels()), waited_ns / 8 * 9)
      << "what others did to it";
}

// The culprit's cgroup goes while the victim waits, and another one gets its slot.
TEST_P(scheduler_preemptions, AWaitIsNotChargedToWhoGetsTheCulpritsSlot) {
  constexpr std::uint64_t kWaitNs = 8'000'000'000;
  CollectorConfig config = live_config(kSamplers, GetParam());
  // One slot for each, and none is left: the walk gives out the one that is freed.
  config.cgroups.slots = 3;
  config.cgroups.include = {"/rezolus_live_*"};
  const auto collector = Collector::create(read_host().value(), config).value();
  const NamedCgroup victim("rezolus_live_victim");
  NamedCgroup noisy("rezolus_live_noisy");
  if (!victim.ok() || !noisy.ok()) GTEST_SKIP() << "no cgroup can be made here";
  if (victim.has("cpu.rt_runtime_us")) GTEST_SKIP() << "a group may not keep its CPU that long";
  ASSERT_TRUE(appears(*collector, victim.labels()));
  ASSERT_TRUE(appears(*collector, noisy.labels()));
  if (!may_be_real_time(victim, "") || !may_be_real_time(noisy, "")) {
    GTEST_SKIP() << "no real-time priority is to be had";
  }
  void* memory = ::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  std::atomic<int>& spinning = *new (memory) std::atomic<int>(0);
  // Those that spin have the priorities 1 and 2.
  const auto spin_for = [&](int priority, std::uint64_t duration_ns) {
    // In this order, or it waits for the other one as an ordinary task.
    if (!become_real_time(priority)) return 1;
    pin_to_cpu(0);
    spinning = priority;
    for (const std::uint64_t begin = now_ns(); now_ns() - begin < duration_ns;) {
    }
    return 0;
  };
  const auto wait_until_spinning = [&](int priority) {
    for (int i = 0; i < 1000 && spinning != priority; ++i) ::usleep(10'000);
  };
  const pid_t waiting = victim.start([&] { return spin_for(1, 2 * kWaitNs); });
  wait_until_spinning(1);
  const pid_t bursting = noisy.start([&] { return spin_for(2, kWaitNs); });
  wait_until_spinning(2);
  EXPECT_GT(
      value(*collector->collect(), "cgroup_preemptions", by(victim.labels(), "cgroup", &noisy)),
      0u);
  ASSERT_TRUE(noisy.expel(bursting));
  noisy.remove();
  const NamedCgroup heir("rezolus_live_heir");
  ASSERT_TRUE(heir.ok());
  EXPECT_TRUE(appears(*collector, heir.labels())) << "no slot was freed";
  EXPECT_TRUE(wait_for(bursting));
  EXPECT_TRUE(wait_for(waiting));
  ::munmap(memory, sizeof(std::atomic<int>));
  const SnapshotRef snapshot = collector->collect();
  EXPECT_LT(value(*snapshot, "cgroup_preemption_wait", by(victim.labels(), "cgroup", &heir)),
            kWaitNs / 2);
  EXPECT_GT(value(*snapshot, "cgroup_preemption_wait", victim.labels()), kWaitNs / 2);
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
