// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/open_recording.h"

#include <filesystem>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/part_names.h"
#include "recording/frame/frame_testing.h"
#include "recording/log/folder_log.h"
#include "recording/log/log.h"
#include "recording/parquet/long.h"
#include "recording/parquet/output.h"
#include "recording/parquet/parquet_testing.h"
#include "recording/parquet/tables.h"
#include "recording/parquet/wide.h"

namespace rezolus {
namespace {

using testing::TestSource;

class OpenRecordingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "rezolus-open-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    log_path_ = folder_ + "/test.rezlog";
    parquet_path_ = folder_ + "/test.parquet";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write_log(const std::vector<std::uint64_t>& ticks) {
    auto log = LogWriter::create(
        log_path_,
        {{"source", "rezolus"}, {"endpoint", "http://h:4241/"}, {"sampling_interval_ms", "1000"}});
    ASSERT_TRUE(log);
    for (const std::uint64_t k : ticks) ASSERT_TRUE(log->append(source_.tick(k)));
    ASSERT_TRUE(log->finish());
  }

  void write_wide_file(const std::vector<std::uint64_t>& ticks) {
    write_log(ticks);
    auto log = open_log_stream(log_path_);
    ASSERT_TRUE(log);
    const auto report = write_wide(**log, parquet_path_);
    ASSERT_TRUE(report) << report.error().message;
  }

  // A file as foreign programs write it; one row group a row, to cross their borders.
  void write_table(const arrow::Table& table) {
    auto sink = arrow::io::FileOutputStream::Open(parquet_path_).ValueOrDie();
    auto properties = parquet::ArrowWriterProperties::Builder().store_schema()->build();
    ASSERT_TRUE(parquet::arrow::WriteTable(table, arrow::default_memory_pool(), sink, 1,
                                           parquet::default_writer_properties(), properties)
                    .ok());
    ASSERT_TRUE(sink->Close().ok());
  }

  std::vector<SnapshotRef> read_all(SnapshotStream& stream) {
    std::vector<SnapshotRef> list;
    while (true) {
      auto snapshot = stream.next();
      EXPECT_TRUE(snapshot) << snapshot.error().message;
      if (!snapshot || !*snapshot) return list;
      list.push_back(*snapshot);
    }
  }

  static std::shared_ptr<arrow::Field> field(const std::string& name,
                                             std::shared_ptr<arrow::DataType> type,
                                             std::map<std::string, std::string> metadata = {}) {
    auto pairs = std::make_shared<arrow::KeyValueMetadata>();
    for (const auto& [key, value] : metadata) pairs->Append(key, value);
    return arrow::field(name, std::move(type), true, pairs);
  }

  template <typename Builder, typename Value>
  static std::shared_ptr<arrow::Array> array(const std::vector<std::optional<Value>>& values) {
    Builder builder;
    for (const auto& value : values) {
      EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
    }
    return builder.Finish().ValueOrDie();
  }

  static std::shared_ptr<arrow::Array> counts(
      const std::vector<std::optional<std::uint64_t>>& values) {
    return array<arrow::UInt64Builder, std::uint64_t>(values);
  }

  static std::shared_ptr<arrow::Array> lists(std::size_t rows, std::size_t size) {
    auto items = std::make_shared<arrow::UInt64Builder>();
    arrow::ListBuilder builder(arrow::default_memory_pool(), items);
    for (std::size_t row = 0; row < rows; ++row) {
      EXPECT_TRUE(builder.Append().ok());
      for (std::size_t i = 0; i < size; ++i) EXPECT_TRUE(items->Append(row + i).ok());
    }
    return builder.Finish().ValueOrDie();
  }

