// SPDX-License-Identifier: Apache-2.0 OR MIT
// Logs with known values, converted and read back with Arrow.
#include "recording/parquet/wide.h"

#include <bit>
#include <cstdlib>
#include <filesystem>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>
#include <sys/stat.h>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/part_names.h"
#include "recording/frame/frame_testing.h"
#include "recording/log/log.h"
#include "recording/parquet/part_files.h"

namespace rezolus {
namespace {

using testing::test_histogram;
using testing::test_series;
using testing::TestSource;

class WideTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "rezolus-wide-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    log_path_ = folder_ + "/test.rezlog";
    output_ = folder_ + "/test.parquet";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  LogWriter create_log(SourceMetadata metadata = {{"source", "rezolus"},
                                                  {"version", "1.2.3"},
                                                  {"sampling_interval_ms", "1000"},
                                                  {"systeminfo", R"({"os":"linux"})"},
                                                  {"endpoint", "http://localhost:4241/"},
                                                  {"sampler_status", R"({"a":"on"})"}}) {
    auto log = LogWriter::create(log_path_, std::move(metadata));
    EXPECT_TRUE(log);
    return std::move(*log);
  }

  void write_log(std::uint64_t tick_count) {
    LogWriter log = create_log();
    for (std::uint64_t k = 0; k < tick_count; ++k) ASSERT_TRUE(log.append(source_.tick(k)));
    ASSERT_TRUE(log.append_gap({.realtime_ns = 1, .missed_count = 2, .reason = "late"}));
    ASSERT_TRUE(log.finish());
  }

  Result<WideReport> write(const WideOptions& options = {}) {
    auto log = open_log_stream(log_path_);
    if (!log) return std::unexpected(log.error());
    return write_wide(**log, output_, options);
  }

  std::shared_ptr<arrow::Table> convert(const WideOptions& options = {}) {
    report_ = write(options);
    EXPECT_TRUE(report_) << report_.error().message;
    if (!report_) return nullptr;
    file_ = parquet::ParquetFileReader::OpenFile(output_)->metadata();
    auto input = arrow::io::ReadableFile::Open(output_).ValueOrDie();
    auto reader = parquet::arrow::OpenFile(input, arrow::default_memory_pool()).ValueOrDie();
    return reader->ReadTable().ValueOrDie()->CombineChunks().ValueOrDie();
  }

  template <typename ArrayType>
  static std::shared_ptr<ArrayType> column(const arrow::Table& table, const std::string& name) {
    const auto chunked = table.GetColumnByName(name);
    EXPECT_NE(chunked, nullptr) << name;
    return std::static_pointer_cast<ArrayType>(chunked->chunk(0));
  }

  static std::string field_value(const arrow::Table& table, const std::string& name,
                                 const std::string& key) {
    const auto metadata = table.schema()->GetFieldByName(name)->metadata();
    return metadata->Get(key).ValueOr("(none)");
  }

  std::string footer(const std::string& key) const {
    return file_->key_value_metadata()->Get(key).ValueOr("(none)");
  }

  std::string folder_;
  std::string log_path_;
  std::string output_;
  TestSource source_;
  Result<WideReport> report_;
  std::shared_ptr<parquet::FileMetaData> file_;
};

constexpr const char* kFirst = "switches{id=\"0\"}";
constexpr const char* kRead = "latency{op=\"read\"}:buckets";

TEST_F(WideTest, ColumnsInUpstreamsOrder) {
  write_log(5);
  const auto table = convert();
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->schema()->field_names(),
            (std::vector<std::string>{"timestamp", "duration", "latency_sum{op=\"read\"}",
                                      "latency_sum{op=\"write\"}", kFirst, "switches{id=\"1\"}",
                                      "tasks", kRead, "latency{op=\"write\"}:buckets"}));
  EXPECT_TRUE(table->schema()->field(0)->type()->Equals(arrow::uint64()));
  EXPECT_FALSE(table->schema()->field(0)->nullable());
  EXPECT_TRUE(table->schema()->field(1)->nullable());
  EXPECT_TRUE(table->schema()->GetFieldByName(kFirst)->type()->Equals(arrow::uint64()));
  EXPECT_TRUE(table->schema()->GetFieldByName("tasks")->type()->Equals(arrow::int64()));
  const auto list = table->schema()->GetFieldByName(kRead)->type();
  ASSERT_EQ(list->id(), arrow::Type::LIST);
  EXPECT_TRUE(list->field(0)->type()->Equals(arrow::uint64()));
  EXPECT_TRUE(list->field(0)->nullable());
}

