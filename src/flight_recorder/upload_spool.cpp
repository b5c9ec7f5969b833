// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/upload_spool.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/part_names.h"
#include "flight_recorder/snapshot.h"

namespace rezolus {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kJson = ".json";
constexpr std::size_t kStampSize = 16;  // "20261126T132000Z"
constexpr std::size_t kNumbersMax = 1000;

std::string json_of(const std::string& path) { return path + std::string(kJson); }

std::uint64_t size_of(const std::string& path) {
  std::error_code failure;
  const auto json_bytes = fs::file_size(json_of(path), failure);
  return size_with_parts(path) + (failure ? 0 : json_bytes);
}

}  // namespace

Result<UploadSpool> UploadSpool::open(std::string folder, const Limits& limits) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) return system_error("create folder " + folder, failure.value());
  UploadSpool spool(std::move(folder), limits);
  if (auto loaded = spool.load(); !loaded) return std::unexpected(std::move(loaded.error()));
  return spool;
}

Result<void> UploadSpool::load() {
  auto names = folder_names(folder_);
  if (!names) return std::unexpected(std::move(names.error()));
  std::vector<std::string> complete;
  for (const std::string& name : *names) {
    const std::string path = folder_ + "/" + name;
    std::error_code ignored;
    std::string file = name.ends_with(kJson) ? path.substr(0, path.size() - kJson.size()) : path;
    if (std::string first = part_output(name); !first.empty()) file = folder_ + "/" + first;
    if (!fs::exists(file, ignored) || !fs::exists(json_of(file), ignored)) {
      fs::remove(path, ignored);
    } else if (file == path) {
      complete.push_back(path);
    }
  }
  const auto age = [this](const std::string& path) {
    std::error_code ignored;
    return std::pair(path.substr(folder_.size() + 1, kStampSize),
                     fs::last_write_time(path, ignored));
  };
  std::ranges::sort(complete, {}, age);
  for (const std::string& path : complete) {
    entries_.push_back({.path = path, .size_bytes = size_of(path)});
  }
  enforce("");
  return {};
}

Result<std::string> UploadSpool::new_path(std::uint64_t asked_ns, std::string_view suffix) {
  std::error_code failure;
  fs::create_directories(folder_, failure);
  if (failure) return system_error("create folder " + folder_, failure.value());
  const std::string stamp = compact_utc(asked_ns);
  int& number = numbers_[stamp];
  std::string path;
  do {
    ++number;
    path = fmt::format("{}/{}{}{}", folder_, stamp, number == 1 ? "" : fmt::format("-{}", number),
                       suffix);
  } while (fs::exists(path, failure));
  if (numbers_.size() > kNumbersMax) numbers_.erase(numbers_.begin());
  return path;
}

void UploadSpool::add(const std::string& path, std::string_view uploading) {
  entries_.push_back({.path = path,
                      .size_bytes = size_of(path),
                      .failure_count = 0,
                      .fresh = true});
  enforce(uploading);
}

void UploadSpool::enforce(std::string_view uploading) {
  while (entries_.size() > 1 &&
         (entries_.size() > limits_.count || size_bytes() > limits_.size_bytes)) {
    const auto last = std::prev(entries_.end());
    const auto oldest = std::ranges::find_if(
        entries_.begin(), last, [&](const Entry& entry) { return entry.path != uploading; });
    if (oldest == last) return;
    spdlog::warn("{} was never uploaded and is removed, as more is waiting than is kept",
                 oldest->path);
    drop(std::string(oldest->path));
  }
}

const UploadSpool::Entry* UploadSpool::next() const {
  const auto order = [](const Entry& entry) {
    return std::pair(!entry.fresh, entry.failure_count);
  };
  const auto found = std::ranges::min_element(entries_, {}, order);
  return found == entries_.end() ? nullptr : &*found;
}

void UploadSpool::note_failure(const std::string& path) {
  const auto found = std::ranges::find(entries_, path, &Entry::path);
  if (found == entries_.end()) return;
  ++found->failure_count;
  found->fresh = false;
}

void UploadSpool::remove(const std::string& path) {
  std::error_code ignored;
  fs::remove(json_of(path), ignored);
  remove_with_parts(path);
  std::erase_if(entries_, [&](const Entry& entry) { return entry.path == path; });
}

void UploadSpool::drop(const std::string& path) {
  const auto found = std::ranges::find(entries_, path, &Entry::path);
  if (found == entries_.end()) return;
  ++dropped_count_;
  dropped_bytes_ += found->size_bytes;
  remove(path);
}

std::uint64_t UploadSpool::size_bytes() const {
  std::uint64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.size_bytes;
  return sum;
}

}  // namespace rezolus
