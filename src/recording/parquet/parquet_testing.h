// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the tests of the Parquet writers share: a folder with a log of known values, and Arrow's own
// reading of what was written.

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>

namespace rezolus::testing {

class TestFolder {
 public:
  TestFolder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "rezolus-parquet-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() { std::filesystem::remove_all(path_); }

  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// All of a file, each column in one array.
inline std::shared_ptr<arrow::Table> read_parquet(const std::string& path) {
  auto input = arrow::io::ReadableFile::Open(path).ValueOrDie();
  auto reader = parquet::arrow::OpenFile(input, arrow::default_memory_pool()).ValueOrDie();
  return reader->ReadTable().ValueOrDie()->CombineChunks().ValueOrDie();
}

template <typename ArrayType>
std::shared_ptr<ArrayType> column(const arrow::Table& table, const std::string& name) {
  const auto chunked = table.GetColumnByName(name);
  EXPECT_NE(chunked, nullptr) << name;
  return std::static_pointer_cast<ArrayType>(chunked->chunk(0));
}

}  // namespace rezolus::testing
