// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// How many cgroups are told apart, and how many are.

#include <cstdint>
#include <string>
#include <vector>

namespace rezolus {

inline constexpr std::uint32_t kCgroupSlotsMax = 65'536;

// [cgroups] of the configuration.
struct CgroupLimits {
  std::uint32_t slots = 256;            // cgroups told apart, `other` among them
  std::uint32_t histogram_slots = 256;  // of these, the ones that have histograms
  std::uint32_t depth = 0;              // deeper ones count for their ancestor there; 0: no limit
  std::vector<std::string> include;     // globs of paths; empty: all
  std::vector<std::string> exclude;
  std::vector<std::string> histograms_off;  // metrics: they take no memory then
  bool syscall_latency_by_class = false;    // a histogram for each class instead of one
  std::uint64_t files_interval_ns = 1'000'000'000;  // how often the files of each are read, at most

  bool operator==(const CgroupLimits&) const = default;
};

// Events that were counted in `other`, since the agent started.
struct CgroupFolds {
  std::uint64_t events = 0;            // look-ups of a cgroup that has no slot
  std::uint64_t histogram_events = 0;  // values of one that has a slot and no histograms
};

struct CgroupCounts {
  std::uint64_t live = 0;    // cgroups at the last walk
  std::uint64_t named = 0;   // of these, the ones with a slot of their own
  std::uint64_t folded = 0;  // counted for their ancestor at [cgroups] depth
  std::uint64_t other = 0;   // counted in `other`: no slot was left, or excluded
};

}  // namespace rezolus
