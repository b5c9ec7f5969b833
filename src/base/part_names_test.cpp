// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/part_names.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/fd.h"

namespace rezolus {
namespace {

TEST(PartNames, NumbersOfNames) {
  EXPECT_EQ(part_number("x.parquet", "x.part2.parquet"), 2u);
  EXPECT_EQ(part_number("x.parquet", "x.part10.parquet"), 10u);
  EXPECT_EQ(part_number("x.rezlog", "x.rezlog.part3"), 3u);
  // What part_name() does not give is another file.
  for (const char* name : {"x.part02.parquet", "x.part0.parquet", "x.part1.parquet", "x.part.parquet",
                           "x.part2", "y.part2.parquet", "x.part2x.parquet", "x.part-2.parquet",
                           "x.part99999999999999999999.parquet", "x.parquet"}) {
    EXPECT_EQ(part_number("x.parquet", name), 0u) << name;
  }
}

TEST(PartNames, WhatAPartIsOf) {
  EXPECT_EQ(part_name("x.parquet", 1), "x.parquet");
  EXPECT_EQ(part_output("x.part2.parquet"), "x.parquet");
  EXPECT_EQ(part_output("x.rezlog.part3"), "x.rezlog");
  EXPECT_EQ(part_output("x.part2.part3.parquet"), "x.part2.parquet");
  for (const char* name : {"x.parquet", "x.part1.parquet", "x.part02.parquet", "x.part2.parquet.tmp.7",
                           "x.part2-2025.parquet", "x.parquet.part2"}) {
    EXPECT_EQ(part_output(name), "") << name;
  }
}

TEST(PartNames, AllFilesOfOne) {
  std::string folder = testing::TempDir() + "partsXXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string first = folder + "/x.parquet";
  for (const std::uint64_t part : {1, 2, 10, 3}) {
    ASSERT_TRUE(write_file_atomic(part_name(first, part), "1234567"));
  }
  ASSERT_TRUE(write_file_atomic(folder + "/xy.part2.parquet", "1"));
  EXPECT_EQ(find_later_parts(first), (std::vector{part_name(first, 2), part_name(first, 3),
                                                  part_name(first, 10)}));
  EXPECT_EQ(size_with_parts(first), 28u);
  remove_with_parts(first);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  EXPECT_EQ(size_with_parts(first), 0u);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace rezolus
