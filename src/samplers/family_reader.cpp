// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/family_reader.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include <bpf/libbpf.h>

#include "base/logging.h"
#include "metrics/snapshot_pool.h"

namespace rezolus {
namespace {

bool has_type(const BpfSampler& sampler, bool histogram) {
  return std::ranges::any_of(sampler.metrics, [&](const Metric& metric) {
    return (metric.type == MetricType::kHistogram) == histogram;
  });
}

std::string map_name(const BpfSampler& sampler, const char* suffix) {
  return std::string(sampler.bpf_name) + suffix;
}

std::uint32_t slot_count(const BpfSampler& sampler, bool histogram) {
  return static_cast<std::uint32_t>(std::ranges::count_if(
      sampler.metrics,
      [&](const Metric& metric) { return (metric.type == MetricType::kHistogram) == histogram; }));
}

// One device's counter, over the stripes.
std::uint64_t device_total(const CounterBank& bank, std::uint32_t device_slot,
                           std::uint32_t slot) {
  std::uint64_t sum = 0;
  for (std::uint32_t row = device_slot; row < bank.row_count(); row += DEVICE_SLOTS) {
    sum += bank.value(row, slot);
  }
  return sum;
}

// "memlock:\t4096" of the map's fdinfo; 0 when the kernel does not say.
std::uint64_t map_size_bytes(int fd) {
  auto text = read_file(fmt::format("/proc/self/fdinfo/{}", fd));
  if (!text) return 0;
  const std::size_t at = text->find("memlock:");
  return at == std::string::npos ? 0 : std::strtoull(text->c_str() + at + 8, nullptr, 10);
}

}  // namespace

void append_map_statuses(const std::string& family, const Object& object,
                         const std::set<std::string>& shared, std::vector<MapStatus>& maps) {
  for (const std::string& name : object.maps()) {
    if (shared.contains(name)) continue;
    const char* type =
        libbpf_bpf_map_type_str(static_cast<bpf_map_type>(object.map_type(name)));
    maps.push_back({.family = family,
                    .name = name,
                    .type = type == nullptr ? "" : type,
                    .max_entries = object.map_entries(name),
                    .size_bytes = map_size_bytes(object.map_fd(name)),
                    .mapped = name.ends_with("_counters") || name.ends_with("_pairs") || name.ends_with("_histograms")});
  }
}

FamilyReader::FamilyReader(const Family& family, const std::vector<bool>& enabled,
                           const Core* core, const std::string& core_error,
                           const KernelFeatures& features, const Host& host)
    : family_(family), enabled_(enabled), core_(core), running_(family.samplers.size(), false) {
  const bool any = std::ranges::find(enabled, true) != enabled.end();
  if (any && (family.uses_task_state || family.uses_cgroups) && core == nullptr) {
    failure_ = core_error;
  } else if (any) {
    auto loaded = load(enabled, core, features, host);
    if (!loaded) failure_ = loaded.error().message;
  }
  if (!failure_.empty()) {
    object_.reset();
    running_.assign(running_.size(), false);
  }
}

void FamilyReader::begin(const Host& host, SchemaBuilder& schema) {
  for (std::size_t i = 0; i < family_.samplers.size(); ++i) {
    if (running_[i]) {
      auto sampler = activate(*family_.samplers[i], core_, host, schema);
      if (sampler) {
        active_.push_back(std::move(*sampler));
      } else {
        running_[i] = false;
        failure_ = sampler.error().message;
      }
    }
    describe(i, enabled_[i], failure_);
  }
}

Result<void> FamilyReader::load(const std::vector<bool>& enabled, const Core* core,
                                const KernelFeatures& features, const Host& host) {
  ObjectRequest request;
  request.name = family_.name;
  request.elf = family_.object();
  std::set<std::string> hooks;
  for (std::size_t i = 0; i < family_.samplers.size(); ++i) {
    if (!enabled[i]) continue;
    for (const std::string_view hook : family_.samplers[i]->hooks) hooks.emplace(hook);
    for (const std::string_view hook : family_.samplers[i]->optional_hooks) {
      if (family_.needs_hook == nullptr || family_.needs_hook(hook, features)) hooks.emplace(hook);
    }
  }
  request.hooks.assign(hooks.begin(), hooks.end());
  if (family_.uses_task_state && core->task_storage()) {
    request.raw_tp_obstacle = "raw_tp has no typed task pointer, which task storage needs";
  }
  if (family_.hook_obstacle != nullptr) {
    request.hook_obstacle = [&](const std::string& hook) {
      return family_.hook_obstacle(hook, features);
    };
  }
  request.prepare = [&](ObjectSettings& settings, const std::set<std::string>& available) {
    return prepare(settings, available, enabled, core, features, host);
  };
  auto object = Object::load(request, features);
  if (!object) return std::unexpected(object.error());
  object_ = std::move(*object);
  if (!object_->loaded()) return {};
  auto losses = CounterBank::map(object_->map_fd("loss_counters"), host.cpus.possible_count,
                                 LOSS_ROW_COUNT);
  if (!losses) return std::unexpected(losses.error());
  losses_ = std::move(*losses);
  return {};
}

Result<bool> FamilyReader::prepare(ObjectSettings& settings, const std::set<std::string>& available,
                                   const std::vector<bool>& enabled, const Core* core,
                                   const KernelFeatures& features, const Host& host) {
  set_common_knobs(settings, host);
  for (std::size_t i = 0; i < family_.samplers.size(); ++i) {
    const BpfSampler& sampler = *family_.samplers[i];
    running_[i] = enabled[i] && std::ranges::all_of(sampler.hooks, [&](std::string_view hook) {
                    return available.contains(std::string(hook));
                  });
    settings.set_knob(map_name(sampler, "_on").c_str(), static_cast<bool>(running_[i]));
    if (has_type(sampler, false)) {
      const std::string map = map_name(sampler, "_counters");
      if (running_[i]) {
        settings.set_map_entries(map, host.cpus.possible_count);
      } else {
        settings.drop_map(map);
      }
    }
    if (has_type(sampler, true)) {
      const std::string map = map_name(sampler, "_histograms");
      if (running_[i]) {
        settings.set_map_entries(map, settings.map_entries(map) *
                                          histogram_stripe_count(host.cpus.possible_count));
      } else {
        settings.drop_map(map);
      }
    }
    if (!sampler.device_metrics.empty()) {
      const std::string map = map_name(sampler, "_device_counters");
      if (running_[i]) {
        settings.set_map_entries(map,
                                 DEVICE_SLOTS * device_stripe_count(host.cpus.possible_count));
      } else {
        settings.drop_map(map);
      }
    }
    if (!sampler.pair_metrics.empty()) {
      CgroupPairs::prepare(settings, sampler, running_[i], host);
    }
    if (!sampler.cgroup_metrics.empty()) {
      CgroupBanks::prepare(settings, sampler, running_[i], host, core->cgroup_limits());
    }
  }
  if (std::ranges::find(running_, true) == running_.end()) return false;
  if (family_.prepare != nullptr) family_.prepare(settings, features, host);
  if (family_.uses_task_state) {
    auto shared = core->share_with(settings);
    if (!shared) return std::unexpected(shared.error());
  }
  if (settings.find_map("cgroups") != nullptr) {
    auto shared = core->share_cgroups_with(settings);
    if (!shared) return std::unexpected(shared.error());
  }
  return true;
}

Result<FamilyReader::ActiveSampler> FamilyReader::activate(const BpfSampler& sampler,
                                                           const Core* core, const Host& host,
                                                           SchemaBuilder& schema) {
  ActiveSampler active;
  active.sampler = &sampler;
  const std::uint32_t cpus = host.cpus.possible_count;
  if (has_type(sampler, false)) {
    auto bank = CounterBank::map(object_->map_fd(map_name(sampler, "_counters")), cpus,
                                 slot_count(sampler, false));
    if (!bank) return std::unexpected(bank.error());
    active.counters = std::move(*bank);
  }
  if (has_type(sampler, true)) {
    auto bank = HistogramBank::map(object_->map_fd(map_name(sampler, "_histograms")),
                                   histogram_stripe_count(cpus), slot_count(sampler, true));
    if (!bank) return std::unexpected(bank.error());
    active.histograms = std::move(*bank);
  }
  active.group = schema.add_group(fmt::format("{}/{}", sampler.name, sampler.name));
  std::uint32_t histogram_index = schema.publish()->histogram_count;
  const auto declare = [&](const Metric& metric, Labels labels) {
    Series series = make_series(metric, sampler.name, std::move(labels));
    series.group = active.group;
    return schema.add(std::move(series));
  };
  for (const Metric& metric : sampler.metrics) {
    if (!metric.hook.empty() && !is_attached(metric.hook)) continue;
    if (metric.type == MetricType::kHistogram) {
      active.histogram_series.push_back({histogram_index++, declare(metric, {}), metric.slot});
    } else if (metric.dimension == Dimension::kCpu) {
      for (std::uint32_t cpu = 0; cpu < cpus; ++cpu) {
        active.counter_series.push_back({declare(metric, {{"id", std::to_string(cpu)}}),
                                         metric.slot, static_cast<std::int32_t>(cpu)});
      }
    } else {
      active.counter_series.push_back({declare(metric, {}), metric.slot, -1});
    }
  }
  if (!sampler.device_metrics.empty()) {
    if (auto mapped = map_devices(active, host, schema); !mapped) {
      return std::unexpected(mapped.error());
    }
  }
  if (!sampler.cgroup_metrics.empty()) {
    auto banks = CgroupBanks::map(*object_, sampler, active.group, host, core->cgroup_limits(),
                                  schema);
    if (!banks) return std::unexpected(banks.error());
    active.cgroups = std::move(*banks);
  }
  if (!sampler.pair_metrics.empty()) {
    auto pairs = CgroupPairs::map(*object_, sampler, active.group, host, schema);
    if (!pairs) return std::unexpected(pairs.error());
    active.pairs = std::move(*pairs);
  }
  return active;
}

Result<void> FamilyReader::map_devices(ActiveSampler& active, const Host& host,
                                       SchemaBuilder& schema) {
  if (!device_slots_) {
    auto table = Mapping::map(object_->map_fd("devices"), sizeof(device_table), true);
    if (!table) return context("map the table of devices", table.error());
    device_table_ = std::move(*table);
    device_slots_.emplace(*reinterpret_cast<device_table*>(device_table_.data()));
  }
  const BpfSampler& sampler = *active.sampler;
  auto bank = CounterBank::map(object_->map_fd(map_name(sampler, "_device_counters")),
                               DEVICE_SLOTS * device_stripe_count(host.cpus.possible_count),
                               static_cast<std::uint32_t>(sampler.device_metrics.size()));
  if (!bank) return std::unexpected(bank.error());
  active.device_counters = std::move(*bank);
  add_device(active, DEVICE_OTHER, {{std::string(family_.device_label), "other"}}, schema);
  return {};
}

void FamilyReader::add_device(ActiveSampler& active, std::uint32_t device_slot,
                              const Labels& labels, SchemaBuilder& schema) {
  for (const Metric& metric : active.sampler->device_metrics) {
    Series series = make_series(metric, active.sampler->name, labels);
    series.group = active.group;
    active.device_series.push_back(
        {schema.add(std::move(series)), device_slot, metric.slot,
         device_total(*active.device_counters, device_slot, metric.slot)});
  }
}

void FamilyReader::update_devices(const std::vector<Device>& devices, SchemaBuilder& schema) {
  const DeviceSlots::Change change = device_slots_->update(devices);
  unplaced_devices_ = device_slots_->unplaced_count();
  for (ActiveSampler& active : active_) {
    if (!active.device_counters) continue;
    std::erase_if(active.device_series, [&](const DeviceSeries& series) {
      const bool gone = std::ranges::find(change.freed, series.device_slot) != change.freed.end();
      if (gone) schema.retire(series.series);
      return gone;
    });
    for (const auto& [slot, device] : change.added) {
      add_device(active, slot, device.labels, schema);
    }
  }
}

void FamilyReader::update_cgroups(const CgroupSlots::Change& change, SchemaBuilder& schema) {
  for (ActiveSampler& active : active_) {
    if (active.cgroups) active.cgroups->update(change, schema);
    if (active.pairs) active.pairs->update(change, schema);
  }
}

void FamilyReader::find_pairs(SchemaBuilder& schema) {
  for (ActiveSampler& active : active_) {
    if (active.pairs) active.pairs->find_new(schema);
  }
}

void FamilyReader::take_indexes(const std::vector<std::uint32_t>& new_index,
                                const Schema& schema) {
  for (ActiveSampler& active : active_) {
    for (CounterSeries& series : active.counter_series) series.series = new_index[series.series];
    for (DeviceSeries& series : active.device_series) series.series = new_index[series.series];
    for (HistogramSeries& series : active.histogram_series) {
      series.series = new_index[series.series];
      series.histogram_index = schema.series[series.series]->histogram_index;
    }
    if (active.cgroups) active.cgroups->take_indexes(new_index, schema);
    if (active.pairs) active.pairs->take_indexes(new_index);
  }
}

bool FamilyReader::is_attached(std::string_view name) const {
  return std::ranges::any_of(object_->hooks(), [&](const HookOutcome& hook) {
    return hook.name == name && hook.attached();
  });
}

void FamilyReader::describe(std::size_t index, bool enabled, const std::string& failure) {
  const BpfSampler& sampler = *family_.samplers[index];
  SamplerStatus status;
  status.name = sampler.name;
  status.family = family_.name;
  if (!enabled) {
    status.reason =
        sampler.on_by_default ? "switched off by the configuration" : "off by default";
    statuses_.push_back(std::move(status));
    return;
  }
  bool missing = false;
  const auto add_hooks = [&](std::span<const std::string_view> hooks, bool required) {
    if (!object_) return;
    for (const HookOutcome& hook : object_->hooks()) {
      if (std::ranges::find(hooks, hook.name) == hooks.end()) continue;
      ProgramVerdict verdict = ProgramVerdict::kOk;
      // Hooks that could be had and were of no use without the others have no reason.
      if (!hook.attached() && !hook.reason.empty()) {
        verdict = hook.missing ? ProgramVerdict::kUnsupported : ProgramVerdict::kBroken;
        missing = missing || hook.missing;
        if (status.reason.empty() || required) {
          status.reason = fmt::format("{} is off: {}", hook.target, hook.reason);
        }
        // A sampler that runs without an optional hook does a part of its work.
        status.health = hook.missing && !running_[index] ? SamplerHealth::kUnsupported
                                                         : SamplerHealth::kDegraded;
      }
      status.programs.push_back(
          {hook.name, hook.target, hook.attached(), hook.attached_as, hook.reason, verdict});
    }
  };
  status.health = SamplerHealth::kHealthy;
  add_hooks(sampler.hooks, true);
  add_hooks(sampler.optional_hooks, false);
  if (running_[index]) {
    status.state = SamplerState::kActive;
  } else if (missing) {
    status.state = SamplerState::kDisabled;
    status.health = SamplerHealth::kUnsupported;
  } else {
    status.state = SamplerState::kFailed;
    status.health = SamplerHealth::kFailed;
    if (!failure.empty()) status.reason = failure;
  }
  statuses_.push_back(std::move(status));
}

void FamilyReader::read(Snapshot& snapshot, const Clock& clock) {
  if (active_.empty()) return;
  const std::uint64_t begin_ns = clock.realtime_ns();
  const std::uint64_t now_ns = clock.monotonic_ns();
  for (const ActiveSampler& sampler : active_) {
    for (const HistogramSeries& series : sampler.histogram_series) {
      sampler.histograms->prefetch(series.slot);
    }
    if (sampler.cgroups) sampler.cgroups->prefetch();
  }
  for (ActiveSampler& sampler : active_) {
    if (sampler.pairs) sampler.pairs->read(snapshot);
    if (sampler.cgroups) sampler.cgroups->read(snapshot, now_ns);
    for (const CounterSeries& series : sampler.counter_series) {
      snapshot.scalars[series.series] =
          series.cpu < 0 ? sampler.counters->total(series.slot)
                         : sampler.counters->value(static_cast<std::uint32_t>(series.cpu),
                                                   series.slot);
      snapshot.present[series.series] = 1;
    }
    for (const HistogramSeries& series : sampler.histogram_series) {
      put_histogram(sampler.histograms->read(series.slot), series.histogram_index, snapshot);
      snapshot.present[series.series] = 1;
    }
    for (const DeviceSeries& series : sampler.device_series) {
      snapshot.scalars[series.series] =
          device_total(*sampler.device_counters, series.device_slot, series.slot) - series.base;
      snapshot.present[series.series] = 1;
    }
  }
  const std::uint64_t end_ns = clock.realtime_ns();
  for (const ActiveSampler& sampler : active_) snapshot.windows[sampler.group] = {begin_ns, end_ns};
}

void FamilyReader::append_maps(std::vector<MapStatus>& maps) const {
  if (!object_ || !object_->loaded()) return;
  const std::set<std::string> shared = {"task_storage", "task_hash", "cgroups"};
  append_map_statuses(std::string(family_.name), *object_, shared, maps);
}

void FamilyReader::append_losses(std::vector<LossStatus>& losses) const {
  if (!losses_) return;
  append_loss_statuses(family_.name, *losses_, losses);
  if (device_slots_) {
    losses.push_back({std::string(family_.name), "device_without_slot", unplaced_devices_});
  }
}

void FamilyReader::add_folds(CgroupFolds& folds) const {
  if (!losses_) return;
  folds.events += losses_->total(FOLDED_CGROUP);
  folds.histogram_events += losses_->total(FOLDED_CGROUP_HISTOGRAM);
}

void FamilyReader::append_programs(std::vector<LoadedProgram>& programs) const {
  if (!object_) return;
  for (AttachedProgram& program : object_->attached_programs()) {
    programs.push_back({std::string(family_.name), std::move(program.hook), program.fd});
  }
}

}  // namespace rezolus