  std::string folder_;
  std::string log_path_;
  std::string parquet_path_;
  TestSource source_;
};

constexpr std::uint64_t kStart = 1'700'000'000'000'000'000;

void expect_equal_values(const Snapshot& wanted, const Snapshot& got) {
  EXPECT_EQ(wanted.realtime_ns, got.realtime_ns);
  EXPECT_EQ(wanted.duration_ns, got.duration_ns);
  for (std::size_t i = 0; i < wanted.schema->series.size(); ++i) {
    const auto& series = wanted.schema->series[i];
    const std::int64_t at = find_series(*got.schema, series->name, series->labels);
    ASSERT_GE(at, 0) << series_name(series->name, series->labels);
    const auto index = static_cast<std::size_t>(at);
    const Series& other = *got.schema->series[index];
    EXPECT_EQ(series->type, other.type);
    EXPECT_EQ(series->unit, other.unit);
    EXPECT_EQ(series->help, other.help);
    EXPECT_EQ(series->sampler, other.sampler);
    ASSERT_EQ(wanted.present[i], got.present[index]) << series->name;
    if (wanted.present[i] == 0) continue;
    if (series->type == MetricType::kHistogram) {
      EXPECT_EQ(*wanted.histograms[series->histogram_index],
                *got.histograms[other.histogram_index]);
    } else {
      EXPECT_EQ(wanted.scalars[i], got.scalars[index]);
    }
  }
}

TEST_F(OpenRecordingTest, OurWideFileGivesWhatTheLogGave) {
  write_wide_file({0, 1, 2, 5, 6});
  auto opened = open_recording(parquet_path_);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->format, RecordingFormat::kWide);
  EXPECT_TRUE(opened->remarks.empty()) << opened->remarks.front();
  SnapshotStream& stream = *opened->stream;
  for (int pass = 0; pass < 2; ++pass) {
    const auto rows = read_all(stream);
    ASSERT_EQ(rows.size(), 5u);
    expect_equal_values(source_.tick(0), *rows[0]);
    expect_equal_values(source_.tick(6), *rows[4]);
    EXPECT_EQ(rows[0]->schema, rows[4]->schema);
    EXPECT_EQ(rows[0]->schema->series.size(), 5u);  // the sums are no series of their own
    const std::int64_t write = find_series(*rows[0]->schema, "latency", {{"op", "write"}});
    const auto at = rows[0]->schema->series[static_cast<std::size_t>(write)]->histogram_index;
    EXPECT_EQ(rows[0]->histograms[at], rows[4]->histograms[at]);  // shared
    EXPECT_EQ(stream.missed_count(), 2u);
    ASSERT_EQ(stream.gaps().size(), 1u);
    EXPECT_EQ(stream.gaps()[0].realtime_ns, kStart + 3'000'000'000);
    EXPECT_EQ(stream.metadata().at("endpoint"), "http://h:4241/");
    EXPECT_EQ(stream.metadata().at("source"), "rezolus");
    ASSERT_TRUE(stream.rewind());
  }
}

TEST_F(OpenRecordingTest, AChangedByteOfAnyColumnIsNoticed) {
  write_wide_file({0, 1, 2});
  const int columns =
      parquet::ParquetFileReader::OpenFile(parquet_path_)->metadata()->num_columns();
  for (int i = 0; i < columns; ++i) {
    std::filesystem::remove(log_path_);
    write_wide_file({0, 1, 2});
    ASSERT_NO_FATAL_FAILURE(testing::damage_column(parquet_path_, i));
    auto opened = open_recording(parquet_path_);
    ASSERT_TRUE(opened) << opened.error().message;
    Result<SnapshotRef> snapshot;
    do {
      snapshot = opened->stream->next();
    } while (snapshot && *snapshot);
    EXPECT_FALSE(snapshot) << i;
  }
}

TEST_F(OpenRecordingTest, OnlyTheMetricsAskedFor) {
  write_wide_file({0, 1});
  for (const std::string& path : {log_path_, parquet_path_}) {
    auto opened = open_recording(path, {.metrics = {"sw*", "nothing"}});
    ASSERT_TRUE(opened) << opened.error().message;
    const auto rows = read_all(*opened->stream);
    ASSERT_EQ(rows.size(), 2u);
    for (std::size_t i = 0; i < rows[1]->present.size(); ++i) {
      EXPECT_EQ(rows[1]->present[i] != 0, rows[1]->schema->series[i]->name == "switches");
    }
    for (const auto& histogram : rows[1]->histograms) EXPECT_EQ(histogram, nullptr);
  }
}

// Upstream's files of three ages: names of labels with slashes, of numbers, and combined.
TEST_F(OpenRecordingTest, UpstreamsNamesAndLabels) {
  const auto list = arrow::list(arrow::uint64());
  const auto schema = arrow::schema(
      {field("timestamp", arrow::uint64()), field("duration", arrow::uint64()),
       field("0::sent/read", arrow::uint64(),
             {{"metric", "sent"}, {"op", "read"}, {"source", "a"}, {"unit", "bytes"}}),
       field("1", arrow::uint64(), {{"metric", "sent"}, {"op", "read"}, {"source", "b"}}),
       field("free", arrow::int64(), {{"source", "b"}}),
       field("wait{le=\"x\\\"y\",op=\"z\"}", arrow::uint64()),
       field("7:buckets", list,
             {{"metric", "lat"}, {"grouping_power", "1"}, {"max_value_power", "4"}}),
       field("load", arrow::float64())});
  const auto none = std::optional<std::uint64_t>();
  write_table(*arrow::Table::Make(
      schema, {counts({kStart, kStart + 10}), counts({none, 7}), counts({1, 2}), counts({3, none}),
               array<arrow::Int64Builder, std::int64_t>({-4, 4}), counts({5, 6}), lists(2, 8),
               array<arrow::DoubleBuilder, double>({0.5, 1.5})}));
  auto opened = open_recording(parquet_path_);
  ASSERT_TRUE(opened) << opened.error().message;
  const auto rows = read_all(*opened->stream);
  ASSERT_EQ(rows.size(), 2u);
  const Snapshot& row = *rows[1];
  const auto at = [&row](const char* name, const Labels& labels) {
    const std::int64_t index = find_series(*row.schema, name, labels);
    EXPECT_GE(index, 0) << name;
    return static_cast<std::uint32_t>(std::max<std::int64_t>(0, index));
  };
  EXPECT_EQ(row.duration_ns, 7u);
  const auto sent = at("sent", {{"op", "read"}, {"source", "a"}});
  EXPECT_EQ(row.scalars[sent], 2u);
  EXPECT_EQ(row.schema->series[sent]->unit, "bytes");
  EXPECT_EQ(row.present[at("sent", {{"op", "read"}, {"source", "b"}})], 0);
  EXPECT_EQ(row.gauge(at("free", {{"source", "b"}})), 4);
  EXPECT_EQ(row.scalars[at("wait", {{"le", "x\"y"}, {"op", "z"}})], 6u);
  const auto load = at("load", {});
  EXPECT_TRUE(row.schema->series[load]->floating);
  EXPECT_EQ(row.floating_gauge(load), 1.5);
  const auto lat = row.schema->series[at("lat", {})]->histogram_index;
  EXPECT_EQ(row.histograms[lat]->buckets, (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_FALSE(row.histograms[lat]->sum_known);
}

TEST_F(OpenRecordingTest, OddColumnsAreReportedAndLeftOut) {
  const auto list = arrow::list(arrow::uint64());
  const auto schema = arrow::schema(
      {field("timestamp", arrow::uint64()), field("text", arrow::utf8()),
       field("nopowers:buckets", list),
       field("short:buckets", list, {{"grouping_power", "3"}, {"max_value_power", "64"}}),
       field("one", arrow::uint64(), {{"metric", "m"}}),
       field("two", arrow::uint64(), {{"metric", "m"}}),
       field("one:window_begin", arrow::uint64())});
  write_table(*arrow::Table::Make(
      schema, {counts({kStart}), array<arrow::StringBuilder, std::string>({"x"}), lists(1, 8),
               lists(1, 8), counts({1}), counts({2}), counts({3})}));
  auto opened = open_recording(parquet_path_);
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_EQ(opened->remarks.size(), 3u);
  EXPECT_EQ(opened->remarks[0], "column 'text' is of type string and is left out");
  EXPECT_NE(opened->remarks[1].find("nopowers"), std::string::npos);
  EXPECT_NE(opened->remarks[2].find("m stands in several columns"), std::string::npos);
  const auto rows = read_all(*opened->stream);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]->schema->series.size(), 3u);
  EXPECT_EQ(rows[0]->histograms[0], nullptr);  // 8 buckets are not what the powers say
}

TEST_F(OpenRecordingTest, WhatIsNoRecording) {
  const auto expect_error = [this](const std::string& path, std::string_view words) {
    const auto opened = open_recording(path);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message.find(words), std::string::npos) << opened.error().message;
  };
  expect_error(folder_ + "/none", "No such file");
  ASSERT_TRUE(write_file_atomic(folder_ + "/empty", ""));
  expect_error(folder_ + "/empty", "empty");
  ASSERT_TRUE(write_file_atomic(parquet_path_, "PAR1 and no more"));
  expect_error(parquet_path_, parquet_path_);
  write_table(*arrow::Table::Make(arrow::schema({field("a", arrow::uint64())}), {counts({1})}));
  expect_error(parquet_path_, "no column `timestamp`");
}

