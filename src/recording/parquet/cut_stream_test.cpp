// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/cut_stream.h"

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "recording/frame/frame_testing.h"
#include "recording/parquet/joined_stream.h"
#include "recording/parquet/overview.h"
#include "recording/parquet/parquet_testing.h"

namespace rezolus {
namespace {

using testing::TestSource;

// Snapshots from memory.
class ListStream : public SnapshotStream {
 public:
  ListStream(std::vector<std::uint64_t> ticks, SourceMetadata metadata)
      : metadata_(std::move(metadata)) {
    for (const std::uint64_t k : ticks) {
      list_.push_back(std::make_shared<const Snapshot>(source_.tick(k)));
    }
  }
  ListStream(std::vector<SnapshotRef> list, SourceMetadata metadata)
      : metadata_(std::move(metadata)), list_(std::move(list)) {}
  Result<SnapshotRef> next() override { return at_ < list_.size() ? list_[at_++] : SnapshotRef(); }
  Result<void> rewind() override {
    at_ = 0;
    return {};
  }
  [[nodiscard]] bool after_gap() const override { return at_ == 3; }  // before the third
  [[nodiscard]] const SourceMetadata& metadata() const override { return metadata_; }
  [[nodiscard]] const std::vector<Gap>& gaps() const override { return gaps_; }
  [[nodiscard]] std::uint64_t missed_count() const override { return 1; }
  void set_gaps(std::vector<Gap> gaps) { gaps_ = std::move(gaps); }
  [[nodiscard]] LogLoss loss() const override { return {}; }
  [[nodiscard]] const std::string& name() const override { return name_; }

