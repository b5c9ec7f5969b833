// SPDX-License-Identifier: Apache-2.0 OR MIT
// The long layout read back: what was written comes out, in whatever order its rows stand.
#include "recording/parquet/long_reader.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "recording/parquet/long_reader_testing.h"
#include "recording/parquet/tables.h"
#include "recording/parquet/wide.h"
#include "recording/parquet/write_log.h"

namespace rezolus {
namespace {

using testing::expect_equal_ticks;
using testing::LongReaderTest;
using testing::read_all;
using testing::test_series;

TEST_F(LongReaderTest, LogToLongToLog) {
  write_ticks(30);
  convert();
  auto opened = open_recording(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->format, RecordingFormat::kLong);
  EXPECT_TRUE(opened->remarks.empty());
  const std::string back = folder_.file("back.rezlog");
  const auto ticks = write_log(*opened->stream, back, {.stopped = [] { return false; }});
  ASSERT_TRUE(ticks) << ticks.error().message;
  expect_equal_ticks(log_ticks(log_path_), log_ticks(back));
  auto log = open_log_stream(back);
  ASSERT_TRUE(log);
  read_all(**log);
  const SourceMetadata& metadata = (*log)->metadata();
  EXPECT_EQ(metadata.at("source"), "web");
  EXPECT_EQ(metadata.at("endpoint"), "http://h:4241/");
  EXPECT_EQ(metadata.at("color"), "blue");
  EXPECT_EQ(metadata.at("sampling_interval_ms"), "1000");
  EXPECT_FALSE(metadata.contains("samplers"));
}

TEST_F(LongReaderTest, WideToLongToWide) {
  write_ticks(30);
  const std::string wide = folder_.file("wide.parquet");
  const std::string back = folder_.file("back.parquet");
  auto log = open_log_stream(log_path_);
  ASSERT_TRUE(log);
  ASSERT_TRUE(write_wide(**log, wide));
  auto from_wide = open_recording(wide);
  ASSERT_TRUE(from_wide);
  ASSERT_TRUE(write_long(*from_wide->stream, path_));
  auto from_long = open_recording(path_);
  ASSERT_TRUE(from_long);
  ASSERT_TRUE(write_wide(*from_long->stream, back));
  // Arrow's own reading: every column, its type, its metadata and the footer's.
  const auto wanted = testing::read_parquet(wide);
  const auto got = testing::read_parquet(back);
  EXPECT_EQ(got->num_rows(), 30);
  ASSERT_TRUE(wanted->schema()->Equals(*got->schema(), true))
      << wanted->schema()->ToString(true) << got->schema()->ToString(true);
  for (int i = 0; i < wanted->num_columns(); ++i) {
    const std::string& name = wanted->schema()->field(i)->name();
    if (name == "duration") {
      EXPECT_EQ(got->column(i)->null_count(), 30);  // which the long layout does not have
      continue;
    }
    EXPECT_TRUE(wanted->column(i)->Equals(*got->column(i),
                                          arrow::EqualOptions::Defaults().nans_equal(true)))
        << name;
  }
}

TEST_F(LongReaderTest, SlicesPartsAndASecondReading) {
  write_ticks(40);
  convert(
      {.slice_span_ns_max = 5'000'000'000, .row_group_rows_max = 20, .chunks_per_part_max = 60});
  EXPECT_GT(report_.parts, 5u);
  auto opened = open_recording(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  const auto wanted = log_ticks(log_path_);
  for (int pass = 0; pass < 2; ++pass) {
    const auto got = read_all(*opened->stream);
    expect_equal_ticks(wanted, got);
    EXPECT_EQ(got.front()->schema, got.back()->schema);
    const std::int64_t write = find_series(*got[0]->schema, "latency", {{"op", "write"}});
    const auto at = got[0]->schema->series[static_cast<std::size_t>(write)]->histogram_index;
    EXPECT_EQ(got.front()->histograms[at], got.back()->histograms[at]);  // shared
    EXPECT_EQ(opened->stream->missed_count(), 0u);
    ASSERT_TRUE(opened->stream->rewind());
  }
  const auto info = inspect_recording(path_);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->tick_count, 40u);
  EXPECT_EQ(info->sources, (std::vector<std::string>{"vllm", "web"}));
  EXPECT_EQ(info->metrics.at("coarse").type, MetricType::kHistogram);
  EXPECT_EQ(info->metrics.at("switches").unit, "events");
}

TEST_F(LongReaderTest, RowsInAnyOrder) {
  write_ticks(40);
  const auto wanted = log_ticks(log_path_);
  for (const std::int64_t rows_per_stretch : {1, 7, 100}) {
    for (const bool statistics : {true, false}) {
      convert();
      ASSERT_NO_FATAL_FAILURE(reverse(rows_per_stretch, 11, statistics));
      auto opened = open_recording(path_);
      ASSERT_TRUE(opened) << opened.error().message;
      expect_equal_ticks(wanted, read_all(*opened->stream));
    }
  }
}

// More than may be held: a stretch of time after the other.
TEST_F(LongReaderTest, BoundedMemoryTakesSeveralReadings) {
  write_ticks(60);
  convert();
  const auto wanted = log_ticks(log_path_);
  for (const std::uint64_t held_bytes_max : {1'000, 3'000, 100'000}) {
    auto opened = open_limited({.held_bytes_max = held_bytes_max, .readings_max = 200});
    ASSERT_TRUE(opened) << opened.error().message;
    expect_equal_ticks(wanted, read_all(*opened->stream));
    ASSERT_TRUE(opened->stream->rewind());
    expect_equal_ticks(wanted, read_all(*opened->stream));
  }
  const std::string often = failure(open_limited({.held_bytes_max = 1'000, .readings_max = 2}));
  EXPECT_HAS(often, "too far apart");
  EXPECT_HAS(often, "ORDER BY timestamp_ns");
  EXPECT_HAS(often, path_);
  EXPECT_HAS(failure(open_limited({.held_bytes_max = 100})), "too far apart");
}

// Streams that share memory, read side by side. A tick may take more than a stream's part of it.
TEST_F(LongReaderTest, StreamsThatShareMemory) {
  write_ticks(60);
  convert();
  const auto wanted = log_ticks(log_path_);
  const auto open_shared = [this](std::uint64_t bytes_max, std::uint64_t readings_max) {
    const auto shared = std::make_shared<SharedHold>(SharedHold{.bytes_max = bytes_max});
    const LongReadLimits limits{
        .readings_max = readings_max, .close_between = true, .shared = shared};
    std::vector<std::unique_ptr<SnapshotStream>> streams;
    for (int i = 0; i < 4; ++i) {
      auto opened = open_limited(limits);
      EXPECT_TRUE(opened) << opened.error().message;
      if (opened) streams.push_back(std::move(opened->stream));
    }
    return std::pair(std::move(streams), shared);
  };
  // A tick takes about 500 bytes.
  for (const std::uint64_t bytes_max : {3'000, 20'000, 1'000'000}) {
    auto [streams, shared] = open_shared(bytes_max, 200);
    for (int pass = 0; pass < 2; ++pass) {
      std::vector<std::vector<SnapshotRef>> got(streams.size());
      for (std::size_t k = 0; k <= wanted.size(); ++k) {
        for (std::size_t i = 0; i < streams.size(); ++i) {
          auto snapshot = streams[i]->next();
          ASSERT_TRUE(snapshot) << snapshot.error().message;
          EXPECT_LE(shared->used_bytes, bytes_max);
          if (*snapshot) got[i].push_back(*snapshot);
        }
      }
      for (const auto& ticks : got) expect_equal_ticks(wanted, ticks);
      EXPECT_EQ(shared->used_bytes, 0u);
      for (auto& stream : streams) ASSERT_TRUE(stream->rewind());
    }
  }
  for (const auto& [bytes_max, readings_max] : {std::pair(100, 200), std::pair(3'000, 2)}) {
    auto [streams, shared] = open_shared(static_cast<std::uint64_t>(bytes_max),
                                         static_cast<std::uint64_t>(readings_max));
    std::string said;
    while (said.empty()) {
      const auto snapshot = streams.front()->next();
      if (!snapshot) {
        said = snapshot.error().message;
      } else {
        ASSERT_TRUE(*snapshot);
      }
    }
    EXPECT_HAS(said, "too many hosts at once");
    EXPECT_HAS(said, "name fewer");
    EXPECT_EQ(said.find("ORDER BY"), std::string::npos) << said;
  }
}

TEST_F(LongReaderTest, LateSeriesAndSeriesThatEnd) {
  LogWriter log = create_log();
  for (std::uint64_t k = 0; k < 12; ++k) {
    if (k == 5) source_.builder().add(test_series("late", MetricType::kCounter));
    if (k == 8) source_.builder().retire(1);
    Snapshot snapshot = tick(k);
    if (k >= 5) {
      snapshot.present.back() = 1;
      snapshot.scalars.back() = k;
    }
    if (k >= 8) snapshot.present[1] = 0;
    ASSERT_TRUE(log.append(snapshot));
  }
  ASSERT_TRUE(log.finish());
  convert({.slice_span_ns_max = 3'000'000'000});
  auto opened = open_recording(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  expect_equal_ticks(log_ticks(log_path_), read_all(*opened->stream));
}

// A series each tick, as containers come and go: the schema does not grow with the recording.
TEST_F(LongReaderTest, SeriesThatAreGoneAreForgotten) {
  constexpr std::uint64_t kTicks = 12;
  constexpr std::uint64_t kSeriesPerTick = 4'000;
  SchemaBuilder builder;
  LogWriter log = create_log();
  std::vector<std::uint32_t> living;
  for (std::uint64_t k = 0; k < kTicks; ++k) {
    for (const std::uint32_t index : living) builder.retire(index);
    living.clear();
    for (std::uint64_t i = 0; i < kSeriesPerTick; ++i) {
      living.push_back(builder.add(
          test_series("runs", MetricType::kCounter, {{"name", fmt::format("{}-{}", k, i)}})));
    }
    Snapshot snapshot;
    snapshot.schema = builder.publish();
    resize_to_schema(snapshot);
    snapshot.realtime_ns = 1'700'000'000'000'000'000 + k * 1'000'000'000;
    for (const std::uint32_t index : living) {
      snapshot.present[index] = 1;
      snapshot.scalars[index] = index;
    }
    ASSERT_TRUE(log.append(snapshot));
  }
  ASSERT_TRUE(log.finish());
  convert({.slice_span_ns_max = 500'000'000});
  auto opened = open_recording(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  const auto got = read_all(*opened->stream);
  expect_equal_ticks(log_ticks(log_path_), got);
  EXPECT_LT(got.back()->schema->series.size(), kTicks * kSeriesPerTick / 2);
}

TEST_F(LongReaderTest, GapsAndResets) {
  LogWriter log = create_log();
  for (const std::uint64_t k : {0, 1, 2, 5, 6, 7, 8}) {
    Snapshot snapshot = tick(k);
    if (k == 5) {
      ASSERT_TRUE(log.append_gap({.realtime_ns = 1, .missed_count = 2, .reason = "late"}));
    }
    if (k == 7) {  // lost in between, though the ticks stand one interval apart
      ASSERT_TRUE(log.append_gap({.realtime_ns = 1, .missed_count = 1, .reason = "late"}));
    }
    if (k == 8) {  // all starts over
      snapshot.scalars[0] = snapshot.scalars[1] = 0;
      for (HistogramRef& histogram : snapshot.histograms) {
        auto fallen = std::make_shared<HistogramValue>(*histogram);
        for (std::uint64_t& count : fallen->buckets) count /= 2;
        histogram = std::move(fallen);
      }
    }
    ASSERT_TRUE(log.append(snapshot));
  }
  ASSERT_TRUE(log.finish());
  convert();
  auto opened = open_recording(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  SnapshotStream& stream = *opened->stream;
  for (int pass = 0; pass < 2; ++pass) {
    std::string gaps;
    while (true) {
      const auto snapshot = stream.next();
      ASSERT_TRUE(snapshot) << snapshot.error().message;
      if (!*snapshot) break;
      gaps += stream.after_gap() ? '!' : '.';
    }
    EXPECT_EQ(gaps, "...!.!.");
    EXPECT_EQ(stream.missed_count(), 2u);
    ASSERT_EQ(stream.gaps().size(), 1u);
    ASSERT_TRUE(stream.rewind());
  }
  // So that the growths that are written anew are those that were read.
  const auto before = testing::read_parquet(path_);
  const std::string again = folder_.file("again.parquet");
  const auto report = write_long(stream, again);
  ASSERT_TRUE(report) << report.error().message;
  const auto after = testing::read_parquet(again);
  for (const char* name : {"timestamp_ns", "metric", "labels", "source", "delta", "bucket_deltas",
                           "sum_delta", "bucket_counts", "delta_ns"}) {
    EXPECT_TRUE(before->GetColumnByName(name)->Equals(*after->GetColumnByName(name))) << name;
  }
}

// Time alone orders the ticks: that it does not tell their order is said.
TEST_F(LongReaderTest, AClockThatWasSetBackIsSaid) {
  LogWriter log = create_log();
  for (const std::uint64_t k : {0, 1, 2, 3, 4}) {
    Snapshot snapshot = tick(k);
    if (k >= 3) snapshot.realtime_ns -= 2'500'000'000;
    ASSERT_TRUE(log.append(snapshot));
  }
  ASSERT_TRUE(log.finish());
  convert({.slice_rows_max = 1, .chunks_per_part_max = 20});
  ASSERT_GT(report_.parts, 2u);
  auto opened = open_recording(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  ASSERT_EQ(opened->remarks.size(), 1u);
  EXPECT_HAS(opened->remarks[0], "the clock was set back while it was recorded (times: 1)");
  const auto got = read_all(*opened->stream);
  ASSERT_EQ(got.size(), 5u);
  for (std::size_t i = 1; i < got.size(); ++i) {
    EXPECT_LT(got[i - 1]->realtime_ns, got[i]->realtime_ns);
  }
  EXPECT_FALSE(opened->stream->metadata().contains("clock_set_back"));
}

// The first part is written when the last tick is not known.
TEST_F(LongReaderTest, FactsAreOfAllParts) {
  write_ticks(6);
  convert({.slice_rows_max = 1, .chunks_per_part_max = 20});
  ASSERT_GT(report_.parts, 2u);
  auto opened = open_recording(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  const auto got = read_all(*opened->stream);
  const auto facts =
      nlohmann::json::parse(opened->stream->metadata().at(std::string(kMetaPerSource)));
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_EQ(facts.begin()->at("first_sample_ns"), got.front()->realtime_ns);
  EXPECT_EQ(facts.begin()->at("last_sample_ns"), got.back()->realtime_ns);
}

TEST_F(LongReaderTest, OnlyTheMetricsAskedFor) {
  write_ticks(6);
  convert();
  auto opened = open_recording(path_, {.metrics = {"sw*"}});
  ASSERT_TRUE(opened) << opened.error().message;
  const auto got = read_all(*opened->stream);
  ASSERT_EQ(got.size(), 6u);
  for (const SnapshotRef& snapshot : got) {
    ASSERT_EQ(snapshot->schema->series.size(), 2u);
    for (const auto& series : snapshot->schema->series) EXPECT_EQ(series->name, "switches");
  }
  opened = open_recording(path_, {.metrics = {"nothing"}});
  ASSERT_TRUE(opened);
  EXPECT_EQ(read_all(*opened->stream).size(), 6u);
}

// SQL engines write no footer of ours: the source is found in the rows.
TEST_F(LongReaderTest, RewrittenWithoutMetadata) {
  write_ticks(6);
  convert();
  const auto table = testing::read_parquet(path_)->ReplaceSchemaMetadata(nullptr);
  ASSERT_NO_FATAL_FAILURE(testing::write_parquet(path_, *table, 10));
  auto opened = open_recording(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  const auto got = read_all(*opened->stream);
  ASSERT_EQ(got.size(), 6u);
  // One is of `vllm`: the others are told apart from it.
  const Series& first = *got[0]->schema->series[static_cast<std::size_t>(
      find_series(*got[0]->schema, "tasks", {{"source", "web"}}))];
  EXPECT_EQ(first.unit, "events");
  EXPECT_GE(find_series(*got[0]->schema, "ratio", {{"source", "vllm"}}), 0);
  ASSERT_NO_FATAL_FAILURE(
      replace_column("source", repeated<arrow::StringBuilder>(std::string("db"))));
  opened = open_recording(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_GE(find_series(*read_all(*opened->stream)[0]->schema, "tasks", {}), 0);
  EXPECT_EQ(opened->stream->metadata().at("source"), "db");
}

// Two hosts in one file, as a query over a fleet would write it.
TEST_F(LongReaderTest, SourcesAreTold) {
  write_ticks(3);
  convert();
  const auto table = testing::read_parquet(path_);
  arrow::StringBuilder names;
  for (std::int64_t i = 0; i < table->num_rows(); ++i) ASSERT_TRUE(names.Append("db").ok());
  const auto other =
      table
          ->SetColumn(table->schema()->GetFieldIndex("source"),
                      table->schema()->GetFieldByName("source"),
                      std::make_shared<arrow::ChunkedArray>(names.Finish().ValueOrDie()))
          .ValueOrDie();
  const auto both = arrow::ConcatenateTables({table, other}).ValueOrDie();
  ASSERT_NO_FATAL_FAILURE(testing::write_parquet(path_, *both, 10));
  // The rows whose labels name a source are equal in both, and read once.
  auto opened = open_recording(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  const auto got = read_all(*opened->stream);
  ASSERT_EQ(got.size(), 3u);
  const Schema& schema = *got[0]->schema;
  const std::int64_t web = find_series(schema, "tasks", {{"source", "web"}});
  const std::int64_t db = find_series(schema, "tasks", {{"source", "db"}});
  ASSERT_GE(db, 0);
  EXPECT_TRUE(web >= 0 || find_series(schema, "tasks", {}) >= 0);
  EXPECT_GE(find_series(schema, "ratio", {{"source", "vllm"}}), 0);
}

TEST_F(LongReaderTest, OfTicksWithTheSameTimeTheFirstIsKept) {
  LogWriter log = create_log();
  std::vector<SnapshotRef> wanted;
  for (std::uint64_t k = 0; k < 6; ++k) {
    Snapshot snapshot = tick(k);
    if (k == 2 || k == 3) snapshot.realtime_ns = tick(1).realtime_ns;
    if (k == 3) {
      ASSERT_TRUE(log.append_gap({.realtime_ns = 1, .missed_count = 1, .reason = "late"}));
    }
    ASSERT_TRUE(log.append(snapshot));
    if (k != 2 && k != 3) wanted.push_back(std::make_shared<const Snapshot>(snapshot));
  }
  ASSERT_TRUE(log.finish());
  convert();
  EXPECT_EQ(report_.ticks, 4u);
  EXPECT_EQ(report_.same_time_ticks, 2u);
  auto opened = open_recording(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  testing::expect_equal_ticks(wanted, read_all(*opened->stream));
  EXPECT_FALSE(opened->stream->metadata().contains("clock_set_back"));
  // The gap before what is left out is before what follows.
  const auto table = testing::read_parquet(path_);
  const auto metrics = testing::column<arrow::StringArray>(*table, "metric");
  const auto deltas = testing::column<arrow::UInt64Array>(*table, "delta");
  std::string known;
  for (std::int64_t i = 0; i < table->num_rows(); ++i) {
    if (metrics->GetView(i) == "switches") known += deltas->IsNull(i) ? '-' : '+';
  }
  EXPECT_EQ(known, "-+-+-+-+");
}

}  // namespace
}  // namespace rezolus