TEST_F(OpenRecordingTest, Info) {
  write_wide_file({0, 1, 2, 5, 6});
  const auto info = inspect_recording(parquet_path_);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->tick_count, 5u);
  EXPECT_EQ(info->missed_count, 2u);
  EXPECT_EQ(info->interval_ns, 1'000'000'000u);
  EXPECT_EQ(info->last_ns - info->first_ns, 6'000'000'000u);
  EXPECT_EQ(info->jitter_ns, (std::vector<std::uint64_t>{0, 0, 0}));
  EXPECT_EQ(info->sources, std::vector<std::string>{"rezolus"});
  EXPECT_EQ(info->metrics.at("switches").series_count, 2u);
  EXPECT_EQ(info->metrics.at("latency").type, MetricType::kHistogram);
  const std::string text = render_info(*info);
  EXPECT_NE(text.find("5, one every 1s; 2 missed"), std::string::npos) << text;
  EXPECT_NE(text.find("2023-11-14T22:13:20Z to 2023-11-14T22:13:26Z, 6s"), std::string::npos)
      << text;
}

TEST_F(OpenRecordingTest, TicksThatTheRecorderMissedAreThoseOfItsLog) {
  auto log = LogWriter::create(log_path_, {{"source", "rezolus"}, {"sampling_interval_ms", "1000"}});
  ASSERT_TRUE(log);
  for (const std::uint64_t k : {1, 3, 4, 5}) {
    Snapshot snapshot = source_.tick(k);
    // The last in time for its tick, so that the next is hardly more than an interval away.
    if (k == 1) snapshot.realtime_ns += 900'000'000;
    if (k == 3) {
      ASSERT_TRUE(log->append_gap({.realtime_ns = 1, .missed_count = 1, .reason = "late"}));
    }
    ASSERT_TRUE(log->append(snapshot));
  }
  ASSERT_TRUE(log->append_gap({.realtime_ns = 1, .missed_count = 4, .reason = "at the end"}));
  log->add_metadata({{"missed_ticks", "5"}});
  ASSERT_TRUE(log->finish());
  for (const bool in_rows : {false, true}) {
    auto stream = open_log_stream(log_path_);
    ASSERT_TRUE(stream);
    ASSERT_TRUE(in_rows ? write_long(**stream, parquet_path_).has_value()
                        : write_wide(**stream, parquet_path_).has_value());
    for (const std::string& path : {log_path_, parquet_path_}) {
      const auto info = inspect_recording(path);
      ASSERT_TRUE(info) << info.error().message;
      EXPECT_EQ(info->missed_count, 5u) << path;
      EXPECT_EQ(info->metadata.at("missed_ticks"), "5") << path;
      ASSERT_FALSE(info->gaps.empty()) << path;
      EXPECT_EQ(info->gaps[0].missed_count, 1u) << path;
    }
  }
}

TEST_F(OpenRecordingTest, InfoOfAClockThatWasSetBack) {
  write_wide_file({50, 51, 52, 3, 4});
  const auto info = inspect_recording(parquet_path_);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->last_ns - info->first_ns, 49'000'000'000u);
  EXPECT_EQ(info->clock_set_back_count, 1u);
  EXPECT_EQ(info->missed_count, 0u);
  const std::string text = render_info(*info);
  EXPECT_NE(text.find("set back while it was recorded, times: 1"), std::string::npos) << text;
}

TEST_F(OpenRecordingTest, PartsAreReadAsOne) {
  std::vector<std::uint64_t> ticks(40);
  for (std::uint64_t k = 0; k < ticks.size(); ++k) ticks[k] = k;
  write_log(ticks);
  auto log = open_log_stream(log_path_);
  ASSERT_TRUE(log);
  // Nine columns: a row group a part.
  const auto report = write_wide(
      **log, parquet_path_, {.row_group_span_ns_max = 10'000'000'000, .chunks_per_part_max = 9});
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->parts, 4u);
  ASSERT_TRUE(write_file_atomic(folder_ + "/test.partly.parquet", "no part"));
  auto opened = open_recording(parquet_path_);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(opened->remarks.empty());
  EXPECT_NE(opened->facts.find("40 rows"), std::string::npos) << opened->facts;
  EXPECT_NE(opened->facts.find("in 4 files"), std::string::npos) << opened->facts;
  for (int pass = 0; pass < 2; ++pass) {
    const auto snapshots = read_all(*opened->stream);
    ASSERT_EQ(snapshots.size(), 40u);
    for (std::uint64_t k = 0; k < 40; ++k) {
      EXPECT_EQ(snapshots[k]->realtime_ns, source_.tick(k).realtime_ns);
    }
    EXPECT_EQ(opened->stream->missed_count(), 0u);
    ASSERT_TRUE(opened->stream->rewind());
  }

  const auto info = inspect_recording(parquet_path_);
  ASSERT_TRUE(info);
  std::uint64_t size_bytes = 0;
  for (std::uint64_t part = 1; part <= 4; ++part) {
    size_bytes += std::filesystem::file_size(part_name(parquet_path_, part));
  }
  EXPECT_EQ(info->size_bytes, size_bytes);
  EXPECT_TRUE(info->remarks.empty());
  for (const char* key : {"parquet_part", "parquet_next_part", "parquet_parts_id"}) {
    EXPECT_FALSE(info->metadata.contains(key)) << key;
  }

  const std::string last = folder_ + "/last.parquet";
  std::filesystem::rename(part_name(parquet_path_, 4), last);
  opened = open_recording(parquet_path_);
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_EQ(opened->remarks.size(), 1u);
  EXPECT_NE(opened->remarks[0].find("part3.parquet says that it goes on in part 4"),
            std::string::npos)
      << opened->remarks[0];
  EXPECT_EQ(read_all(*opened->stream).size(), 30u);
  opened = open_recording(last);
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_EQ(opened->remarks.size(), 1u);
  EXPECT_NE(opened->remarks[0].find("is part 4 of a recording"), std::string::npos);
  std::filesystem::rename(last, part_name(parquet_path_, 4));

  std::filesystem::remove(part_name(parquet_path_, 2));
  opened = open_recording(parquet_path_);
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_EQ(opened->remarks.size(), 1u);
  EXPECT_NE(opened->remarks[0].find("test.part2.parquet is missing"), std::string::npos);
  EXPECT_EQ(read_all(*opened->stream).size(), 30u);
  EXPECT_EQ(opened->stream->missed_count(), 10u);
  EXPECT_EQ(opened->stream->gaps().size(), 1u);

  ASSERT_TRUE(write_file_atomic(part_name(parquet_path_, 2), "damaged"));
  opened = open_recording(parquet_path_);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("test.part2.parquet"), std::string::npos);
}

TEST_F(OpenRecordingTest, InfoOfAFolder) {
  const std::string path = folder_ + "/folder";
  auto log = FolderLog::open(path, {{"source", "rezolus"}, {"sampling_interval_ms", "1000"}},
                             {.segment_size_bytes_max = 600});
  ASSERT_TRUE(log);
  testing::TestSource source;
  for (std::uint64_t k = 0; k < 60; ++k) ASSERT_TRUE(log->append(source.tick(k)));
  std::uint64_t size_bytes = 0;
  const auto sequences = list_segments(path).value();
  for (const std::uint64_t sequence : sequences) {
    size_bytes += std::filesystem::file_size(segment_path(path, sequence));
  }
  const auto info = inspect_recording(path);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->size_bytes, size_bytes);
  EXPECT_EQ(info->tick_count, 60u);
  ASSERT_TRUE(info->log);
  EXPECT_GE(info->log->segment_count, 2u);
  EXPECT_EQ(info->log->segment_count, log->segment_count());
  EXPECT_EQ(info->log->compressed_count, log->segment_count() - 1);
  EXPECT_FALSE(info->log->finished);
  EXPECT_EQ(info_json(*info)["size_bytes"], size_bytes);
  EXPECT_EQ(info_json(*info)["segments"], log->segment_count());
  ASSERT_TRUE(log->finish());
  const std::string text = render_info(inspect_recording(path).value());
  EXPECT_NE(text.find("of them compressed; finished"), std::string::npos) << text;
  EXPECT_NE(text.find("a folder of segments"), std::string::npos) << text;
}

