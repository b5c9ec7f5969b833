// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Everything that measures, behind one call: loads the BPF families, opens the file sources, and
// turns their current values into a Snapshot. The agent serves it; `record` and `top` embed it.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/host.h"
#include "base/result.h"
#include "metrics/snapshot.h"
#include "samplers/cgroups/cgroup_limits.h"
#include "samplers/notes.h"
#include "samplers/status.h"

namespace rezolus {

struct CollectorConfig {
  bool samplers_enabled = true;                  // [defaults] enabled
  std::map<std::string, bool> sampler_enabled;   // [samplers.NAME] enabled; upstream's aliases
                                                 // are resolved before they come here
  std::optional<std::string> btf_path;           // external BTF for field relocation
  std::set<std::string> pretend_missing;         // kernel features to treat as absent, for tests:
                                                 // btf, tp_btf, raw_tp, task_storage, …
  CgroupLimits cgroups;                          // [cgroups]
  // Called when all that needs privileges is open, before any thread starts.
  std::function<void()> on_loaded = [] {};
};

// The names that [samplers.NAME] accepts, sorted, with a one-line description each.
struct SamplerName {
  std::string_view name;
  std::string_view description;
  SamplerNotes notes;
  bool on_by_default = true;  // false: [defaults] enabled does not switch it on
};
std::vector<SamplerName> sampler_names();

// Those whose counters and histograms of the host begin at 0 when a collector is made.
std::vector<std::string_view> bpf_sampler_names();

// Every metric row of every sampler, for documentation and checks.
struct SamplerMetrics {
  std::string_view sampler;
  std::span<const Metric> metrics;  // a sampler with metrics by device comes twice
};
std::vector<SamplerMetrics> all_metrics();

// What a page with upstream's names has instead of label values that only we have.
std::span<const LabelFold> upstream_label_folds();

class Collector {
 public:
  // Loads and attaches what is enabled. Only what makes the whole useless is an error; a sampler
  // that cannot run is off with its reason in status().
  static Result<std::unique_ptr<Collector>> create(const Host& host, const CollectorConfig& config);
  ~Collector();

  // Reads all sources that are due and publishes the values. One thread at a time (the sampling
  // thread, or the caller that embeds). Slow sources have their own thread; only when their values
  // are cold, since nobody asked for long, this waits for them, at most 5 ms.
  SnapshotRef collect();

  // Any thread.
  [[nodiscard]] CollectorStatus status(StatusDetail detail = StatusDetail::kAll) const;

 private:
  struct Parts;
  explicit Collector(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace rezolus
