// SPDX-License-Identifier: Apache-2.0 OR MIT
// Folders of long files by date and host.
#include "recording/parquet/fleet_folder.h"

#include <gtest/gtest.h>

#include "base/fd.h"
#include "recording/parquet/long_reader_testing.h"
#include "recording/parquet/output.h"
#include "recording/parquet/tables.h"
#include "recording/parquet/wide.h"

namespace rezolus {
namespace {

using testing::read_all;

class FleetFolderTest : public testing::LongReaderTest {
 protected:
  // Some ticks of the test's source in a file of its own.
  void write_file(const std::string& partition, const std::string& name, std::uint64_t first,
                  std::uint64_t count, const LongOptions& options = {}) {
    LogWriter log = create_log();
    for (std::uint64_t k = first; k < first + count; ++k) ASSERT_TRUE(log.append(tick(k)));
    ASSERT_TRUE(log.finish());
    std::filesystem::create_directories(fleet_ + "/" + partition);
    path_ = fleet_ + "/" + partition + "/" + name;
    convert(options);
  }

  std::string fleet_ = folder_.file("fleet");
};

TEST_F(FleetFolderTest, HostsAreJoinedAndTheirFilesFollowOneAnother) {
  const LongOptions parts{.slice_span_ns_max = 3'000'000'000, .chunks_per_part_max = 20};
  write_file("date=2023-11-14/host=a", "22.parquet", 0, 10, parts);
  ASSERT_GT(report_.parts, 1u);
  write_file("date=2023-11-15/host=a", "00.parquet", 10, 10);
  write_file("date=2023-11-14/host=b", "22.parquet", 5, 10);
  ASSERT_TRUE(write_file_atomic(fleet_ + "/_SUCCESS.parquet", "no file of Parquet"));
  ASSERT_TRUE(write_file_atomic(fleet_ + "/.hidden.parquet", "nor this"));
  auto opened = open_recording(fleet_);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->format, RecordingFormat::kLong);
  EXPECT_TRUE(opened->remarks.empty()) << opened->remarks.front();
  for (int pass = 0; pass < 2; ++pass) {
    const auto ticks = read_all(*opened->stream);
    ASSERT_EQ(ticks.size(), 20u);
    for (std::uint64_t k = 0; k < 20; ++k) {
      const Snapshot& got = *ticks[k];
      EXPECT_EQ(got.realtime_ns, tick(k).realtime_ns);
      const auto value = [&got](const char* host) -> std::optional<std::uint64_t> {
        const auto at = find_series(*got.schema, "switches", {{"id", "0"}, {"source", host}});
        if (at < 0 || got.present[static_cast<std::size_t>(at)] == 0) return std::nullopt;
        return got.scalars[static_cast<std::size_t>(at)];
      };
      EXPECT_EQ(value("a"), tick(k).scalars[0]);
      EXPECT_EQ(value("b"), k >= 5 && k < 15 ? std::optional(tick(k).scalars[0]) : std::nullopt);
    }
    EXPECT_EQ(opened->stream->missed_count(), 0u);
    ASSERT_TRUE(opened->stream->rewind());
  }
  const auto info = inspect_recording(fleet_);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->sources, (std::vector<std::string>{"a", "b"}));
  std::uint64_t size_bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(fleet_)) {
    const std::string name = entry.path().filename();
    if (entry.is_regular_file() && name[0] != '_' && name[0] != '.')
      size_bytes += entry.file_size();
  }
  EXPECT_EQ(info->size_bytes, size_bytes);

  // One host's folder is a recording of that host.
  auto one = open_recording(fleet_ + "/date=2023-11-14/host=b");
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(read_all(*one->stream).size(), 10u);
  EXPECT_EQ(one->stream->metadata().at("source"), "web");
}

TEST_F(FleetFolderTest, ATornOrForeignFileIsNamed) {
  write_file("host=a", "1.parquet", 0, 5);
  write_file("host=b", "1.parquet", 0, 5);
  const std::string bytes = read_file(path_).value();
  ASSERT_TRUE(write_file_atomic(path_, bytes.substr(0, bytes.size() / 2)));
  auto opened = open_recording(fleet_);
  ASSERT_FALSE(opened);
  EXPECT_HAS(opened.error().message, path_);
  EXPECT_HAS(opened.error().message, "cut off");
  auto log = open_log_stream(log_path_);
  ASSERT_TRUE(log);
  ASSERT_TRUE(write_wide(**log, path_));
  opened = open_recording(fleet_);
  ASSERT_FALSE(opened);
  EXPECT_HAS(opened.error().message, "not in the long layout, as " + path_);
  std::filesystem::remove_all(fleet_);
  std::filesystem::create_directories(fleet_ + "/host=a");
  EXPECT_FALSE(open_recording(fleet_));  // as a folder of no log
}

TEST_F(FleetFolderTest, TooManyHostsAreRefused) {
  for (std::size_t i = 0; i <= kFleetHostsMax; ++i) {
    const std::string folder = fmt::format("{}/host={}", fleet_, i);
    std::filesystem::create_directories(folder);
    ASSERT_TRUE(write_file_atomic(folder + "/1.parquet", "PAR1"));
  }
  const auto opened = open_recording(fleet_);
  ASSERT_FALSE(opened);
  EXPECT_HAS(opened.error().message, "of 257 hosts, and up to 256 are read at once");
}

TEST_F(FleetFolderTest, HostsByTheRestOfThePath) {
  for (const char* file :
       {"2023/x.parquet", "web/date=1/hour=2/1.parquet", "web/date=2/1.parquet",
        "web/date=2/1.part2.parquet", "web/date=2/1.part03.parquet",
        "dc=1/host=a/date=1/1.parquet", "dc=1/date=2/host=a/1.parquet", "dc=2/host=a/1.parquet",
        "date=3/lone.part7.parquet", "date=3/notes.txt"}) {
    const std::filesystem::path path = fleet_ + "/" + file;
    std::filesystem::create_directories(path.parent_path());
    ASSERT_TRUE(write_file_atomic(path, "PAR1"));
  }
  const auto hosts = list_fleet(fleet_);
  ASSERT_TRUE(hosts) << hosts.error().message;
  std::string text;
  for (const FleetHost& host : *hosts) {
    text += host.name + ":";
    for (const std::string& file : host.files) text += " " + file.substr(fleet_.size() + 1);
    text += "\n";
  }
  EXPECT_EQ(text,
            ": date=3/lone.part7.parquet\n"
            "2023: 2023/x.parquet\n"
            "dc=1/a: dc=1/date=2/host=a/1.parquet dc=1/host=a/date=1/1.parquet\n"
            "dc=2/a: dc=2/host=a/1.parquet\n"
            "web: web/date=1/hour=2/1.parquet web/date=2/1.parquet web/date=2/1.part03.parquet\n");
}

}  // namespace
}  // namespace rezolus