// Series that change their kind or powers keep all values, under names of their own.
TEST_F(OpenRecordingTest, SeriesThatChangeTheirKind) {
  const auto write = [this](std::vector<std::uint64_t> ticks) {
    auto log = LogWriter::create(log_path_, {{"source", "rezolus"}}, {.replace = true});
    ASSERT_TRUE(log);
    for (const std::uint64_t k : ticks) {
      ASSERT_TRUE(log->append(testing::changing_tick(k)));
    }
    ASSERT_TRUE(log->finish());
  };
  const std::vector<std::string> names = {"timestamp", "duration",  "h_sum",
                                          "queue",     "load",      "load:2",
                                          "queue:2",   "h:buckets", "h:buckets:2"};
  for (const std::vector<std::uint64_t>& ticks :
       {std::vector<std::uint64_t>{0, 1, 2, 3}, {0, 2, 1, 3}}) {
    ASSERT_NO_FATAL_FAILURE(write(ticks));
    auto log = open_log_stream(log_path_);
    ASSERT_TRUE(log);
    const auto report = write_wide(**log, parquet_path_);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(testing::read_parquet(parquet_path_)->schema()->field_names(), names);
    auto opened = open_recording(parquet_path_);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(opened->remarks.empty());
    ASSERT_TRUE((*log)->rewind());
    testing::expect_equal_ticks(read_all(**log), read_all(*opened->stream));
  }
}

