// SPDX-License-Identifier: Apache-2.0 OR MIT
// TLB flushes and the interrupts that ask for them: one CPU unmaps pages of a process that others
// run at the same time, against /proc/interrupts.

#include <atomic>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "live/live.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE_WITHOUT_TASKS(cpu_tlb_flush);
REZOLUS_LIVE_SUITE_WITHOUT_TASKS(cpu_ipi);

constexpr std::uint64_t kUnmaps = 200;
constexpr std::uint64_t kEnough = kUnmaps / 2;  // flushes on the other CPU

// Interrupts that CPUs sent each other, as they arrived: per CPU.
struct Received {
  std::uint64_t reschedules = 0;
  std::uint64_t calls = 0;  // flushes included
  std::uint64_t flushes = 0;
};

std::vector<Received> received() {
  std::vector<Received> all(static_cast<std::size_t>(online_cpus()));
  std::ifstream file("/proc/interrupts");
  for (std::string line; std::getline(file, line);) {
    std::istringstream row(line);
    std::string name;
    row >> name;
    for (Received& cpu : all) {
      if (name == "RES:") row >> cpu.reschedules;
      if (name == "CAL:") row >> cpu.calls;
      if (name == "TLB:") row >> cpu.flushes;
    }
  }
  return all;
}

std::vector<Received> received_since(const std::vector<Received>& before) {
  std::vector<Received> all = received();
  for (std::size_t cpu = 0; cpu < all.size(); ++cpu) {
    all[cpu].reschedules -= before[cpu].reschedules;
    all[cpu].calls -= before[cpu].calls;
    all[cpu].flushes -= before[cpu].flushes;
  }
  return all;
}

std::uint64_t ipis_of(const std::vector<Received>& received) {
  std::uint64_t sum = 0;
  for (const Received& cpu : received) sum += cpu.reschedules + cpu.calls;
  return sum;
}

// Threads of this process that run on all CPUs but the first, so that each of them has its pages.
class Spinners {
 public:
  explicit Spinners(int cpus) {
    for (int cpu = 1; cpu < cpus; ++cpu) {
      threads_.emplace_back([this, cpu] {
        pin_to_cpu(cpu);
        ++spinning_;
        while (!stop_.load(std::memory_order_relaxed)) {
        }
      });
    }
    while (spinning_.load() < cpus - 1) ::usleep(1000);
    pin_to_cpu(0);
  }
  ~Spinners() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    unpin();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<int> spinning_ = 0;
  std::vector<std::thread> threads_;
};

// Small pages, each of them touched.
class Pages {
 public:
  explicit Pages(std::uint64_t count) : count_(count) {
    void* memory = ::mmap(nullptr, count * kPage, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED, "memory can be mapped");
    ::madvise(memory, count * kPage, MADV_NOHUGEPAGE);
    first_ = static_cast<volatile char*>(memory);
    for (std::uint64_t i = 0; i < count; ++i) first_[i * kPage] = 1;
  }
  void unmap_one_by_one() {
    for (std::uint64_t i = 0; i < count_; ++i) {
      CHECK(::munmap(const_cast<char*>(first_ + i * kPage), kPage) == 0, "a page can be unmapped");
    }
  }

 private:
  static constexpr std::uint64_t kPage = 4096;
  std::uint64_t count_;
  volatile char* first_ = nullptr;
};

// Pages unmapped on one CPU while the next one runs the same process. That one may be busy with
// others for once: then once more.
struct Round {
  explicit Round(LiveCollector& collector) {
    for (int i = 0; i < 10; ++i) {
      Pages pages(kUnmaps);
      const std::vector<Received> outer_before = received();
      collector.begin();
      const std::vector<Received> inner_before = received();
      pages.unmap_one_by_one();
      inner = received_since(inner_before);
      delta = collector.end();
      outer = received_since(outer_before);
      if (inner[1].flushes >= kEnough) return;
    }
  }
  std::vector<Received> inner;
  std::vector<Received> outer;
  std::optional<Delta> delta;
};

TEST_P(cpu_tlb_flush, UnmappingOnOneCpuFlushesTheOther) {
  if (online_cpus() < 2) GTEST_SKIP() << "one CPU has nobody to ask";
  LiveCollector collector({"cpu_tlb_flush"}, GetParam());
  const Spinners spinners(2);
  Round round(collector);
  const Delta& delta = *round.delta;
  const std::uint64_t arrived = round.inner[1].flushes;
  if (arrived < kEnough) GTEST_SKIP() << "here flushes need no interrupt";
  const std::uint64_t shootdowns =
      delta.counter("cpu_tlb_flush", {{"id", "1"}, {"reason", "remote_shootdown"}});
  const std::uint64_t sent =
      delta.counter("cpu_tlb_flush", {{"id", "0"}, {"reason", "remote_send_ipi"}});
  // Those of others find nothing left to flush now and then.
  EXPECT_GE(shootdowns, in_vm() ? arrived : arrived / 2);
  EXPECT_GE(sent, in_vm() ? arrived : arrived / 2);
  EXPECT_LE(shootdowns, round.outer[1].flushes);
  // The unmapping CPU flushes too, a few pages or everything.
  EXPECT_GE(delta.counter("cpu_tlb_flush", {{"id", "0"}, {"reason", "local_shootdown"}}) +
                delta.counter("cpu_tlb_flush", {{"id", "0"}, {"reason", "local_mm_shootdown"}}),
            kEnough);
  collector.expect_no_losses();
}

TEST_P(cpu_tlb_flush, LeavesNothingOfTheOthers) {
  LiveCollector collector({"cpu_tlb_flush"}, GetParam());
  const CollectorStatus status = collector->status();
  bool has_own = false;
  for (const MapStatus& map : status.maps) {
    if (map.name == "tlb_flush_counters") has_own = true;
    EXPECT_NE(map.name, "throttled_since");
    EXPECT_FALSE(map.name.starts_with("bandwidth") || map.name.starts_with("ipi")) << map.name;
  }
  EXPECT_TRUE(has_own);
}

TEST_P(cpu_ipi, WhatIsSentArrives) {
  LiveCollector collector({"cpu_ipi"}, GetParam());
  const SamplerStatus& status = collector.status_of("cpu_ipi");
  if (status.health == SamplerHealth::kUnsupported) GTEST_SKIP() << status.reason;
  ASSERT_EQ(status.state, SamplerState::kActive) << status.reason;
  const int cpus = online_cpus();
  if (cpus < 2) GTEST_SKIP() << "one CPU has nobody to send to";
  const Spinners spinners(cpus);
  Round round(collector);
  const Delta& delta = *round.delta;
  if (round.inner[1].flushes < kEnough) GTEST_SKIP() << "here flushes need no interrupt";
  const std::uint64_t sent = delta.counter("cpu_ipi");
  const std::uint64_t outer = ipis_of(round.outer);
  // One can be under way at either end; two that wait at a CPU for the same become one.
  EXPECT_GE(sent + 2, ipis_of(round.inner));
  EXPECT_LE(sent, outer + outer / 20 + 5);
  // With one other CPU, that one is asked; with more of them, a mask.
  std::uint64_t flushes = 0;
  for (const Received& cpu : round.inner) flushes += cpu.flushes;
  const Labels by_cpu_0 = {{"id", "0"}, {"target", cpus == 2 ? "one" : "mask"}};
  EXPECT_GE(delta.counter("cpu_ipi", by_cpu_0), flushes / 2);
  collector.expect_no_losses();
}

}  // namespace
}  // namespace rezolus::live