TEST_F(WideTest, Values) {
  write_log(5);
  const auto table = convert();
  ASSERT_NE(table, nullptr);
  ASSERT_EQ(table->num_rows(), 5);
  const auto timestamp = column<arrow::UInt64Array>(*table, "timestamp");
  const auto duration = column<arrow::UInt64Array>(*table, "duration");
  const auto first = column<arrow::UInt64Array>(*table, kFirst);
  const auto tasks = column<arrow::Int64Array>(*table, "tasks");
  const auto read = column<arrow::ListArray>(*table, kRead);
  const auto sum = column<arrow::UInt64Array>(*table, "latency_sum{op=\"read\"}");
  for (std::int64_t k = 0; k < 5; ++k) {
    const auto tick = static_cast<std::uint64_t>(k);
    EXPECT_EQ(timestamp->Value(k), 1'700'000'000'000'000'000 + tick * 1'000'000'000);
    EXPECT_EQ(duration->Value(k), 1500 + tick);
    EXPECT_EQ(first->Value(k), 100 + 3 * tick);
    EXPECT_EQ(tasks->Value(k), -k);
    EXPECT_EQ(sum->Value(k), 1000 * tick);
    const auto buckets = std::static_pointer_cast<arrow::UInt64Array>(read->value_slice(k));
    ASSERT_EQ(buckets->length(), 496);
    EXPECT_EQ(buckets->Value(2), 4u);
    EXPECT_EQ(buckets->Value(10), tick);
    EXPECT_EQ(buckets->Value(495), 1u);
  }
}

TEST_F(WideTest, FieldMetadata) {
  write_log(2);
  const auto table = convert();
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(field_value(*table, "timestamp", "metric_type"), "timestamp");
  EXPECT_EQ(field_value(*table, "duration", "unit"), "nanoseconds");
  EXPECT_EQ(field_value(*table, kFirst, "metric"), "switches");
  EXPECT_EQ(field_value(*table, kFirst, "metric_type"), "counter");
  EXPECT_EQ(field_value(*table, kFirst, "id"), "0");
  EXPECT_EQ(field_value(*table, kFirst, "unit"), "events");
  EXPECT_EQ(field_value(*table, kFirst, "sampler"), "test_sampler");
  EXPECT_EQ(field_value(*table, kFirst, "source"), "rezolus");
  EXPECT_EQ(field_value(*table, kFirst, "endpoint"), "http://localhost:4241/");
  EXPECT_EQ(field_value(*table, "tasks", "metric_type"), "gauge");
  EXPECT_EQ(field_value(*table, kRead, "metric_type"), "histogram");
  EXPECT_EQ(field_value(*table, kRead, "metric"), "latency");
  EXPECT_EQ(field_value(*table, kRead, "op"), "read");
  EXPECT_EQ(field_value(*table, kRead, "grouping_power"), "3");
  EXPECT_EQ(field_value(*table, kRead, "max_value_power"), "64");
  EXPECT_EQ(field_value(*table, "latency_sum{op=\"read\"}", "metric"), "latency_sum");
  EXPECT_EQ(field_value(*table, "latency_sum{op=\"read\"}", "metric_type"), "counter");
  EXPECT_EQ(field_value(*table, "latency_sum{op=\"read\"}", "grouping_power"), "(none)");
}

TEST_F(WideTest, Footer) {
  write_log(3);
  WideOptions options;
  options.metadata = {{"note", "mine"}, {"version", "9"}};
  ASSERT_NE(convert(options), nullptr);
  EXPECT_EQ(footer("source"), "rezolus");
  EXPECT_EQ(footer("sampling_interval_ms"), "1000");
  EXPECT_EQ(footer("systeminfo"), R"({"os":"linux"})");
  EXPECT_EQ(footer("note"), "mine");
  EXPECT_EQ(footer("version"), "9");
  EXPECT_NE(footer("ARROW:schema"), "(none)");
  EXPECT_EQ(nlohmann::json::parse(footer("descriptions"))["latency"], "A series of a test.");
  const auto facts = nlohmann::json::parse(footer("per_source_metadata"))["rezolus"];
  EXPECT_EQ(facts["first_sample_ns"], 1'700'000'000'000'000'000u);
  EXPECT_EQ(facts["last_sample_ns"], 1'700'000'002'000'000'000u);
  EXPECT_EQ(facts["missed_ticks"], 2);
  EXPECT_EQ(facts["sampler_status"]["a"], "on");
}

TEST_F(WideTest, IntervalIsAlwaysANumber) {
  LogWriter log = create_log({{"sampling_interval_ms", "often"}});
  for (std::uint64_t k = 0; k < 4; ++k) ASSERT_TRUE(log.append(source_.tick(k)));
  ASSERT_TRUE(log.finish());
  ASSERT_NE(convert(), nullptr);
  EXPECT_EQ(footer("sampling_interval_ms"), "1000");  // as the ticks stand apart
  WideOptions options;
  options.interval_ms = 250;
  ASSERT_NE(convert(options), nullptr);
  EXPECT_EQ(footer("sampling_interval_ms"), "250");
}

TEST_F(WideTest, EncodingsAndStatistics) {
  write_log(50);
  ASSERT_NE(convert(), nullptr);
  const auto group = file_->RowGroup(0);
  for (int i = 0; i < file_->num_columns(); ++i) {
    const auto chunk = group->ColumnChunk(i);
    const bool list = chunk->path_in_schema()->ToDotString().find(":buckets") != std::string::npos;
    EXPECT_EQ(chunk->compression(), parquet::Compression::ZSTD);
    EXPECT_FALSE(chunk->has_dictionary_page());
    EXPECT_EQ(chunk->is_stats_set(), i == 0) << chunk->path_in_schema()->ToDotString();
    const auto wanted = list ? parquet::Encoding::PLAIN : parquet::Encoding::DELTA_BINARY_PACKED;
    EXPECT_NE(std::find(chunk->encodings().begin(), chunk->encodings().end(), wanted),
              chunk->encodings().end());
  }
  EXPECT_TRUE(group->ColumnChunk(0)->statistics()->HasMinMax());
}

TEST_F(WideTest, AbsentIsNullAndTheSchemaIsTheUnion) {
  LogWriter log = create_log();
  ASSERT_TRUE(log.append(source_.tick(0)));
  Snapshot hole = source_.tick(1);
  hole.present[0] = 0;
  hole.present[3] = 0;
  hole.histograms[0] = nullptr;
  ASSERT_TRUE(log.append(hole));
  source_.builder().retire(2);
  const auto late = source_.builder().add(
      test_series("late", MetricType::kGauge, {{"path", "/a \"b\"\\c\nd.e"}}));
  source_.builder().add(test_series("never", MetricType::kCounter));
  for (std::uint64_t k = 2; k < 4; ++k) {
    Snapshot snapshot = source_.tick(k);
    snapshot.present[2] = 0;
    snapshot.present[late] = 1;
    snapshot.scalars[late] = k;
    ASSERT_TRUE(log.append(snapshot));
  }
  ASSERT_TRUE(log.finish());
  const auto table = convert();
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->schema()->GetFieldByName("never"), nullptr);
  const auto nulls = [&](const std::string& name) {
    std::string text;
    const auto array = table->GetColumnByName(name)->chunk(0);
    for (std::int64_t i = 0; i < array->length(); ++i) text += array->IsNull(i) ? '-' : '+';
    return text;
  };
  EXPECT_EQ(nulls(kFirst), "+-++");
  EXPECT_EQ(nulls(kRead), "+-++");
  EXPECT_EQ(nulls("latency_sum{op=\"read\"}"), "+-++");
  EXPECT_EQ(nulls("tasks"), "++--");
  const std::string name = series_name("late", {{"path", "/a \"b\"\\c\nd.e"}});
  EXPECT_EQ(nulls(name), "--++");
  EXPECT_EQ(column<arrow::Int64Array>(*table, name)->Value(3), 3);
  EXPECT_EQ(field_value(*table, name, "path"), "/a \"b\"\\c\nd.e");
}

