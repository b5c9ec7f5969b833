// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What live tests share: a collector with chosen samplers in a chosen fallback mode, and what it
// counted between two moments. A test suite is named after the sampler that it tests.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "metrics/snapshot.h"
#include "samplers/collector.h"

namespace rezolus::live {

// Every way in which the families can be loaded is tested on every kernel that has it.
enum class Mode {
  kBest,            // what the kernel offers
  kRawTracepoints,  // tp_btf pretended to be missing: raw_tp, tasks in a hash
  kTaskHash,        // task storage pretended to be missing: tp_btf, tasks in a hash
};
std::string to_string(const testing::TestParamInfo<Mode>& info);

// Since 7.0 a program on a tracepoint can be preempted, and does not run again on its CPU until it
// has ended: under load many system calls are not counted, but as losses.
bool kernel_preempts_programs();

// Alone on the machine, so that counts are exact.
bool in_vm();

std::uint64_t now_ns();  // CLOCK_MONOTONIC

// What was counted between two snapshots.
class Delta {
 public:
  Delta(SnapshotRef before, SnapshotRef after)
      : before_(std::move(before)), after_(std::move(after)) {}

  // The growth of all counters with this name whose labels contain the given ones.
  [[nodiscard]] std::uint64_t counter(std::string_view name, const Labels& labels = {}) const;
  // The same for histograms, merged.
  [[nodiscard]] HistogramValue histogram(std::string_view name, const Labels& labels = {}) const;

 private:
  SnapshotRef before_;
  SnapshotRef after_;
};

// These samplers alone, as the mode wants them loaded.
CollectorConfig live_config(const std::vector<std::string_view>& samplers, Mode mode);

class LiveCollector {
 public:
  LiveCollector(const std::vector<std::string_view>& samplers, Mode mode,
                std::set<std::string> pretend_missing = {});

  void begin() { before_ = collector_->collect(); }
  Delta end() { return {before_, collector_->collect()}; }
  Collector& operator*() { return *collector_; }
  Collector* operator->() { return collector_.get(); }

  // Fails the test when something was lost. recursion_max: runs of a program that the kernel may have
  // skipped since it was running already.
  void expect_no_losses(std::uint64_t recursion_max = 5) const;
  [[nodiscard]] const SamplerStatus& status_of(std::string_view sampler);
  [[nodiscard]] std::uint64_t age_ns() const { return now_ns() - created_ns_; }

 private:
  std::uint64_t created_ns_;
  std::unique_ptr<Collector> collector_;
  SnapshotRef before_;
  CollectorStatus status_;
};

// Exactly expected in a VM, at least expected on a host that others share.
void expect_count(std::uint64_t counted, std::uint64_t expected, std::string_view what);

// Every duration (by the workload's own clock) is in its bucket or a neighbour of it.
void expect_durations(const HistogramValue& histogram, std::vector<std::uint64_t> durations_ns,
                      std::string_view what);

// How long the calling thread was runnable and did not run, by the kernel; −1 without schedstats.
std::int64_t own_wait_ns();

// The same for what ends in an interrupt, while the workload learns of it when it gets a CPU: each
// duration is between shortest_ns and what the workload saw, and the shortest one is in its bucket or
// a neighbour of it. Requires: nothing else is in the histogram.
void expect_durations_within(const HistogramValue& histogram, std::uint64_t shortest_ns,
                             std::vector<std::uint64_t> durations_ns, std::string_view what);

// All threads of this process but the caller sleep, so that nothing of a thread's start falls into
// what is measured.
void wait_for_own_threads();

// The calling thread stays on one CPU.
void pin_to_cpu(int cpu);
// Onto all of them again.
void unpin();
int online_cpus();

// Suites are instantiated for all modes.
#define REZOLUS_LIVE_SUITE(sampler)                                               \
  class sampler : public testing::TestWithParam<Mode> {};                         \
  INSTANTIATE_TEST_SUITE_P(, sampler,                                             \
                           testing::Values(Mode::kBest, Mode::kRawTracepoints,    \
                                           Mode::kTaskHash),                      \
                           to_string)

// For families that keep nothing about tasks: how tasks are kept makes no difference to them.
#define REZOLUS_LIVE_SUITE_WITHOUT_TASKS(sampler)                                 \
  class sampler : public testing::TestWithParam<Mode> {};                         \
  INSTANTIATE_TEST_SUITE_P(, sampler,                                             \
                           testing::Values(Mode::kBest, Mode::kRawTracepoints),   \
                           to_string)

}  // namespace rezolus::live
