// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/part_files.h"

#include <filesystem>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "base/part_names.h"
#include "recording/parquet/open_recording.h"
#include "recording/parquet/output.h"
#include "recording/parquet/parquet_testing.h"
#include "recording/parquet/wide.h"

namespace rezolus {
namespace {

class PartFilesTest : public ::testing::Test {
 protected:
  // A file of two rows, with these pairs in its footer.
  void write(const std::string& name, const std::vector<std::string>& keys,
             const std::vector<std::string>& values) {
    auto metadata = std::make_shared<arrow::KeyValueMetadata>(keys, values);
    arrow::UInt64Builder builder;
    EXPECT_TRUE(builder.AppendValues({1, 2}).ok());
    const auto table = arrow::Table::Make(
        arrow::schema({arrow::field("timestamp", arrow::uint64())}, metadata),
        {builder.Finish().ValueOrDie()});
    testing::write_parquet(folder_.file(name), *table, 10);
  }

  testing::TestFolder folder_;
  std::string first_ = folder_.file("x.parquet");
};

TEST_F(PartFilesTest, HolesAndNamesWithZeros) {
  for (const char* name : {"x.parquet", "x.part3.parquet", "x.part02.parquet", "xy.part2.parquet"}) {
    write(name, {}, {});
  }
  const PartFiles found = PartFinder().find(first_);
  EXPECT_EQ(found.files, (std::vector<std::string>{first_, part_name(first_, 3)}));
  ASSERT_EQ(found.holes.size(), 1u);
  EXPECT_EQ(found.holes[0].missing, part_name(first_, 2));
  EXPECT_EQ(found.holes[0].there, part_name(first_, 3));
  EXPECT_TRUE(found.left_over.empty());
}

// A shorter recording over a longer one, where the longer one's parts stayed.
TEST_F(PartFilesTest, PartsBehindTheEndAreNotRead) {
  write("x.parquet", {"parquet_next_part"}, {"2"});
  write("x.part2.parquet", {"parquet_part"}, {"2"});
  write("x.part3.parquet", {"parquet_part", "parquet_next_part"}, {"3", "4"});
  write("x.part4.parquet", {"parquet_part"}, {"4"});
  const PartFiles found = PartFinder().find(first_);
  EXPECT_EQ(found.files, (std::vector<std::string>{first_, part_name(first_, 2)}));
  EXPECT_EQ(found.left_over,
            (std::vector<std::string>{part_name(first_, 3), part_name(first_, 4)}));
  EXPECT_EQ(found.last, part_name(first_, 2));
  const auto opened = open_recording(first_);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_NE(opened->facts.find("4 rows"), std::string::npos) << opened->facts;
  ASSERT_EQ(opened->remarks.size(), 1u);
  EXPECT_NE(opened->remarks[0].find("x.part3.parquet and 1 more are not read"), std::string::npos)
      << opened->remarks[0];
  EXPECT_NE(opened->remarks[0].find("x.part2.parquet says that the recording ends there"),
            std::string::npos);
}

// A recording over another one, whose writer died between two names: it gives the last part its name
// first.
TEST_F(PartFilesTest, PartsOfAnotherRecordingAreNotRead) {
  using Texts = std::vector<std::string>;
  const Texts keys = {"parquet_part", "parquet_next_part", "parquet_parts_id"};
  write("x.parquet", {keys[1], keys[2]}, {"2", "old"});
  write("x.part2.parquet", keys, {"2", "3", "new"});
  write("x.part3.parquet", {keys[0], keys[2]}, {"3", "new"});
  const PartFiles torn = PartFinder().find(first_);
  EXPECT_EQ(torn.files, Texts{first_});
  EXPECT_EQ(torn.foreign, (Texts{part_name(first_, 2), part_name(first_, 3)}));
  EXPECT_TRUE(torn.left_over.empty());
  const auto opened = open_recording(first_);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_NE(opened->facts.find("2 rows"), std::string::npos) << opened->facts;
  ASSERT_EQ(opened->remarks.size(), 3u);
  EXPECT_NE(opened->remarks[0].find("x.part2.parquet is not read: it is part of another recording"),
            std::string::npos)
      << opened->remarks[0];
  EXPECT_NE(opened->remarks[2].find("its end is missing"), std::string::npos);

  // In a store the first parts are replaced first.
  write("x.part3.parquet", {keys[0], keys[2]}, {"3", "old"});
  const PartFiles hole = PartFinder().find(first_);
  EXPECT_EQ(hole.files, (Texts{first_, part_name(first_, 3)}));
  EXPECT_EQ(hole.foreign, Texts{part_name(first_, 2)});
  ASSERT_EQ(hole.holes.size(), 1u);

  // Over one of before parts had such a key.
  write("x.parquet", {keys[1]}, {"2"});
  EXPECT_EQ(PartFinder().find(first_).files, Texts{first_});
}

// Before parts had their number in the footer, none said that it goes on.
TEST_F(PartFilesTest, PartsOfOldFilesAreRead) {
  for (const char* name : {"x.parquet", "x.part2.parquet"}) write(name, {}, {});
  EXPECT_EQ(PartFinder().find(first_).files.size(), 2u);
}

TEST_F(PartFilesTest, AFolderIsListedOnce) {
  for (const char* name : {"x.parquet", "x.part2.parquet", "y.parquet", "y.part2.parquet"}) {
    write(name, {}, {});
  }
  PartFinder finder;
  EXPECT_EQ(finder.find(first_).files.size(), 2u);
  std::filesystem::remove(folder_.file("y.part2.parquet"));
  EXPECT_EQ(finder.find(folder_.file("y.parquet")).files.size(), 2u);
  EXPECT_EQ(PartFinder().find(folder_.file("y.parquet")).files.size(), 1u);
  // Another folder, and this one again.
  EXPECT_EQ(finder.find("/none/x.parquet").files.size(), 1u);
  EXPECT_EQ(finder.find(folder_.file("y.parquet")).files.size(), 1u);
}

}  // namespace
}  // namespace rezolus