TEST_F(WideTest, AReturningSeriesContinuesItsColumn) {
  LogWriter log = create_log();
  ASSERT_TRUE(log.append(source_.tick(0)));
  source_.builder().retire(1);
  const auto again =
      source_.builder().add(test_series("switches", MetricType::kCounter, {{"id", "1"}}));
  Snapshot snapshot = source_.tick(1);
  snapshot.present[1] = 0;
  snapshot.present[again] = 1;
  snapshot.scalars[again] = 42;
  ASSERT_TRUE(log.append(snapshot));
  const auto table = convert();
  ASSERT_NE(table, nullptr);
  const auto values = column<arrow::UInt64Array>(*table, "switches{id=\"1\"}");
  EXPECT_EQ(values->Value(0), 5u);
  EXPECT_EQ(values->Value(1), 42u);
}

TEST_F(WideTest, FloatingGaugesAreDoubles) {
  Series ratio = test_series("ratio", MetricType::kGauge);
  ratio.floating = true;
  const auto index = source_.builder().add(std::move(ratio));
  LogWriter log = create_log();
  for (std::uint64_t k = 0; k < 3; ++k) {
    Snapshot snapshot = source_.tick(k);
    snapshot.present[index] = k == 1 ? 0 : 1;
    snapshot.scalars[index] = std::bit_cast<std::uint64_t>(-0.73 * static_cast<double>(k));
    ASSERT_TRUE(log.append(snapshot));
  }
  const auto table = convert();
  ASSERT_NE(table, nullptr);
  ASSERT_TRUE(table->schema()->GetFieldByName("ratio")->type()->Equals(arrow::float64()));
  const auto values = column<arrow::DoubleArray>(*table, "ratio");
  EXPECT_EQ(values->Value(0), -0.0);
  EXPECT_TRUE(values->IsNull(1));
  EXPECT_EQ(values->Value(2), -1.46);
  EXPECT_EQ(field_value(*table, "ratio", "metric_type"), "gauge");
}

