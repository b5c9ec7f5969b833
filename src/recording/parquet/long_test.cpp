// SPDX-License-Identifier: Apache-2.0 OR MIT
// Logs with known values, written in the long layout and read back with Arrow.
#include "recording/parquet/long.h"

#include <algorithm>
#include <bit>

#include <gtest/gtest.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include "base/part_names.h"
#include "recording/frame/frame_testing.h"
#include "recording/parquet/parquet_testing.h"

namespace rezolus {
namespace {

using testing::column;
using testing::test_histogram;
using testing::test_series;
using testing::TestSource;

class LongTest : public ::testing::Test {
 protected:
  LogWriter create_log() {
    auto log = LogWriter::create(log_path_, {{"source", "rezolus"}}, {.replace = true});
    EXPECT_TRUE(log);
    return std::move(*log);
  }

  void convert(const LongOptions& options = {}) {
    auto log = open_log_stream(log_path_);
    ASSERT_TRUE(log);
    const auto report = write_long(**log, output_, options);
    ASSERT_TRUE(report) << report.error().message;
    report_ = *report;
    table_ = testing::read_parquet(output_);
  }

  // The rows of a series, in the file's order; one label's value is enough to tell it.
  std::vector<std::int64_t> rows_of(const std::string& metric, const std::string& label = "") {
    std::vector<std::int64_t> rows;
    const auto names = column<arrow::StringArray>(*table_, "metric");
    const auto labels = column<arrow::MapArray>(*table_, "labels");
    const auto values = std::static_pointer_cast<arrow::StringArray>(labels->items());
    for (std::int64_t i = 0; i < table_->num_rows(); ++i) {
      if (names->GetView(i) != metric) continue;
      const bool any = label.empty() || (labels->value_length(i) > 0 &&
                                         values->GetView(labels->value_offset(i)) == label);
      if (any) rows.push_back(i);
    }
    return rows;
  }

  template <typename ArrayType>
  std::string text(const std::string& name, const std::vector<std::int64_t>& rows) {
    std::string result;
    const auto values = column<ArrayType>(*table_, name);
    for (const std::int64_t row : rows) {
      if (!result.empty()) result += ' ';
      result += values->IsNull(row) ? "-" : fmt::format("{}", values->Value(row));
    }
    return result;
  }

  template <typename ItemArray>
  std::string list_text(const std::string& name, std::int64_t row) {
    const auto list = column<arrow::ListArray>(*table_, name);
    if (list->IsNull(row)) return "-";
    const auto items = std::static_pointer_cast<ItemArray>(list->value_slice(row));
    std::string result;
    for (std::int64_t i = 0; i < items->length(); ++i) {
      result += fmt::format("{}{}", i == 0 ? "" : " ", items->Value(i));
    }
    return result;
  }

