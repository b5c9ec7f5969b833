// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/part_names.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/fd.h"

namespace rezolus {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kInfix = ".part";
constexpr std::string_view kParquetSuffix = ".parquet";

// What names of parts begin and end with, around their number.
std::pair<std::string_view, std::string_view> affixes_of(std::string_view output) {
  if (!output.ends_with(kParquetSuffix)) return {output, {}};
  return {output.substr(0, output.size() - kParquetSuffix.size()), kParquetSuffix};
}

}  // namespace

std::string part_name(const std::string& output, std::uint64_t part) {
  if (part <= 1) return output;
  const auto [head, tail] = affixes_of(output);
  return fmt::format("{}{}{}{}", head, kInfix, part, tail);
}

std::uint64_t part_number(const std::string& output, const std::string& name) {
  const auto [stem, tail] = affixes_of(output);
  const std::string head = std::string(stem) + std::string(kInfix);
  if (!name.starts_with(head) || !name.ends_with(tail)) return 0;
  if (name.size() <= head.size() + tail.size()) return 0;
  const char* begin = name.data() + head.size();
  if (*begin == '0') return 0;  // ours have no zeros before: another file than part_name() names
  std::uint64_t number = 0;
  const char* end = name.data() + name.size() - tail.size();
  const auto parsed = std::from_chars(begin, end, number);
  return parsed.ec == std::errc() && parsed.ptr == end && number > 1 ? number : 0;
}

std::string part_output(const std::string& name) {
  const auto [stem, tail] = affixes_of(name);
  const std::size_t at = stem.rfind(kInfix);
  if (at == std::string_view::npos) return {};
  std::string output = std::string(stem.substr(0, at)) + std::string(tail);
  return part_number(output, name) == 0 ? std::string() : output;
}

std::vector<std::string> find_later_parts(const std::string& first) {
  const fs::path path = first;
  const std::string own = path.filename();
  const auto names = folder_names(path.has_parent_path() ? path.parent_path().string() : ".");
  std::vector<std::pair<std::uint64_t, std::string>> found;
  for (const std::string& name : names ? *names : std::vector<std::string>()) {
    if (const std::uint64_t number = part_number(own, name); number != 0) {
      found.emplace_back(number, (path.parent_path() / name).string());
    }
  }
  std::ranges::sort(found);
  std::vector<std::string> parts;
  for (auto& [number, part] : found) parts.push_back(std::move(part));
  return parts;
}

std::uint64_t size_with_parts(const std::string& first) {
  std::vector<std::string> files = find_later_parts(first);
  files.push_back(first);
  std::uint64_t sum = 0;
  for (const std::string& file : files) {
    std::error_code failure;
    const auto size_bytes = fs::file_size(file, failure);
    if (!failure) sum += size_bytes;
  }
  return sum;
}

void remove_with_parts(const std::string& first) {
  std::error_code ignored;
  for (const std::string& part : find_later_parts(first)) fs::remove(part, ignored);
  fs::remove(first, ignored);
}

}  // namespace rezolus