// Both have a sum, which go with their histograms; and a counter has the name of the sum.
TEST_F(OpenRecordingTest, SumsOfHistogramsThatChangeTheirPowers) {
  std::vector<SnapshotRef> wanted;
  auto log = LogWriter::create(log_path_, {{"source", "rezolus"}});
  ASSERT_TRUE(log);
  for (std::uint64_t k = 0; k < 4; ++k) {
    Snapshot snapshot = testing::changing_tick(k);
    auto histogram = std::make_shared<HistogramValue>(*snapshot.histograms[0]);
    histogram->sum = 100 + k;
    histogram->sum_known = true;
    snapshot.histograms[0] = histogram;
    Series counter = *snapshot.schema->series[2];
    counter.name = "h_sum";
    counter.type = MetricType::kCounter;
    auto schema = std::make_shared<Schema>(*snapshot.schema);
    schema->series[2] = std::make_shared<const Series>(counter);
    snapshot.schema = schema;
    wanted.push_back(std::make_shared<const Snapshot>(snapshot));
    ASSERT_TRUE(log->append(snapshot));
  }
  ASSERT_TRUE(log->finish());
  auto stream = open_log_stream(log_path_);
  ASSERT_TRUE(stream);
  ASSERT_TRUE(write_wide(**stream, parquet_path_));
  auto opened = open_recording(parquet_path_);
  ASSERT_TRUE(opened) << opened.error().message;
  testing::expect_equal_ticks(wanted, read_all(*opened->stream));
}