  testing::TestFolder folder_;
  std::string log_path_ = folder_.file("test.rezlog");
  std::string output_ = folder_.file("test.parquet");
  TestSource source_;
  LongReport report_;
  std::shared_ptr<arrow::Table> table_;
};

TEST_F(LongTest, CountersWithDeltas) {
  LogWriter log = create_log();
  for (std::uint64_t k = 0; k < 4; ++k) ASSERT_TRUE(log.append(source_.tick(k)));
  ASSERT_TRUE(log.finish());
  convert();
  EXPECT_EQ(report_.ticks, 4u);
  EXPECT_EQ(report_.rows, 20u);
  ASSERT_EQ(table_->num_rows(), 20);
  const auto rows = rows_of("switches", "0");
  EXPECT_EQ(text<arrow::UInt64Array>("value_u64", rows), "100 103 106 109");
  EXPECT_EQ(text<arrow::UInt64Array>("delta", rows), "- 3 3 3");
  EXPECT_EQ(text<arrow::Int64Array>("delta_ns", rows), "- 1000000000 1000000000 1000000000");
  EXPECT_EQ(text<arrow::Int64Array>("value_i64", rows), "- - - -");
  EXPECT_EQ(text<arrow::Int64Array>("timestamp_ns", {rows[1]}), "1700000001000000000");
  EXPECT_EQ(column<arrow::TimestampArray>(*table_, "timestamp")->Value(rows[1]), 1700000001000000);
  const auto text_of = [this](const std::string& name, std::int64_t row) {
    return column<arrow::StringArray>(*table_, name)->GetString(row);
  };
  EXPECT_EQ(text_of("type", rows[0]), "counter");
  EXPECT_EQ(text_of("unit", rows[0]), "events");
  EXPECT_EQ(text_of("source", rows[0]), "rezolus");
  const auto labels = column<arrow::MapArray>(*table_, "labels");
  const auto keys = std::static_pointer_cast<arrow::StringArray>(labels->keys());
  EXPECT_EQ(keys->GetView(labels->value_offset(rows[0])), "id");
  EXPECT_EQ(labels->value_length(rows_of("tasks")[0]), 0);
  EXPECT_EQ(text<arrow::Int64Array>("value_i64", rows_of("tasks")), "0 -1 -2 -3");
  EXPECT_EQ(text<arrow::UInt64Array>("delta", rows_of("tasks")), "- - - -");
}

TEST_F(LongTest, HistogramsAreSparse) {
  LogWriter log = create_log();
  for (std::uint64_t k = 0; k < 3; ++k) ASSERT_TRUE(log.append(source_.tick(k)));
  convert();
  const auto rows = rows_of("latency", "read");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(list_text<arrow::Int32Array>("bucket_indices", rows[0]), "2 495");
  EXPECT_EQ(list_text<arrow::Int32Array>("bucket_indices", rows[2]), "2 10 495");
  EXPECT_EQ(list_text<arrow::UInt64Array>("bucket_counts", rows[2]), "4 2 1");
  EXPECT_EQ(list_text<arrow::UInt64Array>("bucket_deltas", rows[0]), "-");
  EXPECT_EQ(list_text<arrow::UInt64Array>("bucket_deltas", rows[2]), "0 1 0");
  EXPECT_EQ(text<arrow::UInt64Array>("sum", rows), "0 1000 2000");
  EXPECT_EQ(text<arrow::UInt64Array>("sum_delta", rows), "- 1000 1000");
  EXPECT_EQ(text<arrow::UInt64Array>("delta", rows), "- 1 1");
  EXPECT_EQ(text<arrow::Int32Array>("grouping_power", rows), "3 3 3");
  EXPECT_EQ(text<arrow::Int32Array>("max_value_power", rows), "64 64 64");
  EXPECT_EQ(text<arrow::Int32Array>("grouping_power", {rows_of("tasks")[0]}), "-");
  EXPECT_EQ(list_text<arrow::Int32Array>("bucket_indices", rows_of("tasks")[0]), "-");
}

TEST_F(LongTest, NoDeltaBehindAGapOrAReset) {
  LogWriter log = create_log();
  for (std::uint64_t k = 0; k < 6; ++k) {
    if (k == 2) {
      ASSERT_TRUE(log.append_gap({.realtime_ns = 1, .missed_count = 1, .reason = "late"}));
    }
    Snapshot snapshot = source_.tick(k);
    if (k >= 4) {
      snapshot.scalars[0] = k;
      snapshot.histograms[0] = test_histogram({{2, k}}, 1);
    }
    ASSERT_TRUE(log.append(snapshot));
  }
  convert();
  EXPECT_EQ(text<arrow::UInt64Array>("value_u64", rows_of("switches", "0")), "100 103 106 109 4 5");
  EXPECT_EQ(text<arrow::UInt64Array>("delta", rows_of("switches", "0")), "- 3 - 3 - 1");
  const auto rows = rows_of("latency", "read");
  EXPECT_EQ(text<arrow::UInt64Array>("delta", rows), "- 1 - 1 - 1");
  EXPECT_EQ(list_text<arrow::UInt64Array>("bucket_deltas", rows[4]), "-");
  EXPECT_EQ(list_text<arrow::UInt64Array>("bucket_deltas", rows[5]), "1");
  EXPECT_EQ(text<arrow::UInt64Array>("sum_delta", {rows[4]}), "-");
}

// A slice ends and a schema changes, and a series goes on where it was.
TEST_F(LongTest, DeltasReachAcrossSlicesAndSchemas) {
  LogWriter log = create_log();
  for (std::uint64_t k = 0; k < 3; ++k) ASSERT_TRUE(log.append(source_.tick(k)));
  source_.builder().retire(1);
  const auto again =
      source_.builder().add(test_series("switches", MetricType::kCounter, {{"id", "1"}}));
  Snapshot snapshot = source_.tick(4);  // a tick without the series' old index
  snapshot.present[1] = 0;
  snapshot.present[again] = 1;
  snapshot.scalars[again] = 42;
  ASSERT_TRUE(log.append(snapshot));
  LongOptions options;
  options.slice_rows_max = 1;
  convert(options);
  EXPECT_EQ(report_.row_groups, 4u);
  EXPECT_EQ(text<arrow::UInt64Array>("delta", rows_of("switches", "0")), "- 3 3 6");
  EXPECT_EQ(text<arrow::UInt64Array>("delta", rows_of("switches", "1")), "- 0 0 37");
  EXPECT_EQ(text<arrow::Int64Array>("delta_ns", {rows_of("switches", "1")[3]}), "2000000000");
  EXPECT_EQ(list_text<arrow::UInt64Array>("bucket_deltas", rows_of("latency", "read")[2]), "0 1 0");
}

TEST_F(LongTest, RowGroupsArePrunedByTimeAndMetric) {
  LogWriter log = create_log();
  for (std::uint64_t k = 0; k < 40; ++k) ASSERT_TRUE(log.append(source_.tick(k)));
  LongOptions options;
  options.slice_span_ns_max = 20'000'000'000;
  options.row_group_rows_max = 40;  // the two histograms, the two counters, the gauge
  options.chunks_per_part_max = 1'000'000;
  convert(options);
  const auto file = parquet::ParquetFileReader::OpenFile(output_)->metadata();
  ASSERT_EQ(file->num_row_groups(), 6);
  const auto metric_range = [&](int group) {
    for (int i = 0; i < file->num_columns(); ++i) {
      const auto chunk = file->RowGroup(group)->ColumnChunk(i);
      if (chunk->path_in_schema()->ToDotString() != "metric") continue;
      const auto statistics =
          std::static_pointer_cast<parquet::ByteArrayStatistics>(chunk->statistics());
      return std::string(parquet::ByteArrayToString(statistics->min())) + ".." +
             parquet::ByteArrayToString(statistics->max());
    }
    return std::string("none");
  };
  EXPECT_EQ(metric_range(0), "latency..latency");
  EXPECT_EQ(metric_range(1), "switches..switches");
  EXPECT_EQ(metric_range(2), "tasks..tasks");
  const auto times = [&](int group) {
    return std::static_pointer_cast<parquet::Int64Statistics>(
        file->RowGroup(group)->ColumnChunk(0)->statistics());
  };
  EXPECT_EQ(times(2)->max(), 1'700'000'019'000'000);
  EXPECT_EQ(times(3)->min(), 1'700'000'020'000'000);
  EXPECT_EQ(file->key_value_metadata()->Get("source").ValueOr("(none)"), "rezolus");
}

TEST_F(LongTest, FloatingGaugesAndSourcesOfTheirOwn) {
  Series ratio = test_series("ratio", MetricType::kGauge, {{"source", "vllm"}});
  ratio.floating = true;
  const auto index = source_.builder().add(std::move(ratio));
  LogWriter log = create_log();
  Snapshot snapshot = source_.tick(0);
  snapshot.present[index] = 1;
  snapshot.scalars[index] = std::bit_cast<std::uint64_t>(0.73);
  ASSERT_TRUE(log.append(snapshot));
  convert();
  const auto rows = rows_of("ratio");
  EXPECT_EQ(text<arrow::DoubleArray>("value_f64", rows), "0.73");
  EXPECT_EQ(text<arrow::Int64Array>("value_i64", rows), "-");
  EXPECT_EQ(column<arrow::StringArray>(*table_, "source")->GetString(rows[0]), "vllm");
}

TEST_F(LongTest, PartsAndFailures) {
  LogWriter log = create_log();
  for (std::uint64_t k = 0; k < 10; ++k) ASSERT_TRUE(log.append(source_.tick(k)));
  LongOptions options;
  options.slice_span_ns_max = 2'000'000'000;
  options.chunks_per_part_max = 40;  // two row groups of 19 columns
  convert(options);
  EXPECT_EQ(report_.row_groups, 5u);
  EXPECT_EQ(report_.parts, 3u);
  EXPECT_EQ(testing::read_parquet(part_name(output_, 3))->num_rows(), 10);
  auto stream = open_log_stream(log_path_);
  ASSERT_TRUE(stream);
  options.stopped = [] { return true; };
  output_ = folder_.file("other.parquet");
  EXPECT_FALSE(write_long(**stream, output_, options));
  EXPECT_FALSE(std::filesystem::exists(output_));
  log_path_ = folder_.file("empty.rezlog");
  ASSERT_TRUE(create_log().finish());
  auto empty = open_log_stream(log_path_);
  ASSERT_TRUE(empty);
  const auto report = write_long(**empty, output_);
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message.find("no sample"), std::string::npos);
}

}  // namespace
}  // namespace rezolus
