// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The files of one recording in parts, as they lie in a folder: NAME.parquet, NAME.part2.parquet, …

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/util/key_value_metadata.h>

namespace rezolus {

struct PartFiles {
  struct Hole {
    std::string missing;  // the first file that is not there
    std::string there;    // a later one that is
  };

  std::vector<std::string> files;  // in order, the first one first
  std::vector<Hole> holes;
  // Parts of an earlier, longer recording of the same name: what is before them says that it ends.
  std::vector<std::string> left_over;
  std::string last;  // of files, where there is something left over
  // Parts of another recording, whose writer died while it gave them their names.
  std::vector<std::string> foreign;
};

// Of a footer's pairs, which may be null. Nothing: not that key.
std::optional<std::string> find_value(const arrow::KeyValueMetadata* pairs, std::string_view key);

// What a file's footer says under this key. Nothing: not that key, or it is no whole Parquet file.
std::optional<std::string> read_footer_value(const std::string& path, const std::string& key);

// Finds the parts of files; a folder is listed once for all files of it that are asked for in a row.
class PartFinder {
 public:
  // The file and those in which it goes on. Whether the file itself is there is not looked at.
  PartFiles find(const std::string& first);

 private:
  void list(const std::string& folder);

  std::string folder_;
  bool listed_ = false;
  std::vector<std::string> names_;  // in the folder, that may be of a part; sorted
};

}  // namespace rezolus
