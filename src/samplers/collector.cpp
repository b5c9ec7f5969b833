// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/collector.h"

#include <algorithm>

#include <malloc.h>

#include "base/logging.h"
#include "samplers/core/core.h"
#include "samplers/family_reader.h"
#include "samplers/list.h"
#include "samplers/slow_sources.h"

namespace rezolus {

struct Collector::Parts {
  // A file source's place in the snapshots.
  struct SourceSeries {
    std::uint32_t first_series = 0;
    std::uint32_t count = 0;
    std::uint32_t group = 0;
  };

  Clock clock;
  std::optional<Core> core;
  std::vector<FamilyReader> families;
  std::unique_ptr<SlowSources> slow_sources;
  std::vector<SourceSeries> source_series;      // by source
  std::vector<SamplerStatus> source_statuses;   // of the samplers that read files
  std::vector<std::size_t> source_status_of;    // by source: its position in source_statuses
  std::shared_ptr<const Schema> schema;
  bool kernel_btf = false;
};

namespace {

bool is_enabled(const CollectorConfig& config, std::string_view name, bool on_by_default = true) {
  const auto it = config.sampler_enabled.find(std::string(name));
  return it == config.sampler_enabled.end() ? config.samplers_enabled && on_by_default : it->second;
}

bool is_enabled(const CollectorConfig& config, const BpfSampler& sampler) {
  return is_enabled(config, sampler.name, sampler.on_by_default);
}

std::vector<bool> enabled_samplers(const CollectorConfig& config, const Family& family) {
  std::vector<bool> enabled;
  for (const BpfSampler* sampler : family.samplers) {
    enabled.push_back(is_enabled(config, *sampler));
  }
  return enabled;
}

bool needs_core(const CollectorConfig& config) {
  return std::ranges::any_of(families(), [&](const Family* family) {
    return family->uses_task_state &&
           std::ranges::any_of(family->samplers, [&](const BpfSampler* sampler) {
             return is_enabled(config, *sampler);
           });
  });
}

}  // namespace

std::string_view to_string(SamplerState state) {
  switch (state) {
    case SamplerState::kActive: return "active";
    case SamplerState::kDisabled: return "disabled";
    case SamplerState::kFailed: return "failed";
  }
  return "";
}

std::string_view to_string(SamplerHealth health) {
  switch (health) {
    case SamplerHealth::kUnknown: return "";
    case SamplerHealth::kHealthy: return "healthy";
    case SamplerHealth::kUnsupported: return "unsupported";
    case SamplerHealth::kDegraded: return "degraded";
    case SamplerHealth::kFailed: return "failed";
  }
  return "";
}

std::string_view to_string(ProgramVerdict verdict) {
  switch (verdict) {
    case ProgramVerdict::kOk: return "ok";
    case ProgramVerdict::kUnsupported: return "unsupported";
    case ProgramVerdict::kBroken: return "broken";
    case ProgramVerdict::kNotApplicable: return "not_applicable";
  }
  return "";
}

std::vector<SamplerName> sampler_names() {
  std::vector<SamplerName> names;
  for (const Family* family : families()) {
    for (const BpfSampler* sampler : family->samplers) {
      names.push_back(
          {sampler->name, sampler->description, sampler->notes, sampler->on_by_default});
    }
  }
  for (const FileSampler* sampler : file_samplers()) {
    names.push_back({sampler->name, sampler->description, sampler->notes});
  }
  std::ranges::sort(names, {}, &SamplerName::name);
  return names;
}

std::vector<SamplerMetrics> all_metrics() {
  std::vector<SamplerMetrics> all;
  for (const Family* family : families()) {
    for (const BpfSampler* sampler : family->samplers) {
      all.push_back({sampler->name, sampler->metrics});
    }
  }
  for (const FileSampler* sampler : file_samplers()) {
    all.push_back({sampler->name, sampler->metrics});
  }
  return all;
}

Collector::Collector(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Collector::~Collector() = default;

Result<std::unique_ptr<Collector>> Collector::create(const Host& host,
                                                     const CollectorConfig& config) {
  auto parts = std::make_unique<Parts>();
  parts->clock = host.clock;
  SchemaBuilder schema;
  {
    const KernelFeatures features =
        KernelFeatures::probe(host, config.btf_path, config.pretend_missing);
    parts->kernel_btf = features.kernel_btf();
    std::string core_error;
    if (needs_core(config)) {
      auto core = Core::load(features, host);
      if (core) {
        parts->core = std::move(*core);
      } else {
        core_error = core.error().message;
      }
    }
    parts->families.reserve(families().size());
    for (const Family* family : families()) {
      parts->families.emplace_back(*family, enabled_samplers(config, *family),
                                   parts->core ? &*parts->core : nullptr, core_error, features,
                                   host, schema);
    }
  }
  // Loading reads the kernel's BTF several times over; give that memory back.
  ::malloc_trim(0);

  std::vector<SlowSources::Entry> entries;
  for (const FileSampler* sampler : file_samplers()) {
    SamplerStatus status;
    status.name = sampler->name;
    if (!is_enabled(config, sampler->name)) {
      status.reason = "switched off by the configuration";
    } else if (auto source = sampler->make(host); !source) {
      status.health = SamplerHealth::kUnsupported;
      status.reason = source.error().message;
    } else {
      status.state = SamplerState::kActive;
      status.health = SamplerHealth::kHealthy;
      parts->source_status_of.push_back(parts->source_statuses.size());
      entries.push_back({*sampler, std::move(*source)});
    }
    parts->source_statuses.push_back(std::move(status));
  }
  config.on_loaded();
  parts->slow_sources = std::make_unique<SlowSources>(std::move(entries), host.clock);
  for (std::size_t i = 0; i < parts->slow_sources->size(); ++i) {
    const std::string_view name = parts->slow_sources->sampler(i).name;
    Parts::SourceSeries place;
    place.group = schema.add_group(fmt::format("{}/{}", name, name));
    for (Series& series : parts->slow_sources->series(i)) {
      series.group = place.group;
      const std::uint32_t index = schema.add(std::move(series));
      if (place.count++ == 0) place.first_series = index;
    }
    parts->source_series.push_back(place);
  }
  parts->schema = schema.publish();
  return std::unique_ptr<Collector>(new Collector(std::move(parts)));
}

SnapshotRef Collector::collect() {
  Parts& parts = *parts_;
  // May wait for cold values; the snapshot's time is taken after it.
  parts.slow_sources->on_collect(parts.clock.monotonic_ns());
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->realtime_ns = parts.clock.realtime_ns();
  snapshot->monotonic_ns = parts.clock.monotonic_ns();
  snapshot->schema = parts.schema;
  resize_to_schema(*snapshot);
  for (FamilyReader& family : parts.families) family.read(*snapshot, parts.clock);
  for (std::size_t i = 0; i < parts.slow_sources->size(); ++i) {
    const Parts::SourceSeries& place = parts.source_series[i];
    parts.slow_sources->visit(i, [&](const LatestReading& latest) {
      std::ranges::copy(latest.reading.values, snapshot->scalars.begin() + place.first_series);
      std::ranges::copy(latest.reading.present, snapshot->present.begin() + place.first_series);
      snapshot->windows[place.group] = latest.reading.window;
    });
  }
  snapshot->duration_ns = parts.clock.monotonic_ns() - snapshot->monotonic_ns;
  return snapshot;
}

CollectorStatus Collector::status() const {
  const Parts& parts = *parts_;
  CollectorStatus status;
  status.kernel_btf = parts.kernel_btf;
  status.task_storage = parts.core && parts.core->task_storage();
  if (parts.core) {
    append_map_statuses("core", parts.core->object(), {}, status.maps);
    parts.core->append_losses(status.losses);
  }
  for (const FamilyReader& family : parts.families) {
    const auto& statuses = family.statuses();
    status.samplers.insert(status.samplers.end(), statuses.begin(), statuses.end());
    family.append_maps(status.maps);
    family.append_losses(status.losses);
  }
  std::vector<SamplerStatus> sources = parts.source_statuses;
  for (std::size_t i = 0; i < parts.slow_sources->size(); ++i) {
    SamplerStatus& source = sources[parts.source_status_of[i]];
    parts.slow_sources->visit(i, [&](const LatestReading& latest) {
      source.read_failures = latest.failures;
      if (!latest.failure.empty()) {
        source.health = SamplerHealth::kDegraded;
        source.reason = latest.failure;
      }
    });
  }
  status.samplers.insert(status.samplers.end(), sources.begin(), sources.end());
  std::ranges::sort(status.samplers, {}, &SamplerStatus::name);
  return status;
}

}  // namespace rezolus
