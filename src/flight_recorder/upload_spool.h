// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Snapshots that wait to be uploaded: files of one folder, each with its later parts and its JSON beside
// it, which is written last. The folder is bounded; what is too much goes, the oldest first.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rezolus {

// Not thread safe.
class UploadSpool {
 public:
  struct Limits {
    std::size_t count = 100;
    std::uint64_t size_bytes = 1u << 30;
  };
  struct Entry {
    std::string path;
    std::uint64_t size_bytes = 0;  // with its parts and its JSON
    std::uint64_t failure_count = 0;
    bool fresh = false;  // of this process, and not tried yet
  };

  // Makes the folder, and takes what an earlier process left in it; what is not complete is removed.
  static Result<UploadSpool> open(std::string folder, const Limits& limits);

  // For a new snapshot: the folder, its time and the suffix. A path is given once, so that two
  // snapshots of one second have different names also in the store.
  Result<std::string> new_path(std::uint64_t asked_ns, std::string_view suffix);

  // The file, its parts and its JSON are there. What is too much is removed, but neither this one nor the one
  // that is being uploaded.
  void add(const std::string& path, std::string_view uploading);

  // Which to try: fresh ones first, then those that have failed least, the oldest of them. Null:
  // nothing waits. Valid until the next call.
  [[nodiscard]] const Entry* next() const;
  void note_failure(const std::string& path);
  // Uploaded, or gone: its files are removed.
  void remove(const std::string& path);
  // As remove(), and counted.
  void drop(const std::string& path);

  [[nodiscard]] std::size_t count() const { return entries_.size(); }
  [[nodiscard]] std::uint64_t size_bytes() const;
  [[nodiscard]] std::uint64_t dropped_count() const { return dropped_count_; }
  [[nodiscard]] std::uint64_t dropped_bytes() const { return dropped_bytes_; }

 private:
  UploadSpool(std::string folder, const Limits& limits)
      : folder_(std::move(folder)), limits_(limits) {}
  Result<void> load();
  void enforce(std::string_view uploading);

  std::string folder_;
  Limits limits_;
  std::vector<Entry> entries_;          // oldest first
  std::map<std::string, int> numbers_;  // of the times that were given, the newest ones
  std::uint64_t dropped_count_ = 0;
  std::uint64_t dropped_bytes_ = 0;
};

}  // namespace rezolus
