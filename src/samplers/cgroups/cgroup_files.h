// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Reads what the kernel keeps for each cgroup in files: memory, limits, pressure. A sampler of this kind
// is a table of metrics and a table of files; its series come and go with the cgroups that have slots.
// The kernel counts a cgroup with those in it. Of several of one name, one within the other, only the
// outermost series have the name, so that what adds series of a name up counts nothing twice.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "samplers/cgroups/cgroup_lister.h"
#include "samplers/source.h"

namespace rezolus {

// One cgroup's values, by the metric's slot; nothing where there is none.
using CgroupValues = std::span<std::optional<std::uint64_t>>;

// A file in a cgroup's folder.
struct CgroupFile {
  bool version_2;  // of which version of the hierarchy it is
  const char* name;
  void (*parse)(std::string_view text, CgroupValues values);
  // Settings, which rarely change: read where the last reading is kSettingAgeNs old.
  bool setting = false;
};

struct CgroupFileTable {
  std::string_view sampler;
  std::span<const Metric> metrics;  // in the order of their slots
  // Of version 1: whose hierarchy has the files. Empty: they are in version 2 alone.
  std::string_view controller;
  std::span<const CgroupFile> files;  // in the order in which they are read
};

// At most so many cgroups are read in one pass; where there are more, they take turns.
inline constexpr std::size_t kCgroupsPerPass = 256;
// With passes a second apart, a setting that changes is seen within ten seconds.
inline constexpr std::uint64_t kSettingAgeNs = 9 * kNsPerSecond;

// An error says why this host cannot have it: nothing mounted, or no such controller.
Result<std::unique_ptr<Source>> cgroup_file_source(const CgroupFileTable& table, const Host& host,
                                                   std::shared_ptr<const CgroupList> cgroups);

// cgroup_file_source of one table, as FileSampler::make_with_cgroups wants it.
template <const CgroupFileTable& table>
Result<std::unique_ptr<Source>> make_cgroup_file_source(
    const Host& host, std::shared_ptr<const CgroupList> cgroups) {
  return cgroup_file_source(table, host, std::move(cgroups));
}

// The number that a text begins with, with nothing but white space after it: "max" is none.
std::optional<std::uint64_t> cgroup_number(std::string_view text);
// A file that is one such number, as CgroupFile::parse.
template <std::uint32_t slot>
void parse_cgroup_number(std::string_view text, CgroupValues values) {
  values[slot] = cgroup_number(text);
}
// The number behind a key in lines of "key number".
std::optional<std::uint64_t> cgroup_keyed_number(std::string_view text, std::string_view key);

}  // namespace rezolus
