// SPDX-License-Identifier: Apache-2.0 OR MIT
// What of a long file is not read, since the footer says that nobody asks for it.
#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "recording/parquet/cut_stream.h"
#include "recording/parquet/joined_stream.h"
#include "recording/parquet/long_reader_testing.h"
#include "recording/parquet/open_recording.h"

namespace rezolus {
namespace {

using testing::expect_equal_ticks;
using testing::LongReaderTest;
using testing::read_all;

// Bytes that this process read from files so far.
std::uint64_t read_bytes() {
  const auto text = read_file("/proc/self/io");
  std::uint64_t count = 0;
  EXPECT_TRUE(text);
  if (!text) return 0;
  const std::size_t at = text->find("rchar: ") + 7;
  std::from_chars(text->data() + at, text->data() + text->size(), count);
  return count;
}

// A stream that is read as a whole.
class WholeStream : public DerivedStream {
 public:
  using DerivedStream::DerivedStream;
  Result<SnapshotRef> next() override { return stream_->next(); }
  void narrow(std::uint64_t, std::uint64_t) override {}
  [[nodiscard]] std::optional<Span> span() const override { return std::nullopt; }
};

class LongReaderSkipTest : public LongReaderTest {
 protected:
  struct Reading {
    std::vector<SnapshotRef> ticks;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> gaps;
    std::uint64_t missed_count = 0;
    std::uint64_t bytes = 0;
  };

  // Ticks without those of some stretches; a slice of time has about 100.
  void write(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& missing) {
    LogWriter log = create_log();
    for (std::uint64_t k = 0; k < 2000; ++k) {
      const auto in = [k](const auto& stretch) { return k >= stretch.first && k < stretch.second; };
      if (std::ranges::any_of(missing, in)) continue;
      ASSERT_TRUE(log.append(tick(k)));
    }
    ASSERT_TRUE(log.finish());
    convert({.slice_span_ns_max = 100'000'000'000});
  }

  Reading read(const char* from, const char* to, bool whole, const OpenOptions& options = {}) {
    auto opened = open_recording(path_, options);
    EXPECT_TRUE(opened);
    const std::uint64_t before = read_bytes();  // the footer has been read
    auto stream = std::move(opened->stream);
    if (whole) stream = std::make_unique<WholeStream>(std::move(stream));
    const auto moment = [](const char* text) {
      return *text == '\0' ? std::nullopt : std::optional(*parse_moment(text));
    };
    auto cut = cut_stream(std::move(stream), {.from = moment(from), .to = moment(to)});
    EXPECT_TRUE(cut);
    Reading reading{.ticks = read_all(**cut), .gaps = {}};
    for (const Gap& gap : (*cut)->gaps()) {
      reading.gaps.emplace_back(gap.realtime_ns, gap.missed_count);
    }
    reading.missed_count = (*cut)->missed_count();
    reading.bytes = read_bytes() - before;
    return reading;
  }

  // The cut's reading, which says the same as that of the whole.
  Reading check(const char* from, const char* to) {
    const Reading wanted = read(from, to, true);
    Reading got = read(from, to, false);
    expect_equal_ticks(wanted.ticks, got.ticks);
    EXPECT_EQ(wanted.gaps, got.gaps);
    EXPECT_EQ(wanted.missed_count, got.missed_count);
    return got;
  }
};

TEST_F(LongReaderSkipTest, WhatIsOutsideOfTheTime) {
  write({});
  const std::uint64_t whole_bytes = read("", "", true).bytes;
  EXPECT_LT(check("-30s", "").bytes, whole_bytes / 4);
  EXPECT_LT(check("", "+20s").bytes, whole_bytes / 4);
  EXPECT_LT(check("1700001000", "1700001010").bytes, whole_bytes / 4);
  EXPECT_EQ(check("1700001000", "1700001010").ticks.size(), 11u);
  EXPECT_TRUE(check("1700009000", "").ticks.empty());
  EXPECT_TRUE(check("", "1600000000").ticks.empty());
}

TEST_F(LongReaderSkipTest, GapsAtTheEndsOfTheTimeAreSeen) {
  write({{950, 1050}, {1500, 1777}});
  const Reading cut = check("1700001000", "1700001600");
  EXPECT_EQ(cut.ticks.size(), 450u);
  EXPECT_EQ(cut.missed_count, 50u + 101u);
  EXPECT_EQ(check("1700001010", "1700001020").missed_count, 11u) << "nothing but a hole";
  EXPECT_TRUE(check("1700001010", "1700001020").ticks.empty());
}

TEST_F(LongReaderSkipTest, OfJoinedRecordings) {
  write({});
  const auto join = [this](bool whole) {
    std::vector<std::unique_ptr<SnapshotStream>> streams;
    for (int i = 0; i < 2; ++i) streams.push_back(std::move(open_recording(path_)->stream));
    auto joined = *join_streams(std::move(streams));
    if (whole) joined = std::make_unique<WholeStream>(std::move(joined));
    const std::uint64_t before = read_bytes();
    auto cut = *cut_stream(std::move(joined), {.from = *parse_moment("1700001900")});
    auto ticks = read_all(*cut);
    return std::pair(std::move(ticks), read_bytes() - before);
  };
  const auto [wanted, whole_bytes] = join(true);
  const auto [got, bytes] = join(false);
  expect_equal_ticks(wanted, got);
  EXPECT_EQ(got.size(), 100u);
  EXPECT_LT(bytes, whole_bytes / 4);
}

TEST_F(LongReaderSkipTest, MetricsThatAreNotAskedFor) {
  write({});
  convert({.row_group_rows_max = 500});
  const std::uint64_t whole_bytes = read("", "", true).bytes;
  for (const char* pattern : {"switches", "sw*", "*itches"}) {
    const OpenOptions options{.metrics = {pattern}};
    const Reading got = read("", "", true, options);
    ASSERT_EQ(got.ticks.size(), 2000u);
    auto log = select_metrics(std::move(*open_log_stream(log_path_)), options);
    expect_equal_ticks(read_all(*log), got.ticks);
    EXPECT_EQ(got.missed_count, 0u);
    if (*pattern != '*') {
      EXPECT_LT(got.bytes, whole_bytes * 2 / 3) << pattern;
    }
  }
}

TEST_F(LongReaderSkipTest, TicksWithoutWhatIsAskedForAreTicks) {
  write({});
  convert({.row_group_rows_max = 500});
  const OpenOptions options{.metrics = {"ratio"}};  // not in every tick
  const Reading got = read("", "", true, options);
  EXPECT_EQ(got.ticks.size(), 2000u);
  EXPECT_EQ(got.missed_count, 0u);
  EXPECT_TRUE(read("", "", true, {.metrics = {"absent"}}).ticks.size() == 2000u);
}

}  // namespace
}  // namespace rezolus
