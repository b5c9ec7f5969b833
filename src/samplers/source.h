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

// The values of one pass, in the order of Source::series().
struct Reading {
  AcquisitionWindow window;           // filled in by the caller of read()
  std::vector<std::uint64_t> values;  // counters; gauges as two's complement
  std::vector<std::uint8_t> present;  // 0: absent in this pass
};

class Source {
 public:
  virtual ~Source() = default;

  // The series that the source fills, fixed for its life. No histograms.
  [[nodiscard]] virtual std::vector<Series> series() const = 0;

  // One pass over the files. reading comes sized to series() with everything absent. An error means
  // that nothing was read; a field that this kernel lacks is left absent instead.
  virtual Result<void> read(Reading& reading) = 0;
};

struct LoadedBpf;

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
  SamplerNotes notes;
};

}  // namespace rezolus
