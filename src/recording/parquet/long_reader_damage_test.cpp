// SPDX-License-Identifier: Apache-2.0 OR MIT
// Files that are no long recording, or a damaged one: the error says what is wrong.
#include "recording/parquet/long_reader.h"

#include <gtest/gtest.h>

#include "base/fd.h"
#include "base/part_names.h"
#include "recording/parquet/long_reader_testing.h"
#include "recording/parquet/output.h"
#include "recording/parquet/wide.h"

namespace rezolus {
namespace {

class LongReaderDamageTest : public testing::LongReaderTest {};

TEST_F(LongReaderDamageTest, TwoValuesForOneTick) {
  write_ticks(3);
  convert();
  ASSERT_NO_FATAL_FAILURE(replace_column(
      "timestamp_ns", repeated<arrow::Int64Builder>(std::int64_t{1'700'000'000'000'000'000})));
  EXPECT_HAS(failure(), "two values at 1700000000000000000 ns");
  EXPECT_HAS(failure(), path_);
}

TEST_F(LongReaderDamageTest, AChangedByteOfAnyColumnIsNoticed) {
  write_ticks(3);
  convert();
  const int columns = parquet::ParquetFileReader::OpenFile(path_)->metadata()->num_columns();
  for (int i = 0; i < columns; ++i) {
    convert();
    ASSERT_NO_FATAL_FAILURE(testing::damage_column(path_, i));
    const std::string name = parquet::ParquetFileReader::OpenFile(path_)
                                 ->metadata()
                                 ->schema()
                                 ->Column(i)
                                 ->path()
                                 ->ToDotString();
    // What follows from others is not read.
    if (name == "timestamp" || name == "delta_ns" || name == "sum_delta" ||
        name.starts_with("bucket_deltas")) {
      continue;
    }
    EXPECT_NE(failure(), "no failure") << name;
  }
}

TEST_F(LongReaderDamageTest, MissingAndMistypedColumns) {
  write_ticks(3);
  for (const char* name : {"timestamp_ns", "metric", "type", "labels", "value_u64", "value_i64",
                           "value_f64", "bucket_counts", "grouping_power", "max_value_power"}) {
    convert();
    ASSERT_NO_FATAL_FAILURE(replace_column(name, nullptr));
    EXPECT_HAS(failure(), fmt::format("less `{}`", name));
    EXPECT_HAS(failure(), path_);
  }
  for (const char* name :
       {"unit", "source", "delta", "sum", "delta_ns", "sum_delta", "timestamp"}) {
    convert();
    ASSERT_NO_FATAL_FAILURE(replace_column(name, nullptr));
    EXPECT_EQ(failure(), "no failure") << name;
  }
  convert();
  ASSERT_NO_FATAL_FAILURE(replace_column("bucket_indices", nullptr));
  EXPECT_HAS(failure(), "less `bucket_indices`");
  convert();
  ASSERT_NO_FATAL_FAILURE(replace_column("value_u64", repeated<arrow::DoubleBuilder>(1.0)));
  EXPECT_HAS(failure(), "`value_u64` is of type double, which has to be uint64");
  convert();
  ASSERT_NO_FATAL_FAILURE(replace_column("labels", repeated<arrow::StringBuilder>(std::string())));
  EXPECT_HAS(failure(), "has to be map of string to string");
}

TEST_F(LongReaderDamageTest, DamagedRows) {
  write_ticks(3);
  const auto expect = [this](const std::string& name, const std::shared_ptr<arrow::Array>& array,
                             std::string_view words) {
    ASSERT_NO_FATAL_FAILURE(replace_column(name, array));
    EXPECT_HAS(failure(), words);
    convert();
  };
  convert();
  expect("type", repeated<arrow::StringBuilder>(std::string("sum")), "of the unknown type 'sum'");
  expect("metric", repeated<arrow::StringBuilder>(std::string()), "names no metric");
  expect("timestamp_ns", repeated<arrow::Int64Builder>(std::int64_t{-1}), "has no time");
  expect("type", repeated<arrow::StringBuilder>(std::string("counter")), "no value in `value_u64`");
  expect("type", repeated<arrow::StringBuilder>(std::string("gauge")), "no value in `value_i64`");
  expect("grouping_power", repeated<arrow::Int32Builder>(77), "histogram of powers 77 and ");
  expect("grouping_power", repeated<arrow::Int32Builder>(-3), "histogram of powers -3 and ");
  ASSERT_NO_FATAL_FAILURE(replace_column("max_value_power", repeated<arrow::Int32Builder>(64)));
  expect("grouping_power", repeated<arrow::Int32Builder>(16), "up to 65536 are read");
  expect("max_value_power", repeated<arrow::Int32Builder>(4), "of 16");
  const auto lists = [this](const std::vector<std::int32_t>& items) {
    auto values = std::make_shared<arrow::Int32Builder>();
    arrow::ListBuilder builder(arrow::default_memory_pool(), values);
    const std::int64_t rows = testing::read_parquet(path_)->num_rows();
    for (std::int64_t i = 0; i < rows; ++i) {
      EXPECT_TRUE(builder.Append().ok());
      for (const std::int32_t item : items) EXPECT_TRUE(values->Append(item).ok());
    }
    return builder.Finish().ValueOrDie();
  };
  expect("bucket_indices", lists({1, 2, 3, 4, 5}), "has 5 buckets, and counts for ");
  expect("bucket_indices", lists({-1, 2}), "has bucket -1 behind -1, of 8");
  expect("bucket_indices", lists({0, 8}), "has bucket 8 behind 0, of 8");
  expect("bucket_indices", lists({5, 2}), "has bucket 2 behind 5");
}

TEST_F(LongReaderDamageTest, FilesThatAreCutOffOrOfAnotherKind) {
  write_ticks(20);
  convert();
  std::string bytes;
  {
    auto read = read_file(path_);
    ASSERT_TRUE(read);
    bytes = *read;
  }
  // The footer is at the end: whatever is cut off is noticed.
  for (const std::size_t kept : {5ul, 100ul, bytes.size() / 2, bytes.size() - 1}) {
    ASSERT_TRUE(write_file_atomic(path_, bytes.substr(0, kept)));
    EXPECT_HAS(failure(), path_);
    EXPECT_HAS(failure(), "cut off");
  }
  // Pages have no checksum: damage in them is an error or gives other values, and never a crash.
  for (std::size_t at = 4; at < bytes.size(); at += 97) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x5a);
    ASSERT_TRUE(write_file_atomic(path_, damaged));
    EXPECT_FALSE(failure().empty());
  }
  // A name says nothing of the layout.
  const std::string wide = folder_.file("wide.long.parquet");
  auto log = open_log_stream(log_path_);
  ASSERT_TRUE(log);
  ASSERT_TRUE(write_wide(**log, wide));
  auto opened = open_recording(wide);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->format, RecordingFormat::kWide);
  // A part of another recording.
  ASSERT_TRUE(write_file_atomic(path_, bytes));
  std::filesystem::copy_file(wide, part_name(path_, 2));
  EXPECT_HAS(failure(), "has other columns");
}

}  // namespace
}  // namespace rezolus