TEST_F(WideTest, RowGroupsAreBoundedByBytes) {
  write_log(100);
  WideOptions options;
  options.row_group_bytes_max = 300;
  auto table = convert(options);
  ASSERT_NE(table, nullptr);
  EXPECT_GT(report_->row_groups, 5u);
  EXPECT_EQ(report_->row_groups, static_cast<std::uint64_t>(file_->num_row_groups()));
  EXPECT_EQ(column<arrow::UInt64Array>(*table, kFirst)->Value(99), 397u);
  options = {};
  options.column_bytes_max = 10 * 496 * 8;
  table = convert(options);
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(report_->row_groups, 10u);
}

TEST_F(WideTest, ADamagedLogGivesWhatIsReadable) {
  write_log(20);
  auto content = read_file(log_path_);
  ASSERT_TRUE(content);
  ASSERT_TRUE(write_file_atomic(log_path_, content->substr(0, content->size() - 100)));
  const auto table = convert();
  ASSERT_NE(table, nullptr);
  EXPECT_GT(table->num_rows(), 15);
  EXPECT_LT(table->num_rows(), 20);
  EXPECT_GT(report_->lost_bytes, 0u);
}

TEST_F(WideTest, FailuresLeaveNoFileBehind) {
  const auto expect_failure = [this](const WideOptions& options, std::string_view words) {
    const auto report = write(options);
    ASSERT_FALSE(report);
    EXPECT_NE(report.error().message.find(words), std::string::npos) << report.error().message;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      EXPECT_EQ(entry.path().string().find(".parquet"), std::string::npos) << entry.path();
    }
  };
  expect_failure({}, "No such file");
  ASSERT_TRUE(create_log().finish());
  expect_failure({}, "no sample");
  std::filesystem::remove(log_path_);
  write_log(3);
  WideOptions stopped;
  stopped.stopped = [] { return true; };
  expect_failure(stopped, "interrupted");
  output_ = folder_ + "/pipe";
  ASSERT_EQ(::mkfifo(output_.c_str(), 0600), 0);
  expect_failure({}, "not a regular file");
  EXPECT_TRUE(std::filesystem::is_fifo(output_));
  output_ = folder_ + "/missing/test";
  expect_failure({}, "missing/test");
}

