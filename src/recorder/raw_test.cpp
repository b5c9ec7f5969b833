// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/raw.h"

#include <bit>
#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/temporary_name.h"
#include "recorder/recorder_testing.h"
#include "recording/log/log.h"
#include "wire/msgpack.h"

namespace rezolus {
namespace {

class RawTest : public testing::Test {
 protected:
  RawTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "raw.XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~RawTest() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  std::filesystem::path folder_;
};

TEST_F(RawTest, SnapshotsFollowOneAnother) {
  SyntheticHost host;
  std::string expected;
  {
    auto log = LogWriter::create(path("log"),
                                 {{"source", "rezolus"}, {"systeminfo", std::string(1000, 'x')}});
    ASSERT_TRUE(log.has_value());
    for (int tick = 0; tick < 3; ++tick) {
      host.advance(kNsPerSecond);
      host.count("syscall", {{"op", "read"}}, 7);
      ASSERT_TRUE(log->append(*host.snapshot()).has_value());
      expected += encode_v2(*host.snapshot(), {{"source", "rezolus"}});
    }
    ASSERT_TRUE(log->finish().has_value());
  }
  const auto written = write_raw(path("log"), path("raw"));
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_EQ(read_file(path("raw"), 64u << 20).value(), expected);
  EXPECT_FALSE(std::filesystem::exists(temporary_name(path("raw"))));
}

TEST_F(RawTest, FractionsAreLeftOut) {
  SchemaBuilder builder;
  builder.add({.name = "ratio", .type = MetricType::kGauge, .floating = true});
  Snapshot snapshot{.realtime_ns = kNsPerSecond, .schema = builder.publish()};
  resize_to_schema(snapshot);
  snapshot.present[0] = 1;
  for (const auto& [value, whole] : {std::pair{-2.75, std::int64_t{-2}}, {1e300, INT64_MAX}}) {
    snapshot.scalars[0] = std::bit_cast<std::uint64_t>(value);
    const std::string bytes = encode_v2(snapshot, {});
    const auto decoded = decode_snapshot(bytes);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(static_cast<std::int64_t>(decoded->entries.at(0).scalar), whole);
  }
}

TEST_F(RawTest, NothingIsLeftOfAFailure) {
  EXPECT_FALSE(write_raw(path("missing"), path("raw")).has_value());
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

}  // namespace
}  // namespace rezolus
