// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// When which rule and which alert had its snapshots: a small JSON file in the buffer, so that a restart
// forgets neither a cooldown nor how many a day may have. One thread at a time.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace rezolus {

class SnapshotHistory {
 public:
  enum class Kind : std::uint8_t { kRule, kAlert };
  static constexpr std::size_t kNamesMax = 10'000;  // of each kind; the oldest goes first
  static constexpr std::size_t kTimesMax = 1'000;   // of each name

  // Reads path, which need not exist; one that is damaged is begun anew, and problem() says so.
  // keep_ns: how long a time is of use.
  SnapshotHistory(std::string path, std::uint64_t keep_ns);

  // What is wrong with the file, as far as it was read or written last; empty when nothing.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] std::vector<std::string> names(Kind kind) const;
  // How long ago, in ns, oldest first. What lies in the future, since the clock was set back, is now.
  [[nodiscard]] std::vector<std::uint64_t> ages(Kind kind, const std::string& name,
                                                std::uint64_t now_realtime_ns) const;

  // Adds a snapshot and writes the file. When that fails the file stays as it was, and a warning is logged.
  void note(Kind kind, const std::string& name, std::uint64_t realtime_ns);

 private:
  using Times = std::deque<std::uint64_t>;  // CLOCK_REALTIME, oldest first

  Result<void> load(const std::string& text);
  void prune(std::uint64_t now_realtime_ns);
  [[nodiscard]] std::string text() const;

  const std::string path_;
  const std::uint64_t keep_ns_;
  std::array<std::map<std::string, Times>, 2> times_;
  std::string problem_;
};

}  // namespace rezolus