TEST_F(OpenRecordingTest, AMissingTimeOrBucketIsNoZero) {
  const auto none = std::optional<std::uint64_t>();
  auto items = std::make_shared<arrow::UInt64Builder>();
  arrow::ListBuilder builder(arrow::default_memory_pool(), items);
  for (std::uint64_t row = 0; row < 3; ++row) {
    ASSERT_TRUE(builder.Append().ok());
    for (std::uint64_t i = 0; i < 8; ++i) {
      ASSERT_TRUE((row == 1 && i == 5 ? items->AppendNull() : items->Append(i)).ok());
    }
  }
  const auto buckets = builder.Finish().ValueOrDie();
  const auto schema = arrow::schema(
      {field("timestamp", arrow::uint64()),
       field("h:buckets", buckets->type(), {{"grouping_power", "1"}, {"max_value_power", "4"}})});
  for (const bool in_groups : {true, false}) {
    const auto write = [&](const std::shared_ptr<arrow::Array>& times) {
      const auto table = arrow::Table::Make(schema, {times, buckets});
      if (in_groups) return write_table(*table);
      testing::write_parquet(parquet_path_, *table, 100);
    };
    write(counts({kStart, kStart + 1, kStart + 2}));
    auto opened = open_recording(parquet_path_);
    ASSERT_TRUE(opened) << opened.error().message;
    const auto rows = read_all(*opened->stream);
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0]->present[0], 1);
    EXPECT_EQ(rows[1]->present[0], 0);
    EXPECT_EQ(rows[2]->histograms[0]->buckets[5], 5u);
    write(counts({kStart, none, kStart + 2}));
    opened = open_recording(parquet_path_);
    ASSERT_TRUE(opened) << opened.error().message;
    for (int pass = 0; pass < 2; ++pass) {
      ASSERT_TRUE(opened->stream->next());
      const auto second = opened->stream->next();
      ASSERT_FALSE(second);
      EXPECT_NE(second.error().message.find(parquet_path_ + " has no `timestamp` in its row 2"),
                std::string::npos)
          << second.error().message;
      ASSERT_TRUE(opened->stream->rewind());
    }
  }
}

