// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/snapshot.h"

#include <chrono>

#include <gmock/gmock.h>

#include "base/fd.h"
#include "flight_recorder/flight_testing.h"

namespace rezolus {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr std::uint64_t kThen = 1'764'163'200 * kNsPerSecond;  // 2025-11-26T13:20:00Z

class SnapshotTest : public FlightFolderTest {
 protected:
  SnapshotRequest request(std::string reason = "why") const {
    SnapshotRequest asked;
    asked.trigger = "signal";
    asked.reason = std::move(reason);
    asked.asked_ns = kThen;
    return asked;
  }

  // A snapshot with its JSON, so many minutes ago.
  void rotated(const std::string& name, int minutes) const {
    const std::string path = root_ + "/out/" + name;
    write(path);
    write(path + ".json");
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::minutes(minutes));
  }

  const std::atomic<bool> go_on_ = false;
};

TEST(NamePart, IsPlainWhateverItIsMadeOf) {
  EXPECT_EQ(name_part("Slow Disk!"), "slow-disk");
  EXPECT_EQ(name_part("../../etc/passwd"), "etc-passwd");
  EXPECT_EQ(name_part(""), "snapshot");
  EXPECT_EQ(name_part("..."), "snapshot");
  EXPECT_EQ(name_part(std::string("a\0b\xff", 4)), "a-b");
  EXPECT_EQ(name_part(std::string(100, 'x')).size(), 40u);
  EXPECT_EQ(name_part(std::string(39, 'x') + "/y"), std::string(39, 'x'));
}

TEST_F(SnapshotTest, Names) {
  EXPECT_EQ(snapshot_path(options_, request()), options_.output);
  options_.keep = 3;
  const std::string first = snapshot_path(options_, request("Slow Disk"));
  EXPECT_EQ(first, root_ + "/out/flight-20251126T132000Z-slow-disk.rezlog");
  write(first);
  EXPECT_THAT(snapshot_path(options_, request("Slow Disk")), EndsWith("-slow-disk-2.rezlog"));
  SnapshotRequest other = request();
  other.spool_path = "/spool/x";
  EXPECT_EQ(snapshot_path(options_, other), "/spool/x");
  other.private_path = "/private/x";
  EXPECT_EQ(snapshot_path(options_, other), "/private/x");
}

TEST_F(SnapshotTest, TheNewestStay) {
  options_.keep = 2;
  rotated("flight-20251126T132000Z-a.rezlog", 30);
  rotated("flight-20251126T132001Z-b.rezlog", 20);
  // Within a second by when they were written: neither reason nor number says.
  rotated("flight-20251126T132002Z-z.rezlog", 15);
  rotated("flight-20251126T132002Z-a.rezlog", 10);
  // None of ours.
  const std::vector<std::string> others = {
      "flight.rezlog", "flight-20251126T132000Z-a.parquet", "flight-2025112aT132000Z-a.rezlog",
      "flight-notes.rezlog", "other-20200101T000000Z-a.rezlog"};
  for (const std::string& name : others) write(root_ + "/out/" + name);
  rotate(options_);
  std::vector<std::string> expected = others;
  for (const char* name :
       {"flight-20251126T132002Z-z.rezlog", "flight-20251126T132002Z-a.rezlog"}) {
    expected.emplace_back(name);
    expected.push_back(std::string(name) + ".json");
  }
  EXPECT_THAT(names_in(root_ + "/out"), testing::UnorderedElementsAreArray(expected));
  options_.keep = 0;
  rotate(options_);
  EXPECT_EQ(names_in(root_ + "/out").size(), expected.size());
}

TEST_F(SnapshotTest, AllPartsOfOneStayOrGo) {
  options_.output = root_ + "/out/flight.parquet";
  options_.keep = 2;
  std::vector<std::string> kept;
  for (const char* second : {"0", "1", "2"}) {
    const std::string stem = fmt::format("flight-20251126T13200{}Z-a", second);
    rotated(stem + ".parquet", 10);
    for (const char* part : {".part2.parquet", ".part10.parquet"}) {
      write(root_ + "/out/" + stem + part);
    }
  }
  for (const std::string& name : names_in(root_ + "/out")) {
    if (!name.starts_with("flight-20251126T132000Z")) kept.push_back(name);
  }
  EXPECT_EQ(kept.size(), 8u);
  rotate(options_);
  EXPECT_THAT(names_in(root_ + "/out"), testing::UnorderedElementsAreArray(kept));
  // Whose first part was moved away counts and goes as any other.
  fs::remove(root_ + "/out/flight-20251126T132001Z-a.parquet");
  options_.keep = 1;
  rotate(options_);
  std::erase_if(kept, [](const auto& name) { return name.starts_with("flight-20251126T132001Z"); });
  EXPECT_THAT(names_in(root_ + "/out"), testing::UnorderedElementsAreArray(kept));
}

