// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/collector.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include <malloc.h>

#include "base/fd.h"
#include "base/logging.h"
#include "bpf/program_statistics.h"
#include "metrics/snapshot_pool.h"
#include "samplers/cgroups/cgroup_lister.h"
#include "samplers/core/core.h"
#include "samplers/device_lister.h"
#include "samplers/family_reader.h"
#include "samplers/list.h"
#include "samplers/loaded_bpf.h"
#include "samplers/slow_sources.h"

namespace rezolus {

struct Collector::Parts {
  // A file source's place in the snapshots, and what it said last.
  struct SourceSeries {
    std::uint32_t group = 0;
    std::vector<std::uint32_t> indexes;  // by value: its series
    Reading reading;
    std::uint64_t read_ns = ~std::uint64_t{0};  // LatestReading::read_ns of reading
    std::uint64_t version = 0;                  // of reading: grows with every new one
  };

  Clock clock;
  std::optional<Core> core;
  std::deque<FamilyReader> families;  // they stay where they are
  std::unique_ptr<SlowSources> slow_sources;
  std::vector<SourceSeries> source_series;      // by source
  std::vector<SamplerStatus> source_statuses;   // of the samplers that read files
  // By source, those that list devices (the last ones) apart: its position in source_statuses.
  std::vector<std::size_t> source_status_of;
  // By the position of the family; null where it has no devices.
  std::vector<std::shared_ptr<DeviceList>> device_lists;
  SchemaBuilder schema;
  SnapshotPool snapshots;  // marked with SourceSeries::version, by source
  bool kernel_btf = false;

  std::optional<Result<CgroupHierarchy>> cgroup_hierarchy;  // nothing when nobody asks
  std::shared_ptr<CgroupList> cgroup_list;                  // null without a hierarchy
  std::vector<std::uint64_t> cgroup_table;                  // where there is no core object
  std::optional<CgroupSlots> cgroup_slots;

  void update_cgroups() {
    if (!cgroup_list) return;
    const CgroupNews news = cgroup_list->take();
    if (!news.listed && news.born.empty()) return;
    const CgroupSlots::Change change = news.listed ? cgroup_slots->update(*news.listed, news.born)
                                                   : cgroup_slots->add_born(news.born);
    if (CgroupBirths* births = core ? core->cgroup_births() : nullptr) {
      for (const std::uint32_t slot : cgroup_slots->offer(births->room())) births->offer(slot);
    }
    cgroup_list->put_counts(cgroup_slots->counts());
    if (!change.added.empty() || !change.named.empty() || !change.freed.empty()) {
      cgroup_list->put_placed(
          std::make_shared<const std::vector<CgroupSlots::Change::Added>>(cgroup_slots->placed()));
    }
    for (FamilyReader& family : families) family.update_cgroups(change, schema);
  }
  void find_cgroups(const Host& host, const CgroupLimits& limits) {
    cgroup_hierarchy = core ? core->cgroup_hierarchy() : find_cgroup_hierarchy(host);
    if (!*cgroup_hierarchy) return;
    if (!core) cgroup_table.resize(cgroup_table_entries(limits.slots));
    cgroup_slots.emplace(core ? core->cgroup_table() : std::span(cgroup_table),
                         core ? core->cgroup_limits() : limits);
    cgroup_list = std::make_shared<CgroupList>();
  }
  // Takes over what was listed since the last call.
  void update_devices() {
    for (std::size_t i = 0; i < families.size(); ++i) {
      if (!device_lists[i]) continue;
      const auto devices = device_lists[i]->take();
      if (devices) families[i].update_devices(*devices, schema);
    }
  }
  [[nodiscard]] std::vector<MapStatus> maps() const {
    std::vector<MapStatus> all;
    if (core) append_map_statuses("core", core->object(), {}, all);
    for (const FamilyReader& family : families) family.append_maps(all);
    return all;
  }
  // Without those that only the kernel counts.
  [[nodiscard]] std::vector<LossStatus> losses() const {
    std::vector<LossStatus> all;
    if (core) core->append_losses(all);
    for (const FamilyReader& family : families) family.append_losses(all);
    return all;
  }
  [[nodiscard]] std::vector<LoadedProgram> programs() const {
    std::vector<LoadedProgram> all;
    if (core) {
      for (AttachedProgram& program : core->object().attached_programs()) {
        all.push_back({"core", std::move(program.hook), program.fd});
      }
    }
    for (const FamilyReader& family : families) family.append_programs(all);
    return all;
  }