 private:
  TestSource source_;
  SourceMetadata metadata_;
  std::vector<SnapshotRef> list_;
  std::vector<Gap> gaps_;
  std::string name_ = "list";
  std::size_t at_ = 0;
};

constexpr std::uint64_t kStart = 1'700'000'000'000'000'000;
constexpr std::uint64_t kSecond = 1'000'000'000;

std::unique_ptr<SnapshotStream> list_stream(std::vector<std::uint64_t> ticks,
                                            std::string source = "rezolus") {
  return std::make_unique<ListStream>(
      std::move(ticks),
      SourceMetadata{{"source", std::move(source)}, {"sampling_interval_ms", "1000"}});
}

std::vector<std::uint64_t> seconds(SnapshotStream& stream) {
  std::vector<std::uint64_t> list;
  while (true) {
    auto snapshot = stream.next();
    if (!snapshot || !*snapshot) return list;
    list.push_back(((*snapshot)->realtime_ns - kStart) / kSecond);
  }
}

// What per_source_metadata becomes of this in the metadata of a cut.
std::string facts_of_cut(const std::string& facts, const Cut& what) {
  auto stream = cut_stream(
      std::make_unique<ListStream>(std::vector<std::uint64_t>{0, 1, 2, 3},
                                   SourceMetadata{{std::string(kMetaPerSource), facts}}),
      what);
  return metadata_of(**stream).at(std::string(kMetaPerSource));
}

std::vector<std::uint64_t> cut(const std::string& from, const std::string& to,
                               std::uint64_t interval_ns = 0) {
  Cut what{.interval_ns = interval_ns};
  if (!from.empty()) what.from = parse_moment(from).value();
  if (!to.empty()) what.to = parse_moment(to).value();
  auto stream = cut_stream(list_stream({0, 1, 2, 3, 4, 5, 6, 7}), what);
  EXPECT_TRUE(stream) << stream.error().message;
  if (!stream) return {};
  auto once = seconds(**stream);
  EXPECT_TRUE((*stream)->rewind());
  EXPECT_EQ(seconds(**stream), once);
  return once;
}

TEST(Cut, ByMomentsOfEveryForm) {
  using List = std::vector<std::uint64_t>;
  EXPECT_EQ(cut("+2s", "+4s"), (List{2, 3, 4}));
  EXPECT_EQ(cut("-2s", ""), (List{5, 6, 7}));
  EXPECT_EQ(cut("", "-6s"), (List{0, 1}));
  EXPECT_EQ(cut("1700000006", ""), (List{6, 7}));
  EXPECT_EQ(cut("1700000005.5", ""), (List{6, 7}));
  EXPECT_EQ(cut("2023-11-14T22:13:26Z", ""), (List{6, 7}));
  EXPECT_EQ(cut("2023-11-14T23:13:25.5+01:00", ""), (List{6, 7}));
  EXPECT_EQ(cut("", "", 3 * kSecond), (List{0, 1, 4, 7}));  // the slots begin at 1970
  EXPECT_EQ(cut("+100s", ""), List{});
}

TEST(Cut, WhatIsNoMoment) {
  for (const char* text : {"", "soon", "+", "+5", "2023-11-14", "2023-11-14T22:13:26", "-1x",
                           "1e99", "2023-11-14T22:13:26+0100"}) {
    EXPECT_FALSE(parse_moment(text)) << text;
  }
  const auto turned = cut_stream(list_stream({0, 1}), {.from = parse_moment("+1s").value(),
                                                       .to = parse_moment("-1s").value()});
  EXPECT_FALSE(turned);
}

TEST(Cut, AGapAmongTheTicksLeftOutIsKept) {
  Cut what{.interval_ns = 2 * kSecond};
  auto stream = cut_stream(list_stream({0, 1, 2, 3, 4}), what);
  ASSERT_TRUE(stream);
  std::vector<bool> gaps;
  while (true) {
    auto snapshot = (*stream)->next();
    if (!*snapshot) break;
    gaps.push_back((*stream)->after_gap());
  }
  EXPECT_EQ(gaps, (std::vector<bool>{false, true, false}));
}

TEST(Cut, GapsAreClippedToIt) {
  const auto clipped = [](const char* from, const char* to) {
    auto inner = std::make_unique<ListStream>(std::vector<std::uint64_t>{0, 1, 6, 7, 11},
                                              SourceMetadata{{"sampling_interval_ms", "1000"}});
    inner->set_gaps({{kStart + 2 * kSecond, 4, "late"}, {kStart + 8 * kSecond, 3, "down"}});
    auto stream = cut_stream(std::move(inner),
                             {.from = parse_moment(from).value(), .to = parse_moment(to).value()});
    EXPECT_TRUE(stream);
    std::string text;
    for (int pass = 0; pass < 2; ++pass) {
      text.clear();
      while (true) {
        auto snapshot = (*stream)->next();
        if (!*snapshot) break;
        text += fmt::format("{}{} ", (*stream)->after_gap() ? "!" : "",
                            ((*snapshot)->realtime_ns - kStart) / kSecond);
      }
      std::uint64_t sum = 0;
      for (const Gap& gap : (*stream)->gaps()) {
        text += fmt::format("{}s+{} {}, ", (gap.realtime_ns - kStart) / kSecond, gap.missed_count,
                            gap.reason);
        sum += gap.missed_count;
      }
      EXPECT_EQ((*stream)->missed_count(), sum);
      EXPECT_TRUE((*stream)->rewind());
    }
    return text;
  };
  EXPECT_EQ(clipped("+0s", "+11s"), "0 1 !6 7 11 2s+4 late, 8s+3 down, ");
  EXPECT_EQ(clipped("+6s", "+7s"), "6 7 ");
  EXPECT_EQ(clipped("+4s", "+7s"), "6 7 4s+2 late, ");
  EXPECT_EQ(clipped("+3s", "+4s"), "3s+2 late, ");
  EXPECT_EQ(clipped("+1s", "+9s"), "1 !6 7 2s+4 late, 8s+2 down, ");
  EXPECT_EQ(clipped("+11s", "+20s"), "11 ");
}

TEST(Join, SourcesAreLabelledAndTicksAlign) {
  std::vector<std::unique_ptr<SnapshotStream>> streams;
  streams.push_back(list_stream({0, 1, 2}, "client"));
  streams.push_back(list_stream({1, 2, 3}, "server"));
  auto joined = join_streams(std::move(streams));
  ASSERT_TRUE(joined) << joined.error().message;
  EXPECT_EQ((*joined)->metadata().at("source"), R"(["client","server"])");
  EXPECT_EQ((*joined)->metadata().at("sampling_interval_ms"), "1000");
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<std::string> rows;
    while (true) {
      auto snapshot = (*joined)->next();
      ASSERT_TRUE(snapshot);
      if (!*snapshot) break;
      std::string row;
      for (const char* source : {"client", "server"}) {
        const std::int64_t at =
            find_series(*(*snapshot)->schema, "switches", {{"id", "0"}, {"source", source}});
        const auto index = static_cast<std::size_t>(at);
        row += at >= 0 && (*snapshot)->present[index] != 0
                   ? std::to_string((*snapshot)->scalars[index]) + " "
                   : "- ";
      }
      rows.push_back(row);
    }
    EXPECT_EQ(rows, (std::vector<std::string>{"100 - ", "103 103 ", "106 106 ", "- 109 "}));
    ASSERT_TRUE((*joined)->rewind());
  }
}

TEST(Join, GapsOfAllAreListedWhereTheyWere) {
  std::vector<std::unique_ptr<SnapshotStream>> streams;
  for (const char* source : {"client", "server"}) {
    auto inner = std::make_unique<ListStream>(
        std::vector<std::uint64_t>{0, 1},
        SourceMetadata{{"source", source}, {"sampling_interval_ms", "1000"}});
    inner->set_gaps({{kStart + 5, 1, "late"}});
    streams.push_back(std::move(inner));
  }
  auto joined = join_streams(std::move(streams));
  ASSERT_TRUE(joined);
  for (int pass = 0; pass < 2; ++pass) {
    EXPECT_EQ(seconds(**joined).size(), 2u);
    EXPECT_EQ((*joined)->gaps(),
              (std::vector<Gap>{{kStart + 5, 1, "client: late"}, {kStart + 5, 1, "server: late"}}));
    EXPECT_EQ((*joined)->missed_count(), 2u);
    ASSERT_TRUE((*joined)->rewind());
  }
}

TEST(Join, EqualSourcesGetNumbers) {
  std::vector<std::unique_ptr<SnapshotStream>> streams;
  for (int i = 0; i < 3; ++i) streams.push_back(list_stream({0}));
  auto joined = join_streams(std::move(streams));
  ASSERT_TRUE(joined);
  EXPECT_EQ((*joined)->metadata().at("source"), R"(["rezolus","rezolus-2","rezolus-3"])");
  auto row = (*joined)->next();
  ASSERT_TRUE(row && *row);
  EXPECT_EQ(std::ranges::count((*row)->present, 1), 15);
}

// What a join itself gives, joined once more; and a label `source` that means something else.
TEST(Join, SeriesThatNameASourceAlreadyStayApart) {
  const auto labelled = [](std::string sources, const std::vector<std::string>& labels,
                           std::uint64_t first) {
    auto snapshot = std::make_shared<Snapshot>();
    SchemaBuilder builder;
    for (const std::string& label : labels) {
      builder.add(testing::test_series("disk", MetricType::kCounter, {{"source", label}}));
    }
    snapshot->schema = builder.publish();
    resize_to_schema(*snapshot);
    snapshot->realtime_ns = kStart;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      snapshot->present[i] = 1;
      snapshot->scalars[i] = first + i;
    }
    return std::make_unique<ListStream>(std::vector<SnapshotRef>{snapshot},
                                        SourceMetadata{{"source", std::move(sources)},
                                                       {"missed_ticks", "7"},
                                                       {"sources", R"({"web":{"role":"x"}})"}});
  };
  std::vector<std::unique_ptr<SnapshotStream>> streams;
  streams.push_back(labelled(R"(["web","db"])", {"web", "db"}, 10));
  streams.push_back(labelled(R"(["web","cache"])", {"web", "cache"}, 20));
  streams.push_back(labelled("prom", {"sda", "sdb"}, 30));
  streams.push_back(labelled("prom", {"sda"}, 40));
  auto joined = join_streams(std::move(streams));
  ASSERT_TRUE(joined) << joined.error().message;
  EXPECT_EQ((*joined)->metadata().at("source"), R"(["web","db","web-2","cache","prom","prom-2"])");
  EXPECT_EQ((*joined)->metadata().at("sources"), R"({"web":{"role":"x"},"web-2":{"role":"x"}})");
  EXPECT_FALSE((*joined)->metadata().contains("missed_ticks"));
  auto read = (*joined)->next();
  ASSERT_TRUE(read && *read);
  std::map<std::string, std::uint64_t> values;
  for (std::size_t i = 0; i < (*read)->present.size(); ++i) {
    const Series& series = *(*read)->schema->series[i];
    if ((*read)->present[i] != 0) {
      values[series_name(series.name, series.labels)] = (*read)->scalars[i];
    }
  }
  EXPECT_EQ(values, (std::map<std::string, std::uint64_t>{
                        {R"(disk{source="web"})", 10},
                        {R"(disk{source="db"})", 11},
                        {R"(disk{source="web-2"})", 20},
                        {R"(disk{source="cache"})", 21},
                        {R"(disk{exported_source="sda",source="prom"})", 30},
                        {R"(disk{exported_source="sdb",source="prom"})", 31},
                        {R"(disk{exported_source="sda",source="prom-2"})", 40}}));
}

