// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the tests of reading the long layout share: a log with values of every kind, its file in the
// long layout, and ways to change that file.

#include <array>
#include <bit>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "recording/frame/frame_testing.h"
#include "recording/parquet/long.h"
#include "recording/parquet/long_reader.h"
#include "recording/parquet/parquet_testing.h"

namespace rezolus::testing {

class LongReaderTest : public ::testing::Test {
 protected:
  LongReaderTest() {
    Series ratio = test_series("ratio", MetricType::kGauge, {{"source", "vllm"}});
    ratio.floating = true;
    ratio.unit = "";
    ratio_ = source_.builder().add(std::move(ratio));
    Series coarse = test_series("coarse", MetricType::kHistogram, {{"a", ""}, {"b", "x\"\\\n"}});
    coarse.histogram = {1, 4};
    coarse_ = source_.builder().add(std::move(coarse));
  }

  // Every kind of value at its limits; the ratio is not in every tick.
  Snapshot tick(std::uint64_t k) {
    constexpr std::array<double, 5> kDoubles = {0.1, -0.0, std::numeric_limits<double>::infinity(),
                                                5e-324, -1e300};
    Snapshot snapshot = source_.tick(k);
    snapshot.scalars[0] = ~std::uint64_t{0} - 1000 + k;
    snapshot.scalars[2] = (std::uint64_t{1} << 63) + k;  // the least of a gauge
    if (k % 3 != 2) {
      snapshot.present[ratio_] = 1;
      snapshot.scalars[ratio_] = k % 6 == 1 ? 0x7ff8'0000'dead'beef  // a NaN of its own
                                            : std::bit_cast<std::uint64_t>(kDoubles[k % 5]);
    }
    auto coarse = std::make_shared<HistogramValue>();
    coarse->buckets = {0, k + 1, 0, 0, 0, 0, 0, ~std::uint64_t{0}};
    coarse->sum_known = false;
    snapshot.present[coarse_] = 1;
    snapshot.histograms[snapshot.schema->series[coarse_]->histogram_index] = std::move(coarse);
    return snapshot;
  }

  LogWriter create_log() {
    auto log = LogWriter::create(log_path_,
                                 {{"source", "web"},
                                  {"endpoint", "http://h:4241/"},
                                  {"sampling_interval_ms", "1000"},
                                  {"color", "blue"}},
                                 {.replace = true});
    EXPECT_TRUE(log);
    return std::move(*log);
  }

  void write_ticks(std::uint64_t count) {
    LogWriter log = create_log();
    for (std::uint64_t k = 0; k < count; ++k) ASSERT_TRUE(log.append(tick(k)));
    ASSERT_TRUE(log.finish());
  }

  void convert(const LongOptions& options = {}) {
    auto log = open_log_stream(log_path_);
    ASSERT_TRUE(log);
    const auto report = write_long(**log, path_, options);
    ASSERT_TRUE(report) << report.error().message;
    report_ = *report;
  }

  std::vector<SnapshotRef> log_ticks(const std::string& path) {
    auto log = open_log_stream(path);
    EXPECT_TRUE(log);
    return log ? read_all(**log) : std::vector<SnapshotRef>();
  }

  // The file's rows in another order: stretches of them from the last to the first.
  void reverse(std::int64_t rows_per_stretch, std::int64_t rows_per_group, bool statistics) {
    const auto table = read_parquet(path_);
    std::vector<std::shared_ptr<arrow::Table>> stretches;
    for (std::int64_t at = 0; at < table->num_rows(); at += rows_per_stretch) {
      stretches.insert(stretches.begin(), table->Slice(at, rows_per_stretch));
    }
    const auto reversed = arrow::ConcatenateTables(stretches).ValueOrDie();
    ASSERT_NO_FATAL_FAILURE(write_parquet(path_, *reversed, rows_per_group, statistics));
  }

  // The file with one column replaced, or without it.
  void replace_column(const std::string& name, const std::shared_ptr<arrow::Array>& array) {
    auto table = read_parquet(path_);
    const int at = table->schema()->GetFieldIndex(name);
    ASSERT_GE(at, 0);
    table = array ? table
                        ->SetColumn(at, arrow::field(name, array->type()),
                                    std::make_shared<arrow::ChunkedArray>(array))
                        .ValueOrDie()
                  : table->RemoveColumn(at).ValueOrDie();
    ASSERT_NO_FATAL_FAILURE(write_parquet(path_, *table, 1000));
  }

  template <typename Builder, typename Value>
  std::shared_ptr<arrow::Array> repeated(const Value& value) {
    Builder builder;
    const std::int64_t rows = read_parquet(path_)->num_rows();
    for (std::int64_t i = 0; i < rows; ++i) EXPECT_TRUE(builder.Append(value).ok());
    return builder.Finish().ValueOrDie();
  }

  Result<OpenedRecording> open_limited(const LongReadLimits& limits) {
    auto input = ParquetInput::open(path_);
    if (!input) return std::unexpected(input.error());
    return open_long(std::move(*input), {}, limits);
  }

  // What opening it, or reading it to the end, says.
  static std::string failure(Result<OpenedRecording> opened) {
    if (!opened) return opened.error().message;
    while (true) {
      const auto snapshot = opened->stream->next();
      if (!snapshot) return snapshot.error().message;
      if (!*snapshot) return "no failure";
    }
  }
  std::string failure() { return failure(open_recording(path_)); }

  TestFolder folder_;
  std::string log_path_ = folder_.file("test.rezlog");
  std::string path_ = folder_.file("test.parquet");
  TestSource source_;
  std::uint32_t ratio_ = 0;
  std::uint32_t coarse_ = 0;
  LongReport report_;
};

#define EXPECT_HAS(text, words) EXPECT_NE((text).find(words), std::string::npos) << (text)

}  // namespace rezolus::testing
