// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "metrics/histogram.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace rezolus {
namespace {

// Values around every power of two, and the ends of the range.
std::vector<std::uint64_t> interesting_values() {
  std::vector<std::uint64_t> values = {0, 1, 2, 3};
  for (int power = 2; power < 64; ++power) {
    const std::uint64_t value = std::uint64_t{1} << power;
    for (const std::uint64_t near : {value - 2, value - 1, value, value + 1, value + 2,
                                     value + value / 2, value + value / 8}) {
      values.push_back(near);
    }
  }
  for (std::uint64_t below = 0; below < 4; ++below) values.push_back(~below);
  return values;
}

TEST(HistogramConfig, WorkedValues) {
  constexpr HistogramConfig config{3, 64};
  const std::pair<std::uint64_t, std::uint64_t> worked[] = {
      {0, 0},   {1, 1},    {15, 15},      {16, 16},          {17, 16},         {18, 17},
      {31, 23}, {32, 24},  {1000, 63},    {1'000'000, 143},  {1ull << 31, 232},
      {(1ull << 31) - 1, 231}, {1ull << 32, 240}, {1ull << 63, 488}, {~0ull, 495}};
  for (const auto& [value, bucket] : worked) EXPECT_EQ(config.index(value), bucket) << value;
}

TEST(HistogramConfig, BucketCounts) {
  const std::pair<std::uint8_t, std::uint64_t> counts[] = {{0, 65},   {1, 128},  {2, 252},
                                                           {3, 496},  {4, 976},  {5, 1920},
                                                           {6, 3776}, {7, 7424}};
  for (const auto& [power, count] : counts) {
    EXPECT_EQ((HistogramConfig{power, 64}.bucket_count()), count);
  }
  EXPECT_EQ((HistogramConfig{1, 4}.bucket_count()), 8u);
}

TEST(HistogramConfig, KnowsWhichPowersAreValid) {
  EXPECT_TRUE((HistogramConfig{0, 1}.valid()));
  EXPECT_TRUE((HistogramConfig{3, 64}.valid()));
  EXPECT_FALSE((HistogramConfig{3, 3}.valid()));
  EXPECT_FALSE((HistogramConfig{4, 3}.valid()));
  EXPECT_FALSE((HistogramConfig{3, 65}.valid()));
}

class EveryShape : public ::testing::TestWithParam<HistogramConfig> {};

TEST_P(EveryShape, BucketsTileTheRange) {
  const HistogramConfig config = GetParam();
  EXPECT_EQ(config.lower(0), 0u);
  for (std::uint64_t bucket = 0; bucket < config.bucket_count(); ++bucket) {
    const std::uint64_t lower = config.lower(bucket);
    const std::uint64_t upper = config.upper(bucket);
    ASSERT_LE(lower, upper) << bucket;
    ASSERT_EQ(config.index(lower), bucket);
    ASSERT_EQ(config.index(upper), bucket);
    if (bucket > 0) {
      ASSERT_EQ(config.upper(bucket - 1) + 1, lower);
    }
    // The width is at most 2^-grouping_power of the lower bound.
    const std::uint64_t width_minus_1 = upper - lower;
    if (width_minus_1 > 0) {
      ASSERT_LE(width_minus_1, (lower >> config.grouping_power) - 1) << bucket;
    }
  }
  EXPECT_EQ(config.upper(config.bucket_count() - 1), config.value_max());
}

TEST_P(EveryShape, ValuesFallIntoTheirBucket) {
  const HistogramConfig config = GetParam();
  for (const std::uint64_t value : interesting_values()) {
    const std::uint64_t bucket = config.index(value);
    ASSERT_LT(bucket, config.bucket_count()) << value;
    if (value > config.value_max()) {
      ASSERT_EQ(bucket, config.bucket_count() - 1);
      continue;
    }
    ASSERT_LE(config.lower(bucket), value);
    ASSERT_GE(config.upper(bucket), value);
    if (value < config.value_max()) {
      ASSERT_LE(bucket, config.index(value + 1));
    }
  }
}

TEST_P(EveryShape, DownsamplingIsInsertingAgainAtTheLowerBound) {
  const HistogramConfig config = GetParam();
  std::mt19937_64 random(7);
  std::vector<std::uint64_t> buckets(config.bucket_count());
  for (int i = 0; i < 200; ++i) buckets[random() % buckets.size()] += random() % 1000;
  for (std::uint8_t power = 0; power <= config.grouping_power; ++power) {
    const HistogramConfig coarse{power, config.max_value_power};
    std::vector<std::uint64_t> expected(coarse.bucket_count());
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      // No bucket straddles a bound of the coarser shape.
      ASSERT_EQ(coarse.index(config.lower(i)), coarse.index(config.upper(i)));
      expected[coarse.index(config.lower(i))] += buckets[i];
    }
    ASSERT_EQ(histogram_downsample(config, buckets, power), expected);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, EveryShape,
    ::testing::Values(HistogramConfig{0, 64}, HistogramConfig{1, 64}, HistogramConfig{2, 64},
                      HistogramConfig{3, 64}, HistogramConfig{4, 64}, HistogramConfig{5, 64},
                      HistogramConfig{6, 64}, HistogramConfig{7, 64}, HistogramConfig{10, 64},
                      HistogramConfig{0, 1}, HistogramConfig{1, 4}, HistogramConfig{3, 4},
                      HistogramConfig{7, 32}, HistogramConfig{3, 63}, HistogramConfig{9, 10}),
    [](const auto& shape) {
      return std::to_string(shape.param.grouping_power) + "_" +
             std::to_string(shape.param.max_value_power);
    });

TEST(HistogramQuantile, IsTheUpperBoundOfTheRanksBucket) {
  std::vector<std::uint64_t> buckets(kAgentHistogram.bucket_count());
  EXPECT_FALSE(histogram_quantile(kAgentHistogram, buckets, 0.5));
  EXPECT_FALSE(histogram_max(kAgentHistogram, buckets));
  buckets[10] = 50;   // the value 10
  buckets[63] = 49;   // 960..1023
  buckets[143] = 1;   // 983040..1048575
  const auto at = [&](double q) { return *histogram_quantile(kAgentHistogram, buckets, q); };
  EXPECT_EQ(at(0), 10u);
  EXPECT_EQ(at(-1), 10u);
  EXPECT_EQ(at(std::nan("")), 10u);
  EXPECT_EQ(at(0.5), 10u);
  EXPECT_EQ(at(0.501), 1023u);
  EXPECT_EQ(at(0.99), 1023u);
  EXPECT_EQ(at(0.991), 1'048'575u);
  EXPECT_EQ(at(1), 1'048'575u);
  EXPECT_EQ(at(2), 1'048'575u);
  EXPECT_EQ(histogram_max(kAgentHistogram, buckets), 1'048'575u);
}

TEST(HistogramQuantile, OfOneValueAtTheEndIsTheMaximum) {
  std::vector<std::uint64_t> buckets(kAgentHistogram.bucket_count());
  buckets.back() = 1;
  EXPECT_EQ(histogram_quantile(kAgentHistogram, buckets, 0.5), ~0ull);
}

TEST(HistogramQuantile, SurvivesHugeCounts) {
  std::vector<std::uint64_t> buckets(kAgentHistogram.bucket_count());
  buckets[1] = 1ull << 62;
  buckets[2] = (1ull << 62) + 1;
  EXPECT_EQ(histogram_quantile(kAgentHistogram, buckets, 1.0), 2u);
  EXPECT_EQ(histogram_quantile(kAgentHistogram, buckets, 0.25), 1u);
}

HistogramValue value_with(std::uint64_t bucket, std::uint64_t count, std::uint64_t sum) {
  HistogramValue value;
  value.buckets.resize(kAgentHistogram.bucket_count());
  value.buckets[bucket] = count;
  value.sum = sum;
  return value;
}

TEST(HistogramMerge, AddsCountsAndSums) {
  HistogramValue into = value_with(5, 2, 10);
  histogram_merge(into, value_with(7, 1, 7));
  EXPECT_EQ(into.count(), 3u);
  EXPECT_EQ(into.sum, 17u);
  EXPECT_EQ(into.buckets[5], 2u);
  EXPECT_EQ(into.buckets[7], 1u);
  EXPECT_TRUE(into.sum_known);
  HistogramValue foreign = value_with(5, 1, 0);
  foreign.sum_known = false;
  histogram_merge(into, foreign);
  EXPECT_FALSE(into.sum_known);
}

TEST(HistogramSubtract, UndoesMergeAndDetectsResets) {
  const HistogramValue earlier = value_with(5, 2, 10);
  HistogramValue later = earlier;
  const HistogramValue between = value_with(9, 4, 36);
  histogram_merge(later, between);
  const auto difference = histogram_subtract(later, earlier);
  ASSERT_TRUE(difference);
  EXPECT_EQ(*difference, between);
  EXPECT_FALSE(histogram_subtract(earlier, later));
}

TEST(HistogramEstimatedSum, UsesTheMiddleOfEachBucket) {
  std::vector<std::uint64_t> buckets(kAgentHistogram.bucket_count());
  buckets[10] = 3;
  buckets[16] = 2;  // 16..17
  EXPECT_DOUBLE_EQ(histogram_estimated_sum(kAgentHistogram, buckets), 30 + 33);
}

}  // namespace
}  // namespace rezolus