// Labels `endpoint` of a page of Prometheus stay apart from the URL that it was recorded from.
TEST_F(OpenRecordingTest, EndpointsOfTheSeries) {
  for (const bool all : {true, false}) {
    auto log = LogWriter::create(log_path_, {{"source", "app"}, {"endpoint", "http://h:4241/"}},
                                 {.replace = true});
    ASSERT_TRUE(log);
    SchemaBuilder builder;
    builder.add(testing::test_series("a", MetricType::kCounter,
                                     all ? Labels{{"endpoint", "/x"}} : Labels{}));
    builder.add(testing::test_series("b", MetricType::kCounter, {{"endpoint", "/x"}}));
    builder.add(
        testing::test_series("c", MetricType::kGauge, all ? Labels{{"endpoint", "/x"}} : Labels{}));
    Snapshot snapshot;
    snapshot.schema = builder.publish();
    resize_to_schema(snapshot);
    snapshot.realtime_ns = kStart;
    snapshot.present.assign(3, 1);
    ASSERT_TRUE(log->append(snapshot));
    ASSERT_TRUE(log->finish());
    auto stream = open_log_stream(log_path_);
    ASSERT_TRUE(stream);
    ASSERT_TRUE(write_wide(**stream, parquet_path_));
    auto opened = open_recording(parquet_path_);
    ASSERT_TRUE(opened) << opened.error().message;
    ASSERT_TRUE((*stream)->rewind());
    testing::expect_equal_ticks(read_all(**stream), read_all(*opened->stream));
    EXPECT_EQ(opened->stream->metadata().at("endpoint"), "http://h:4241/");
  }
}

}  // namespace
}  // namespace rezolus