// More series than columns: what has none of its own is summed by metric, or counted.
TEST_F(WideTest, SeriesPastTheLimitShareAColumn) {
  SchemaBuilder builder;
  for (int i = 0; i < 20; ++i) {
    Series many = test_series("many", MetricType::kCounter, {{"name", std::to_string(i)}});
    many.dimension = Dimension::kCgroup;
    builder.add(std::move(many));
    builder.add(test_series("level", MetricType::kGauge, {{"id", std::to_string(i)}}));
  }
  LogWriter log = create_log();
  const auto append = [&](std::uint64_t k) {
    Snapshot snapshot;
    snapshot.schema = builder.publish();
    resize_to_schema(snapshot);
    snapshot.realtime_ns = 1'700'000'000'000'000'000 + k;
    for (std::size_t i = 0; i < snapshot.schema->series.size(); ++i) {
      if (!snapshot.schema->series[i]) continue;
      snapshot.present[i] = 1;
      snapshot.scalars[i] = snapshot.schema->series[i]->name == "many" ? 10 + k : 0 - k;
    }
    ASSERT_TRUE(log.append(snapshot));
  };
  append(0);
  append(1);
  builder.retire(38);  // many{name="19"}: what it has counted stays
  append(2);
  WideOptions options;
  options.columns_max = 20;  // timestamp, duration, 5 for sums: 13 series have their own
  const auto table = convert(options);
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(report_->folded_series, 27u);
  EXPECT_EQ(report_->left_out_series, 0u);
  EXPECT_EQ(report_->columns, 17u);
  EXPECT_EQ(footer("folded_series"), "27");
  EXPECT_EQ(footer("left_out_series"), "0");
  const auto many = column<arrow::UInt64Array>(*table, "many{cgroup=\"other\"}");
  const auto level = column<arrow::Int64Array>(*table, "level{series=\"other\"}");
  EXPECT_EQ(many->Value(0), 13u * 10);
  EXPECT_EQ(many->Value(1), 13u * 11);
  EXPECT_EQ(many->Value(2), 12u * 12 + 11);
  EXPECT_EQ(level->Value(2), 14 * -2);
  EXPECT_EQ(field_value(*table, "many{cgroup=\"other\"}", "cgroup"), "other");
  EXPECT_EQ(field_value(*table, "many{cgroup=\"other\"}", "metric"), "many");
  EXPECT_EQ(column<arrow::UInt64Array>(*table, "many{name=\"0\"}")->Value(2), 12u);
}

TEST_F(WideTest, MoreThanTwentyThousandSeriesAreConverted) {
  SchemaBuilder builder;
  for (std::size_t i = 0; i < 21'000; ++i) {
    builder.add(test_series("many", MetricType::kCounter, {{"id", std::to_string(i)}}));
  }
  Snapshot snapshot;
  snapshot.schema = builder.publish();
  resize_to_schema(snapshot);
  snapshot.realtime_ns = 1;
  snapshot.present.assign(snapshot.present.size(), 1);
  snapshot.scalars.assign(snapshot.scalars.size(), 1);
  LogWriter log = create_log();
  ASSERT_TRUE(log.append(snapshot));
  const auto table = convert();
  ASSERT_NE(table, nullptr);
  EXPECT_LE(report_->columns, kColumnsMax);
  EXPECT_GT(report_->columns, kColumnsMax - kFoldedColumnsMax);
  EXPECT_EQ(report_->folded_series + report_->columns, 21'000u + 3);
  EXPECT_EQ(column<arrow::UInt64Array>(*table, "many{series=\"other\"}")->Value(0),
            report_->folded_series);
}

TEST_F(WideTest, ALongRecordingGoesOnInParts) {
  write_log(100);
  ASSERT_TRUE(write_file_atomic(part_name(output_, 5), "of an earlier recording"));
  WideOptions options;
  options.row_group_span_ns_max = 10'000'000'000;
  options.chunks_per_part_max = 27;  // nine columns, three row groups
  auto table = convert(options);
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(report_->row_groups, 10u);
  EXPECT_EQ(report_->parts, 4u);
  EXPECT_EQ(report_->rows, 100u);
  EXPECT_EQ(table->num_rows(), 30);
  std::int64_t rows = 0;
  for (std::uint64_t part = 1; part <= 4; ++part) {
    const auto file = parquet::ParquetFileReader::OpenFile(part_name(output_, part))->metadata();
    rows += file->num_rows();
    EXPECT_EQ(file->key_value_metadata()->Get("source").ValueOr("(none)"), "rezolus");
  }
  EXPECT_EQ(rows, 100);
  const auto id_of = [&](std::uint64_t part) {
    return read_footer_value(part_name(output_, part), "parquet_parts_id").value_or("");
  };
  const std::string id = id_of(1);
  EXPECT_EQ(id.size(), 16u);
  for (const std::uint64_t part : {2, 3, 4}) EXPECT_EQ(id_of(part), id) << part;
  ASSERT_NE(convert(options), nullptr);
  EXPECT_NE(id_of(1), id) << "another writing is another recording";
  ASSERT_NE(convert({}), nullptr);
  EXPECT_EQ(id_of(1), "") << "one file is the same each time";
  EXPECT_EQ(part_name(output_, 2), folder_ + "/test.part2.parquet");
  EXPECT_FALSE(std::filesystem::exists(part_name(output_, 5)));
}

TEST_F(WideTest, FileUrlsAreOutputs) {
  write_log(3);
  const std::string path = output_;
  output_ = "file://" + path;
  const auto report = write();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(parquet::ParquetFileReader::OpenFile(path)->metadata()->num_rows(), 3);
  output_ = "nothing://there";
  EXPECT_FALSE(write());
}

}  // namespace
}  // namespace rezolus
