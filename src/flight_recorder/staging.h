// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The segments of a folder log that a snapshot reads: linked into a folder of their own, so that they
// stay while it reads them. The segment that is written is copied.

#include <cstdint>
#include <string>

#include "base/result.h"

namespace rezolus {

class StagedSegments {
 public:
  // Those that may have ticks between the two times; to_ns 0: all that are newer than from_ns. An error
  // when there is none, or the disk is full.
  static Result<StagedSegments> stage(const std::string& buffer, std::uint64_t from_ns,
                                      std::uint64_t to_ns);
  StagedSegments(StagedSegments&& other) noexcept;
  StagedSegments& operator=(StagedSegments&&) = delete;
  ~StagedSegments();  // removes the folder

  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t begin_ns() const { return begin_ns_; }  // of the first segment

  // All of them one behind the other, which is a log as well; appears under its name when complete.
  Result<void> write_log(const std::string& path) const;

 private:
  explicit StagedSegments(std::string folder) : folder_(std::move(folder)) {}

  std::string folder_;
  std::uint64_t count_ = 0;
  std::uint64_t begin_ns_ = 0;
};

// Folders that a crash left over.
void remove_staged(const std::string& buffer);

}  // namespace rezolus