TEST_F(SnapshotTest, JsonIsNoSnapshotOfAnOutputWithoutASuffix) {
  options_.output = root_ + "/out/flight";
  options_.keep = 2;
  for (const char* second : {"0", "1", "2"}) {
    const std::string stem = fmt::format("{}/out/flight-20251126T13200{}Z-a", root_, second);
    write(stem);
    write(stem + ".json");
  }
  rotate(options_);
  EXPECT_THAT(
      names_in(root_ + "/out"),
      testing::UnorderedElementsAre("flight-20251126T132001Z-a", "flight-20251126T132001Z-a.json",
                                    "flight-20251126T132002Z-a", "flight-20251126T132002Z-a.json"));
}

TEST_F(SnapshotTest, PartsThatACrashLeftWithoutTheFirst) {
  fs::create_directory(options_.buffer);
  options_.output = root_ + "/out/flight.parquet";
  const std::vector<std::string> kept = {
      "flight-20251126T132000Z-a.parquet", "flight-20251126T132000Z-a.part2.parquet",
      "other.part2.parquet", "flight.part2.txt",
      // Somebody has moved the first part.
      "flight-20251126T132002Z-a.part2.parquet", "flight-20251126T132002Z-a.parquet.json"};
  for (const std::string& name : kept) write(root_ + "/out/" + name);
  for (const char* name :
       {"flight.part2.parquet", "flight.parquet.tmp.77", "flight-20251126T132001Z-a.part3.parquet",
        "flight-20251126T132001Z-a.part2.parquet.tmp.77"}) {
    write(root_ + "/out/" + name);
  }
  remove_leftovers(options_);
  EXPECT_THAT(names_in(root_ + "/out"), testing::UnorderedElementsAreArray(kept));
}

TEST_F(SnapshotTest, WhatACrashLeftBesideTheOutput) {
  fs::create_directory(options_.buffer);
  const std::vector<std::string> kept = {"flight.rezlog", "flight.rezlog.json", "flight.rezlog.partial",
                                         "other.rezlog.tmp.12"};
  for (const std::string& name : kept) write(root_ + "/out/" + name);
  for (const char* name : {"flight.rezlog.tmp.77",
                           "flight-20251126T132000Z-a.rezlog.tmp.77"}) {
    write(root_ + "/out/" + name);
  }
  remove_leftovers(options_);
  EXPECT_THAT(names_in(root_ + "/out"), testing::UnorderedElementsAreArray(kept));
}

TEST_F(SnapshotTest, TheJsonSaysWhy) {
  const auto buffer = fill(35);
  ASSERT_TRUE(
      buffer->append_gap({.realtime_ns = tick_ns(35), .missed_count = 7, .reason = "late"}));
  SnapshotRequest asked = request("a \xff reason");
  asked.details = {{"expr", "up == 0"}};
  asked.from_ns = tick_ns(20);
  const auto report = make_snapshot(options_, *buffer, asked, go_on_);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->path, options_.output);
  EXPECT_EQ(report->segment_count, 3u);
  EXPECT_EQ(report->gap_count, 1u);
  EXPECT_EQ(report->size_bytes, fs::file_size(options_.output));
  EXPECT_EQ(ticks_of(options_.output).front(), tick_ns(11));
  const auto text = read_file(options_.output + ".json");
  ASSERT_TRUE(text);
  const auto why = nlohmann::json::parse(*text);
  EXPECT_EQ(why["trigger"], "signal");
  EXPECT_EQ(why["asked"], "2025-11-26T13:20:00Z");
  EXPECT_EQ(why["details"]["expr"], "up == 0");
  EXPECT_EQ(why["gaps"][0]["missed_ticks"], 7);
  EXPECT_EQ(why["path"], options_.output);
  EXPECT_THAT(names_in(root_ + "/out"),
              UnorderedElementsAre("flight.rezlog", "flight.rezlog.json"));
}

TEST_F(SnapshotTest, OfASpoolItNamesTheUrl) {
  const auto buffer = fill(5);
  options_.output = "s3://KEY:SECRET@bucket/{reason}/{time}.rezlog?region=x";
  SnapshotRequest asked = request();
  asked.spool_path = root_ + "/out/20251126T132000Z-2.rezlog";
  const auto report = make_snapshot(options_, *buffer, asked, go_on_);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->file, asked.spool_path);
  EXPECT_EQ(report->path, "s3://bucket/why/20251126T132000Z-2.rezlog");
  const auto text = read_file(asked.spool_path + ".json");
  ASSERT_TRUE(text);
  EXPECT_EQ(nlohmann::json::parse(*text)["path"], report->path);
  EXPECT_THAT(*text, testing::Not(HasSubstr("SECRET")));
}

TEST_F(SnapshotTest, APrivateOneHasNoJson) {
  const auto buffer = fill(5);
  SnapshotRequest asked = request();
  asked.private_path = options_.buffer + "/snapshot-http-1.rezlog";
  ASSERT_TRUE(make_snapshot(options_, *buffer, asked, go_on_));
  EXPECT_EQ(ticks_of(asked.private_path).size(), 5u);
  EXPECT_FALSE(fs::exists(asked.private_path + ".json"));
  EXPECT_TRUE(fs::is_empty(root_ + "/out"));
}

}  // namespace
}  // namespace rezolus