  // Takes over what every source said last, with the series that it came to fill or left.
  void update_sources();
  // Puts that into a snapshot where it is not there yet.
  void put_sources(SnapshotPool::Entry& entry) const;

  // Gives up the indexes of series that are gone, when they are most of all.
  void compact_schema();
};

void Collector::Parts::compact_schema() {
  const std::vector<std::uint32_t> new_index = schema.compact();
  if (new_index.empty()) return;
  for (FamilyReader& family : families) family.take_indexes(new_index, *schema.publish());
  for (SourceSeries& place : source_series) {
    for (std::uint32_t& index : place.indexes) index = new_index[index];
  }
}

void Collector::Parts::update_sources() {
  for (std::size_t i = 0; i < source_series.size(); ++i) {
    SourceSeries& place = source_series[i];
    bool read_anew = false;  // at short intervals mostly not
    SeriesList before;
    slow_sources->visit(i, [&](const LatestReading& latest) {
      read_anew = latest.read_ns != place.read_ns;
      if (!read_anew) return;
      place.read_ns = latest.read_ns;
      ++place.version;
      before = std::exchange(place.reading.series, nullptr);
      place.reading = latest.reading;
    });
    if (!read_anew || place.reading.series == before) continue;
    std::map<const Series*, std::uint32_t> known;
    for (std::size_t j = 0; j < place.indexes.size(); ++j) {
      known.emplace((*before)[j].get(), place.indexes[j]);
    }
    place.indexes.clear();
    for (const auto& series : *place.reading.series) {
      if (const auto node = known.extract(series.get())) {
        place.indexes.push_back(node.mapped());
        continue;
      }
      Series added = *series;
      added.group = place.group;
      place.indexes.push_back(schema.add(std::move(added)));
    }
    for (const auto& [series, index] : known) schema.retire(index);
  }
}

void Collector::Parts::put_sources(SnapshotPool::Entry& entry) const {
  Snapshot& snapshot = *entry.snapshot;
  entry.marks.resize(source_series.size());
  for (std::size_t i = 0; i < source_series.size(); ++i) {
    const SourceSeries& place = source_series[i];
    if (std::exchange(entry.marks[i], place.version) == place.version) continue;
    for (std::size_t j = 0; j < place.indexes.size(); ++j) {
      snapshot.scalars[place.indexes[j]] = place.reading.values[j];
      snapshot.present[place.indexes[j]] = place.reading.present[j];
    }
    snapshot.windows[place.group] = place.reading.window;
  }
}

namespace {

Result<std::unique_ptr<Source>> make_source(const FileSampler& sampler, const Host& host,
                                            const LoadedBpf& loaded,
                                            const Result<std::shared_ptr<CgroupList>>& cgroups) {
  if (sampler.make_with_cgroups != nullptr) {
    if (!cgroups) return std::unexpected(cgroups.error());
    return sampler.make_with_cgroups(host, *cgroups);
  }
  return sampler.make != nullptr ? sampler.make(host) : sampler.make_with_bpf(host, loaded);
}

// Adds what the kernel counts for each program to its status and to its family's losses.
void add_program_statistics(const std::vector<LoadedProgram>& programs, CollectorStatus& status) {
  const auto switch_text = read_file("/proc/sys/kernel/bpf_stats_enabled");
  const bool statistics = switch_text && switch_text->starts_with('1');
  std::map<std::string, std::uint64_t> misses;
  for (const LoadedProgram& loaded : programs) {
    const auto text = read_file(fdinfo_path(Host{}, loaded.fd));
    if (!text) continue;
    const ProgramStatistics counted = parse_program_statistics(*text);
    if (counted.recursion_misses) misses[loaded.family] += *counted.recursion_misses;
    for (SamplerStatus& sampler : status.samplers) {
      if (sampler.family != loaded.family) continue;
      for (ProgramStatus& program : sampler.programs) {
        if (program.name != loaded.hook || !program.attached) continue;
        program.recursion_misses = counted.recursion_misses;
        if (!statistics) continue;
        program.run_count = counted.run_count;
        program.run_time_ns = counted.run_time_ns;
      }
    }
  }
  for (const auto& [family, count] : misses) {
    status.losses.push_back({family, std::string(kRecursionLoss), count});
  }
}

// A BpfSampler or a FileSampler.
bool is_enabled(const CollectorConfig& config, const auto& sampler) {
  const auto it = config.sampler_enabled.find(std::string(sampler.name));
  return it == config.sampler_enabled.end() ? config.samplers_enabled && sampler.on_by_default
                                            : it->second;
}

bool needs_cgroups(const CollectorConfig& config) {
  return std::ranges::any_of(file_samplers(), [&](const FileSampler* sampler) {
    return sampler->make_with_cgroups != nullptr && is_enabled(config, *sampler);
  });
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
    return (family->uses_task_state || family->uses_cgroups) &&
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
    names.push_back(
        {sampler->name, sampler->description, sampler->notes, sampler->on_by_default});
  }
  std::ranges::sort(names, {}, &SamplerName::name);
  return names;
}

std::vector<std::string_view> bpf_sampler_names() {
  std::vector<std::string_view> names;
  for (const Family* family : families()) {
    for (const BpfSampler* sampler : family->samplers) names.push_back(sampler->name);
  }
  return names;
}

std::vector<SamplerMetrics> all_metrics() {
  std::vector<SamplerMetrics> all;
  for (const Family* family : families()) {
    for (const BpfSampler* sampler : family->samplers) {
      all.push_back({sampler->name, sampler->metrics});
      if (!sampler->device_metrics.empty()) all.push_back({sampler->name, sampler->device_metrics});
      if (!sampler->cgroup_metrics.empty()) all.push_back({sampler->name, sampler->cgroup_metrics});
      if (!sampler->pair_metrics.empty()) all.push_back({sampler->name, sampler->pair_metrics});
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
  SchemaBuilder& schema = parts->schema;
  {
    const KernelFeatures features =
        KernelFeatures::probe(host, config.btf_path, config.pretend_missing);
    parts->kernel_btf = features.kernel_btf();
    std::string core_error;
    if (needs_core(config)) {
      auto core = Core::load(features, host, config.cgroups);
      if (core) {
        parts->core = std::move(*core);
      } else {
        core_error = core.error().message;
      }
    }
    for (const Family* family : families()) {
      parts->families.emplace_back(*family, enabled_samplers(config, *family),
                                   parts->core ? &*parts->core : nullptr, core_error, features,
                                   host);
    }
  }
  // Loading reads the kernel's BTF several times over; give that memory back.
  ::malloc_trim(0);
  for (FamilyReader& family : parts->families) family.begin(host, schema);

  const Parts* own = parts.get();
  const LoadedBpf loaded = {.programs = parts->programs(),
                            .maps = [own] { return own->maps(); },
                            .losses = [own] { return own->losses(); }};
  if (parts->core || needs_cgroups(config)) parts->find_cgroups(host, config.cgroups);
  Result<std::shared_ptr<CgroupList>> cgroups = parts->cgroup_list;
  if (parts->cgroup_hierarchy && !*parts->cgroup_hierarchy) {
    cgroups = std::unexpected(parts->cgroup_hierarchy->error());
  }
  std::vector<SlowSources::Entry> entries;
  for (const FileSampler* sampler : file_samplers()) {
    SamplerStatus status;
    status.name = sampler->name;
    if (!is_enabled(config, *sampler)) {
      status.reason =
          sampler->on_by_default ? "switched off by the configuration" : "off by default";
    } else if (auto source = make_source(*sampler, host, loaded, cgroups); !source) {
      status.health = SamplerHealth::kUnsupported;
      status.reason = source.error().message;
    } else {
      status.state = SamplerState::kActive;
      status.health = SamplerHealth::kHealthy;
      parts->source_status_of.push_back(parts->source_statuses.size());
      FileSampler& entry = entries.emplace_back(*sampler, std::move(*source)).sampler;
      if (sampler->make_with_cgroups != nullptr) {
        entry.period_ns_min = std::max(entry.period_ns_min, config.cgroups.files_interval_ns);
      }
    }
    parts->source_statuses.push_back(std::move(status));
  }
  for (const FamilyReader& family : parts->families) {
    auto list = family.has_devices() ? std::make_shared<DeviceList>() : nullptr;
    if (list) entries.push_back(device_lister(family.family(), host, list));
    parts->device_lists.push_back(std::move(list));
  }
  if (parts->cgroup_list) {
    entries.push_back(cgroup_lister(**parts->cgroup_hierarchy,
                                    parts->core ? parts->core->cgroup_births() : nullptr,
                                    parts->cgroup_list, host));
  }
  config.on_loaded();
  parts->slow_sources = std::make_unique<SlowSources>(std::move(entries), host.clock);
  parts->update_devices();
  parts->update_cgroups();
  for (std::size_t i = 0; i < parts->slow_sources->size(); ++i) {
    const std::string_view name = parts->slow_sources->sampler(i).name;
    Parts::SourceSeries place;
    if (i >= parts->source_status_of.size()) break;  // those that list have no series
    place.group = schema.add_group(fmt::format("{}/{}", name, name));
    parts->source_series.push_back(std::move(place));
  }
  parts->update_sources();
  return std::unique_ptr<Collector>(new Collector(std::move(parts)));
}

SnapshotRef Collector::collect() {
  Parts& parts = *parts_;
  // May wait for cold values; the snapshot's time is taken after it.
  parts.slow_sources->on_collect(parts.clock.monotonic_ns());
  parts.update_devices();
  parts.update_cgroups();
  for (FamilyReader& family : parts.families) family.find_pairs(parts.schema);
  parts.update_sources();
  parts.compact_schema();
  SnapshotPool::Entry entry = parts.snapshots.take(parts.schema.publish());
  Snapshot& snapshot = *entry.snapshot;
  snapshot.realtime_ns = parts.clock.realtime_ns();
  snapshot.monotonic_ns = parts.clock.monotonic_ns();
  for (FamilyReader& family : parts.families) family.read(snapshot, parts.clock);
  parts.put_sources(entry);
  snapshot.duration_ns = parts.clock.monotonic_ns() - snapshot.monotonic_ns;
  return parts.snapshots.publish(std::move(entry));
}

CollectorStatus Collector::status(StatusDetail detail) const {
  const Parts& parts = *parts_;
  CollectorStatus status;
  status.kernel_btf = parts.kernel_btf;
  status.task_storage = parts.core && parts.core->task_storage();
  if (parts.core) {
    for (const HookOutcome& hook : parts.core->object().hooks()) {
      status.core_programs.push_back(
          {hook.name, hook.target, hook.attached(), hook.attached_as, hook.reason});
    }
  }
  if (parts.cgroup_hierarchy) {
    const Result<CgroupHierarchy>& hierarchy = *parts.cgroup_hierarchy;
    status.cgroup_hierarchy =
        !hierarchy                ? "none: " + hierarchy.error().message
        : hierarchy->version_2 ? "version 2 on " + hierarchy->mount
                                  : "version 1, cpu controller, on " + hierarchy->mount;
    if (parts.cgroup_slots) status.cgroup_slots = parts.cgroup_slots->limits().slots;
    if (parts.cgroup_list) status.cgroups = parts.cgroup_list->counts();
  }
  for (const FamilyReader& family : parts.families) {
    family.add_folds(status.cgroup_folds);
    const auto& statuses = family.statuses();
    status.samplers.insert(status.samplers.end(), statuses.begin(), statuses.end());
  }
  if (detail == StatusDetail::kAll) {
    status.maps = parts.maps();
    status.losses = parts.losses();
    add_program_statistics(parts.programs(), status);
  }
  std::vector<SamplerStatus> sources = parts.source_statuses;
  for (std::size_t i = 0; i < parts.source_status_of.size(); ++i) {
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