TEST(CutStream, FactsOfTheWholeAreLeftOut) {
  const std::string facts =
      R"({"a": {"first_sample_ns":1,"last_sample_ns":2,"missed_ticks":3,"lost_ticks":0,"role":"x"},"b":7})";
  EXPECT_EQ(facts_of_cut(facts, {}), facts);
  const std::string rest = R"({"a":{"role":"x"},"b":7})";
  EXPECT_EQ(facts_of_cut(facts, {.from = parse_moment("+1s").value()}), rest);
  EXPECT_EQ(facts_of_cut(facts, {.interval_ns = 2 * kSecond}), rest);
  EXPECT_EQ(facts_of_cut("no JSON", {.interval_ns = 2 * kSecond}), "no JSON");
}

TEST(Join, SeriesThatChangeTheirKind) {
  std::vector<std::unique_ptr<SnapshotStream>> streams;
  for (int i = 0; i < 2; ++i) {
    std::vector<SnapshotRef> list;
    for (std::uint64_t k = 0; k < 4; ++k) {
      list.push_back(std::make_shared<const Snapshot>(testing::changing_tick(k)));
    }
    streams.push_back(std::make_unique<ListStream>(
        std::move(list), SourceMetadata{{"source", "web"}, {"sampling_interval_ms", "1000"}}));
  }
  auto joined = join_streams(std::move(streams));
  ASSERT_TRUE(joined) << joined.error().message;
  for (std::uint64_t k = 0; k < 4; ++k) {
    const auto row = (*joined)->next();
    ASSERT_TRUE(row && *row);
    std::map<std::string, std::string> wanted;
    const Snapshot tick = testing::changing_tick(k);
    for (const char* source : {"web", "web-2"}) {
      Snapshot part = tick;
      SchemaBuilder builder;
      for (const auto& series : tick.schema->series) {
        Series labelled = *series;
        labelled.labels = {{"source", source}};
        builder.add(labelled);
      }
      part.schema = builder.publish();
      wanted.merge(testing::values_of(part));
    }
    EXPECT_EQ(testing::values_of(**row), wanted) << k;
  }
}

TEST(CutStream, IntervalsAreMultiplesOfTheRecordedOne) {
  EXPECT_EQ(interval_multiple_ns(250, 100), 300u);
  EXPECT_EQ(interval_multiple_ns(300, 100), 300u);
  EXPECT_EQ(interval_multiple_ns(250, 0), 250u);
  EXPECT_EQ(interval_multiple_ns(~std::uint64_t{0}, 100), ~std::uint64_t{0});
}

}  // namespace
}  // namespace rezolus
