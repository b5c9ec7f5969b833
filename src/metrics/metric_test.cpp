// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "metrics/metric.h"

#include <type_traits>

#include <gtest/gtest.h>

namespace rezolus {
namespace {

constexpr Metric kGoodCounter{.slot = 0,
                              .name = "cpu_usage",
                              .labels = {{{"state", "user"}}},
                              .unit = Unit::kNanoseconds,
                              .prometheus = "rezolus_cpu_usage_seconds_total",
                              .help = "Time that CPUs spent, by state."};
constexpr Metric kGoodHistogram{.slot = 0,
                                .name = "blockio_size",
                                .unit = Unit::kBytes,
                                .type = MetricType::kHistogram,
                                .prometheus = "rezolus_blockio_size_bytes",
                                .help = "Size of block requests."};

constexpr Metric with(Metric row, auto change) {
  change(row);
  return row;
}

// A table accepted for these counts: check_metrics throws, and so is no constant, for others.
template <const auto& Table, std::uint32_t Counters, std::uint32_t Histograms>
concept Accepted = requires {
  typename std::bool_constant<check_metrics(Table, Counters, Histograms)>;
};

constexpr std::array kGood = {
    kGoodCounter,
    with(kGoodCounter,
         [](Metric& m) {
           m.slot = 1;
           m.labels[0].value = "system";
         }),
    kGoodHistogram};
static_assert(Accepted<kGood, 2, 1>);
static_assert(!Accepted<kGood, 3, 1>, "a slot of the shared enum has no row");
static_assert(!Accepted<kGood, 2, 0>);

#define REFUSED(name, change)                                                            \
  constexpr std::array name = {with(kGoodCounter, [](Metric& m) { change; })};           \
  static_assert(!Accepted<name, 1, 0>)

REFUSED(kSlot, m.slot = 1);
REFUSED(kName, m.name = "cpuUsage");
REFUSED(kNameEnd, m.name = "cpu_");
REFUSED(kHelpNoStop, m.help = "Time that CPUs spent");
REFUSED(kHelpLowerCase, m.help = "time that CPUs spent.");
REFUSED(kPrefix, m.prometheus = "cpu_usage_seconds_total");
REFUSED(kNoTotal, m.prometheus = "rezolus_cpu_usage_seconds");
REFUSED(kNoSeconds, m.prometheus = "rezolus_cpu_usage_total");
REFUSED(kGaugeTotal, m.type = MetricType::kGauge);
REFUSED(kReservedLabel, m.labels[0].key = "cpu");
REFUSED(kEmptyLabelValue, m.labels[0].value = "");
REFUSED(kLabelOrder, m.labels[1] = (Label{"op", "read"}));

constexpr std::array kTwice = {kGoodCounter, with(kGoodCounter, [](Metric& m) { m.slot = 1; })};
static_assert(!Accepted<kTwice, 2, 0>, "same name and labels");
constexpr std::array kDisagree = {kGoodCounter, with(kGoodCounter, [](Metric& m) {
                                    m.slot = 1;
                                    m.labels[0].value = "system";
                                    m.help = "Something else altogether.";
                                  })};
static_assert(!Accepted<kDisagree, 2, 0>);
constexpr std::array kShared = {kGoodCounter, with(kGoodCounter, [](Metric& m) {
                                  m.slot = 1;
                                  m.name = "cpu_other";
                                })};
static_assert(!Accepted<kShared, 2, 0>, "two metrics with one Prometheus name");

TEST(Metric, LabelCountStopsAtTheFirstEmptyKey) {
  EXPECT_EQ(kGoodCounter.label_count(), 1u);
  EXPECT_EQ(kGoodHistogram.label_count(), 0u);
}

TEST(Metric, UnitsHaveUpstreamsNames) {
  EXPECT_EQ(unit_name(Unit::kNone), "");
  EXPECT_EQ(unit_name(Unit::kNanoseconds), "nanoseconds");
  EXPECT_EQ(unit_name(Unit::kTasks), "tasks");
  EXPECT_EQ(prometheus_scale(Unit::kNanoseconds), 1e-9);
  EXPECT_EQ(prometheus_scale(Unit::kBytes), 1.0);
  EXPECT_EQ(metric_type_name(MetricType::kGauge), "gauge");
}

}  // namespace
}  // namespace rezolus
