// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/activity.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "recorder/recorder_testing.h"

namespace rezolus {
namespace {

TEST(Activity, SumsOverCpusAndSubtractsHistograms) {
  SyntheticHost host;
  const SnapshotRef first = host.snapshot();
  host.advance(2 * kNsPerSecond);
  host.count("cpu_usage", {{"id", "0"}, {"state", "user"}}, 300);
  host.count("cpu_usage", {{"id", "1"}, {"state", "user"}}, 200);
  host.record("scheduler_runqueue_latency", {}, 4096, 10);
  const auto activity = activity_between(*first, *host.snapshot());
  ASSERT_TRUE(activity);
  EXPECT_EQ(activity->elapsed_ns, 2 * kNsPerSecond);
  EXPECT_EQ(activity->counters.at({"cpu_usage", "user"}), 500u);
  EXPECT_EQ(activity->counter_total("cpu_usage"), 500u);
  EXPECT_EQ(activity->counter_total("no_such_metric"), std::nullopt);
  EXPECT_EQ(activity->histogram_total("scheduler_runqueue_latency")->value.count(), 10u);
  EXPECT_EQ(activity->histogram_total("scheduler_runqueue_latency")->value.sum, 40960u);
}

TEST(Activity, ARestartIsNoNegativeRate) {
  SyntheticHost host;
  host.count("syscall", {{"op", "read"}}, 100);
  const SnapshotRef first = host.snapshot();
  host.reset();
  host.count("syscall", {{"op", "read"}}, 7);
  EXPECT_FALSE(activity_between(*first, *host.snapshot()));
}

TEST(Activity, IowaitMayStepBack) {
  SyntheticHost host;
  host.count("cpu_idle", {{"id", "0"}, {"state", "iowait"}}, 100);
  const SnapshotRef first = host.snapshot();
  host.set("cpu_idle", {{"id", "0"}, {"state", "iowait"}}, 90);
  const auto activity = activity_between(*first, *host.snapshot());
  ASSERT_TRUE(activity);
  EXPECT_EQ(activity->counters.at({"cpu_idle", "iowait"}), 0u);
}

TEST(ActivityMeter, AddsUpOverRestartsAndSchemaChanges) {
  SyntheticHost host;
  ActivityMeter meter;
  const auto second = [&](std::uint64_t reads) {
    host.advance(kNsPerSecond);
    host.count("syscall", {{"op", "read"}}, reads);
    host.record("syscall_latency", {{"op", "read"}}, 1000, reads);
    meter.add(host.snapshot());
  };
  second(1000);  // the base
  second(10);
  second(20);
  host.reset();
  second(5);  // what happened between the restart and this sample is not known
  second(7);
  host.add_counter("syscall", {{"op", "write"}});
  host.count("syscall", {{"op", "write"}}, 3);
  second(11);
  host.count("syscall", {{"op", "write"}}, 4);
  second(13);
  const Activity total = meter.total();
  EXPECT_EQ(meter.snapshot_count(), 7u);
  EXPECT_EQ(total.counters.at({"syscall", "read"}), 10u + 20 + 7 + 11 + 13);
  EXPECT_EQ(total.counters.at({"syscall", "write"}), 4u);  // since it is there
  EXPECT_EQ(total.histogram_total("syscall_latency")->value.count(), 61u);
  EXPECT_EQ(total.elapsed_ns, 5 * kNsPerSecond);
}

TEST(ActivityMeter, WhatIsPresentLaterIsNotCountedFromZero) {
  SyntheticHost host;
  ActivityMeter meter;
  const Labels labels = {{"id", "0"}, {"state", "user"}};
  host.set("cpu_usage", labels, 1'000'000);
  host.hide("cpu_usage", labels);
  meter.add(host.snapshot());
  host.show("cpu_usage", labels);
  meter.add(host.snapshot());
  host.count("cpu_usage", labels, 5);
  meter.add(host.snapshot());
  EXPECT_EQ(meter.total().counters.at({"cpu_usage", "user"}), 5u);
}

}  // namespace
}  // namespace rezolus
