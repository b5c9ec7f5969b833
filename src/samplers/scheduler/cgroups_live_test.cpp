// SPDX-License-Identifier: Apache-2.0 OR MIT
// Cgroups with known work, against what the kernel says of the tasks in them.

#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "live/cgroup.h"
#include "live/live.h"
#include "samplers/cgroups/cgroup_walk.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE(cgroup_cpu_usage);

const std::vector<std::string_view> kSamplers = {"cgroup_cpu_usage", "scheduler_runqueue",
                                                 "cpu_migrations"};

std::uint64_t cpu_time_ns(pid_t child) {
  clockid_t clock = 0;
  timespec time{};
  if (::clock_getcpuclockid(child, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return 0;
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}

int spin() {
  for (const std::uint64_t begin = now_ns(); now_ns() - begin < 1'500'000'000;) {
  }
  return 0;
}

// Sleeps that many times, and says how often it was switched out meanwhile.
int sleep_often(int pipe, int times) {
  rusage before{};
  rusage after{};
  ::getrusage(RUSAGE_SELF, &before);
  for (int i = 0; i < times; ++i) ::usleep(1000);
  ::getrusage(RUSAGE_SELF, &after);
  const long switches = after.ru_nvcsw - before.ru_nvcsw;
  return ::write(pipe, &switches, sizeof(switches)) == sizeof(switches) ? 0 : 1;
}

// A few of a thousand switches of a virtual machine never reach a program on their tracepoint.
std::uint64_t nearly_all(long switches) {
  return static_cast<std::uint64_t>(switches - switches / 50 - 1);
}

TEST_P(cgroup_cpu_usage, EachIsChargedItsOwn) {
  LiveCollector collector(kSamplers, GetParam());
  const NamedCgroup spinner("rezolus_live_spinner");
  const NamedCgroup sleeper("rezolus_live_sleeper");
  if (!spinner.ok() || !sleeper.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, spinner.labels()));
  ASSERT_TRUE(appears(*collector, sleeper.labels()));
  collector.begin();
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t spinning = spinner.start(spin);
  const pid_t sleeping = sleeper.start([&] { return sleep_often(pipe[1], 200); });
  long switches = 0;
  ASSERT_EQ(::read(pipe[0], &switches, sizeof(switches)), static_cast<long>(sizeof(switches)));
  EXPECT_TRUE(wait_for(sleeping));
  EXPECT_TRUE(wait_for(spinning));
  const Delta delta = collector.end();
  Labels voluntary = sleeper.labels();
  voluntary.emplace_back("kind", "voluntary");
  const std::uint64_t counted =
      delta.counter("cgroup_scheduler_context_switch", voluntary);
  // On a slow machine a sleep is now and then over before the task has left its CPU.
  EXPECT_GE(switches, 100);
  EXPECT_GE(counted, nearly_all(switches));
  EXPECT_LE(counted, static_cast<std::uint64_t>(switches) + 20) << "but for its start and exit";
  EXPECT_GE(delta.counter("cgroup_scheduler_offcpu", sleeper.labels()),
            static_cast<std::uint64_t>(switches) * 500'000);
  const HistogramValue blocked =
      delta.histogram("cgroup_scheduler_blocked", sleeper.labels());
  std::uint64_t samples = 0;
  for (const std::uint64_t count : blocked.buckets) samples += count;
  EXPECT_GE(samples, nearly_all(switches));
  // It spins for 1.5 s, on CPUs that others may want too.
  EXPECT_GE(delta.counter("cgroup_cpu_time", spinner.labels()), 300'000'000u);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

// Its slot is there before its first task: nothing of it goes to `other`.
TEST_P(cgroup_cpu_usage, ANewOneIsChargedFromItsFirstTask) {
  LiveCollector collector(kSamplers, GetParam());
  collector->collect();
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const NamedCgroup cgroup("rezolus_live_newborn");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  const pid_t child = cgroup.start([&] { return sleep_often(pipe[1], 50); });
  long switches = 0;
  ASSERT_EQ(::read(pipe[0], &switches, sizeof(switches)), static_cast<long>(sizeof(switches)));
  EXPECT_TRUE(wait_for(child));
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  Labels voluntary = cgroup.labels();
  voluntary.emplace_back("kind", "voluntary");
  const std::uint64_t counted =
      value(*collector->collect(), "cgroup_scheduler_context_switch", voluntary);
  EXPECT_GE(switches, 25);
  EXPECT_GE(counted, nearly_all(switches));
  EXPECT_LE(counted, static_cast<std::uint64_t>(switches) + 20) << "but for its start and exit";
  ::close(pipe[0]);
  ::close(pipe[1]);
}

// Without counting what no switch has charged yet, one that is alone on its CPU would stand still.
TEST_P(cgroup_cpu_usage, ASpinnerGrowsAtEveryReading) {
  LiveCollector collector(kSamplers, GetParam());
  const NamedCgroup cgroup("rezolus_live_spinner");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  const pid_t child = cgroup.start(spin);
  ::usleep(300'000);
  // Each of ours lies between two of the kernel's.
  struct Times {
    std::uint64_t before_ns, ours_ns, after_ns;
  };
  const auto read = [&] {
    Times times{};
    times.before_ns = cpu_time_ns(child);
    times.ours_ns = value(*collector->collect(), "cgroup_cpu_time", cgroup.labels());
    times.after_ns = cpu_time_ns(child);
    return times;
  };
  const Times first = read();
  for (int i = 0; i < 4; ++i) {
    ::usleep(200'000);
    const Times now = read();
    const std::uint64_t ours_ns = now.ours_ns - first.ours_ns;
    const std::uint64_t least_ns =
        now.before_ns < first.after_ns ? 0 : now.before_ns - first.after_ns;
    const std::uint64_t most_ns = now.after_ns - first.before_ns;
    EXPECT_GE(ours_ns + ours_ns / 4 + 50'000'000, least_ns);
    EXPECT_LE(ours_ns, most_ns + most_ns / 2 + 100'000'000) << "interrupts, stolen time";
  }
  EXPECT_TRUE(wait_for(child));
}

// Against what the kernel divides for the process itself, by the same ticks.
TEST_P(cgroup_cpu_usage, UserAndSystemModeAreToldApart) {
  LiveCollector collector(kSamplers, GetParam());
  const NamedCgroup cgroups[] = {NamedCgroup("rezolus_live_user"),
                                 NamedCgroup("rezolus_live_system")};
  for (const NamedCgroup& cgroup : cgroups) {
    if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
    ASSERT_TRUE(appears(*collector, cgroup.labels()));
  }
  const auto read_zeros = [] {
    const int zeros = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
    std::vector<char> buffer(1 << 20);
    bool read = zeros >= 0;
    for (const std::uint64_t begin = now_ns(); read && now_ns() - begin < 1'500'000'000;) {
      read = ::read(zeros, buffer.data(), buffer.size()) > 0;
    }
    return read ? 0 : 1;
  };
  const pid_t children[] = {cgroups[0].start(spin), cgroups[1].start(read_zeros)};
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  for (std::size_t i = 0; i < 2; ++i) {
    int status = 0;
    rusage usage{};
    ASSERT_EQ(::wait4(children[i], &status, 0, &usage), children[i]);
    EXPECT_EQ(status, 0);
    const SnapshotRef snapshot = collector->collect();
    const auto of_state = [&](const char* state) {
      Labels labels = cgroups[i].labels();
      labels.emplace_back("state", state);
      return value(*snapshot, "cgroup_cpu_usage", labels);
    };
    const std::uint64_t total = value(*snapshot, "cgroup_cpu_time", cgroups[i].labels());
    EXPECT_EQ(of_state("user") + of_state("system"), total);
    const double kernel_share =
        seconds(usage.ru_utime) / (seconds(usage.ru_utime) + seconds(usage.ru_stime));
    const double share = static_cast<double>(of_state("user")) / static_cast<double>(total);
    EXPECT_NEAR(share, kernel_share, 0.1) << (i == 0 ? "spins" : "reads");
    EXPECT_TRUE(i == 0 ? share > 0.7 : share < 0.3) << share;
  }
  const SnapshotRef snapshot = collector->collect();
  EXPECT_EQ(value(*snapshot, "cgroup_cpu_usage"), value(*snapshot, "cgroup_cpu_time"));
}

TEST_P(cgroup_cpu_usage, TheCgroupsAreTheHost) {
  LiveCollector collector(kSamplers, GetParam());
  const NamedCgroup cgroup("rezolus_live_part");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  EXPECT_TRUE(wait_for(cgroup.start([&] { return sleep_often(pipe[1], 50); })));
  const std::pair<const char*, const char*> kPairs[] = {
      {"cgroup_scheduler_context_switch", "scheduler_context_switch"},
      {"cgroup_scheduler_runqueue_wait", "scheduler_runqueue_wait"},
  };
  for (const auto& [part, whole] : kPairs) {
    const SnapshotRef first = collector->collect();
    ::usleep(200'000);
    const SnapshotRef second = collector->collect();
    EXPECT_LE(value(*first, part), value(*first, whole)) << part;
    EXPECT_GE(value(*second, part), value(*first, whole)) << "nothing is lost: " << part;
  }
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_P(cgroup_cpu_usage, WhatIsGoneStaysInExited) {
  LiveCollector collector(kSamplers, GetParam());
  NamedCgroup cgroup("rezolus_live_gone");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  const Labels exited = {{"cgroup", "exited"}};
  EXPECT_TRUE(wait_for(cgroup.start([] {
    for (int i = 0; i < 100; ++i) ::usleep(1000);
    return 0;
  })));
  const SnapshotRef before = collector->collect();
  const std::uint64_t switches =
      value(*before, "cgroup_scheduler_context_switch", cgroup.labels());
  EXPECT_GE(switches, 100u);
  const Labels labels = cgroup.labels();
  cgroup.remove();
  ASSERT_TRUE(appears(*collector, labels, false));
  const SnapshotRef after = collector->collect();
  EXPECT_GE(value(*after, "cgroup_scheduler_context_switch", exited),
            value(*before, "cgroup_scheduler_context_switch", exited) + switches);
  EXPECT_GE(value(*after, "cgroup_cpu_time", exited), value(*before, "cgroup_cpu_time", exited) +
                                                          value(*before, "cgroup_cpu_time", labels));
}

TEST_P(cgroup_cpu_usage, ThirtyDeepAndRenamed) {
  const auto hierarchy = find_cgroup_hierarchy(read_host().value());
  if (!hierarchy) GTEST_SKIP() << hierarchy.error().message;
  LiveCollector collector(kSamplers, GetParam());
  const NamedCgroup top("rezolus_live_deep");
  if (!top.ok()) GTEST_SKIP() << "no cgroup can be made here";
  std::vector<std::string> paths = {"/rezolus_live_deep"};
  while (paths.size() < 30) {
    paths.push_back(paths.back() + "/level_" + std::to_string(paths.size()));
    ASSERT_EQ(::mkdir((hierarchy->mount + paths.back()).c_str(), 0755), 0);
  }
  const Labels deepest = {{"cgroup", paths.back()}};
  EXPECT_TRUE(appears(*collector, deepest));
  while (paths.size() > 1) {
    EXPECT_EQ(::rmdir((hierarchy->mount + paths.back()).c_str()), 0);
    paths.pop_back();
  }
  EXPECT_TRUE(appears(*collector, deepest, false));
  if (hierarchy->version_2) return;  // it refuses to rename
  EXPECT_TRUE(wait_for(top.start([] {
    for (const std::uint64_t begin = now_ns(); now_ns() - begin < 50'000'000;) {
    }
    return 0;
  })));
  const Labels exited = {{"cgroup", "exited"}};
  const SnapshotRef first = collector->collect();
  const std::uint64_t before = value(*first, "cgroup_cpu_time", top.labels());
  EXPECT_GT(before, 0u);
  const std::string folder = hierarchy->mount + "/rezolus_live_deep";
  const std::string renamed = hierarchy->mount + "/rezolus_live_renamed";
  ASSERT_EQ(std::rename(folder.c_str(), renamed.c_str()), 0);
  const Labels labels = {{"cgroup", "/rezolus_live_renamed"}};
  EXPECT_TRUE(appears(*collector, labels));
  EXPECT_TRUE(appears(*collector, top.labels(), false));
  const SnapshotRef last = collector->collect();
  EXPECT_GE(value(*last, "cgroup_cpu_time", labels) + value(*last, "cgroup_cpu_time", exited),
            before + value(*first, "cgroup_cpu_time", exited))
      << "what it did is under its new name, or exited";
  ASSERT_EQ(std::rename(renamed.c_str(), folder.c_str()), 0);
}

TEST_P(cgroup_cpu_usage, AnyNameIsShown) {
  LiveCollector collector(kSamplers, GetParam());
  for (const std::string& name :
       {std::string("rezolus live \"q\" \\ \xff"), "rezolus_" + std::string(247, 'x')}) {
    const NamedCgroup cgroup(name);
    if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
    EXPECT_TRUE(appears(*collector, cgroup.labels())) << name;
  }
}

}  // namespace
}  // namespace rezolus::live
