// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/part_files.h"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <set>
#include <string_view>
#include <utility>

#include <parquet/file_reader.h>

#include "base/part_names.h"
#include "recording/parquet/parts.h"

namespace rezolus {
namespace {

constexpr std::string_view kInfix = ".part";

// Nothing: it is no whole Parquet file, and who reads its rows says what is wrong; or it has no pairs.
std::shared_ptr<const arrow::KeyValueMetadata> read_pairs(const std::string& path) {
  try {
    return parquet::ParquetFileReader::OpenFile(path, false)->metadata()->key_value_metadata();
  } catch (const std::exception&) {
    return nullptr;
  }
}

// What a file's footer says of where it stands.
struct Standing {
  bool numbered = false;  // files of before parts had their number in the footer are not
  bool goes_on = false;
  std::optional<std::string> id;  // of its recording
};

Standing read_standing(const std::string& path) {
  const auto pairs = read_pairs(path);
  return {find_value(pairs.get(), kMetaPart).has_value(),
          find_value(pairs.get(), kMetaNextPart).has_value(),
          find_value(pairs.get(), kMetaPartsId)};
}

}  // namespace

std::optional<std::string> find_value(const arrow::KeyValueMetadata* pairs, std::string_view key) {
  const int at = pairs != nullptr ? pairs->FindKey(std::string(key)) : -1;
  return at < 0 ? std::nullopt : std::optional(pairs->value(at));
}

std::optional<std::string> read_footer_value(const std::string& path, const std::string& key) {
  return find_value(read_pairs(path).get(), key);
}

void PartFinder::list(const std::string& folder) {
  if (listed_ && folder == folder_) return;
  folder_ = folder;
  listed_ = true;
  names_.clear();
  std::error_code failed;
  std::filesystem::directory_iterator entries(folder.empty() ? "." : folder, failed);
  for (; !failed && entries != std::filesystem::directory_iterator(); entries.increment(failed)) {
    std::string name = entries->path().filename();
    if (name.find(kInfix) != std::string::npos) names_.push_back(std::move(name));
  }
  std::ranges::sort(names_);
}

PartFiles PartFinder::find(const std::string& first) {
  const std::filesystem::path path = first;
  list(path.parent_path());
  const std::string own = path.filename();
  const std::string second = part_name(own, 2);
  const std::string head = second.substr(0, second.rfind('2'));
  std::set<std::uint64_t> numbers;
  for (auto name = std::ranges::lower_bound(names_, head);
       name != names_.end() && name->starts_with(head); ++name) {
    if (const std::uint64_t number = part_number(own, *name); number != 0) numbers.insert(number);
  }
  PartFiles found;
  found.files.push_back(first);
  if (numbers.empty()) return found;
  std::uint64_t next = 2;
  Standing last = read_standing(first);
  for (const std::uint64_t number : numbers) {
    std::string file = part_name(first, number);
    Standing standing = read_standing(file);
    if (!found.left_over.empty() || (standing.numbered && !last.goes_on)) {
      found.last = found.files.back();
      found.left_over.push_back(std::move(file));
      continue;
    }
    if (standing.numbered && standing.id != last.id) {
      found.foreign.push_back(std::move(file));
      continue;
    }
    last = std::move(standing);
    if (number != next) found.holes.push_back({part_name(first, next), file});
    found.files.push_back(std::move(file));
    next = number + 1;
  }
  return found;
}

}  // namespace rezolus
