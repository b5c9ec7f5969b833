// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Samplers that read files (/proc, /sys) or ask a system call, rather than a BPF bank. A Source is
// read by the slow-source thread only, never while somebody waits for a snapshot.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/host.h"
#include "base/result.h"
#include "metrics/snapshot.h"
#include "samplers/notes.h"

namespace rezolus {

// Which series a source fills, in the order of its values. A list is never changed, and a series is
// the same one as long as it is the same object: one that vanishes and returns is another.
using SeriesList = std::shared_ptr<const std::vector<std::shared_ptr<const Series>>>;

SeriesList make_series_list(std::vector<Series> series);

// The values of one pass.
struct Reading {
  AcquisitionWindow window;           // filled in by the caller of read()
  SeriesList series;                  // what the values are of; never null in read()
  std::vector<std::uint64_t> values;  // counters; gauges as two's complement
  std::vector<std::uint8_t> present;  // 0: absent in this pass
};

class Source {
 public:
  virtual ~Source() = default;

  // The series that the source fills, fixed for its life; those before its first read() where they
  // change. No histograms.
  [[nodiscard]] virtual std::vector<Series> series() const = 0;

  // One pass over the files. reading comes sized to its series, those of the pass before, with
  // everything absent. A source whose series change (interfaces come and go) then sets
  // reading.series to a new list and sizes the values to it. An error means that nothing was read;
  // a field that this kernel lacks is left absent instead.
  virtual Result<void> read(Reading& reading) = 0;
};

struct LoadedBpf;
class CgroupList;

// Declares one such sampler; the constexpr list of them stands in samplers/list.h.
struct FileSampler {
  std::string_view name;
  std::string_view description;
  std::span<const Metric> metrics;
  std::uint64_t period_ns_min;  // how often it may be read: /proc 100 ms, sysfs 1 s
  // Errors say why this host cannot have it.
  Result<std::unique_ptr<Source>> (*make)(const Host& host) = nullptr;
  // In place of make, for the sampler that reports on the agent's own BPF programs.
  Result<std::unique_ptr<Source>> (*make_with_bpf)(const Host& host,
                                                   const LoadedBpf& loaded) = nullptr;
  // In place of make, for one that reads files of each cgroup that has a slot.
  Result<std::unique_ptr<Source>> (*make_with_cgroups)(
      const Host& host, std::shared_ptr<const CgroupList> cgroups) = nullptr;
  SamplerNotes notes;
  bool on_by_default = true;  // false: only where [samplers.NAME] says so
};

}  // namespace rezolus
