// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cgroup_banks.h"

#include <algorithm>
#include <bit>
#include <set>
#include <span>

#include "metrics/snapshot_pool.h"

namespace rezolus {
namespace {

constexpr std::uint32_t kHistogramStripesMax = 4;
// In place of a slot: the series of what is gone.
constexpr std::uint32_t kExited = CGROUP_NONE;

std::uint32_t count_of(const BpfSampler& sampler, bool histogram) {
  return static_cast<std::uint32_t>(
      std::ranges::count_if(sampler.cgroup_metrics, [&](const Metric& metric) {
        return (metric.type == MetricType::kHistogram) == histogram;
      }));
}

// By slot of the histogram: its place in the bank, counted from 1; 0 where it is off.
std::vector<std::uint32_t> histogram_places(const BpfSampler& sampler, const CgroupLimits& limits) {
  std::vector<std::uint32_t> places;
  std::uint32_t next = 0;
  for (const Metric& metric : sampler.cgroup_metrics) {
    if (metric.type != MetricType::kHistogram) continue;
    const bool off =
        std::ranges::find(limits.histograms_off, metric.name) != limits.histograms_off.end() ||
        (sampler.keeps_cgroup_metric && !sampler.keeps_cgroup_metric(metric, limits));
    places.push_back(off ? 0 : ++next);
  }
  return places;
}

std::uint32_t on_count(const std::vector<std::uint32_t>& places) {
  return static_cast<std::uint32_t>(std::ranges::count_if(places, [](auto place) { return place != 0; }));
}

std::string map_name(const BpfSampler& sampler, const char* suffix) {
  return std::string(sampler.bpf_name) + suffix;
}

// Both from one bank, the second one earlier.
HistogramRef difference(const HistogramRef& now, const HistogramRef& before) {
  if (!before) return now;
  auto value = std::make_shared<HistogramValue>(*now);
  for (std::size_t i = 0; i < value->buckets.size(); ++i) value->buckets[i] -= before->buckets[i];
  value->sum -= before->sum;
  return value;
}

HistogramRef total(const HistogramRef& one, const HistogramRef& other) {
  auto value = std::make_shared<HistogramValue>(*one);
  for (std::size_t i = 0; i < value->buckets.size(); ++i) value->buckets[i] += other->buckets[i];
  value->sum += other->sum;
  return value;
}

}  // namespace

std::uint32_t cgroup_histogram_stripe_count(std::uint32_t cpu_count) {
  return std::min(std::bit_ceil(std::max(cpu_count, 1u)), kHistogramStripesMax);
}

void CgroupBanks::prepare(ObjectSettings& settings, const BpfSampler& sampler, bool running,
                          const Host& host, const CgroupLimits& limits) {
  const std::uint32_t cpus = host.cpus.possible_count;
  const auto size = [&](const std::string& map, std::uint32_t entries) {
    if (settings.find_map(map) == nullptr) return;
    if (running) {
      settings.set_map_entries(map, entries);
    } else {
      settings.drop_map(map);
    }
  };
  size(map_name(sampler, "_cgroup_counters"), limits.slots * device_stripe_count(cpus));
  size(map_name(sampler, "_running_counters"), cpus);
  const std::vector<std::uint32_t> places = histogram_places(sampler, limits);
  if (places.empty()) return;
  const std::uint32_t count = on_count(places);
  const std::string bank = map_name(sampler, "_cgroup_histograms");
  settings.set_knob(map_name(sampler, "_cgroup_histogram_count").c_str(), count);
  const std::vector<std::uint8_t> bytes(places.begin(), places.end());
  settings.set_knob(map_name(sampler, "_cgroup_histogram_places").c_str(),
                    std::as_bytes(std::span(bytes)));
  size(bank, std::max(count, 1u) * limits.histogram_slots * cgroup_histogram_stripe_count(cpus));
  if (running && count == 0) settings.drop_map(bank);
}

Result<CgroupBanks> CgroupBanks::map(const Object& object, const BpfSampler& sampler,
                                     std::uint32_t group, const Host& host,
                                     const CgroupLimits& limits, SchemaBuilder& schema) {
  CgroupBanks banks;
  banks.sampler_ = &sampler;
  banks.group_ = group;
  banks.slots_ = limits.slots;
  banks.histogram_slots_ = limits.histogram_slots;
  banks.counter_count_ = count_of(sampler, false);
  banks.histogram_places_ = histogram_places(sampler, limits);
  banks.histogram_count_ = on_count(banks.histogram_places_);
  const std::uint32_t cpus = host.cpus.possible_count;
  if (banks.counter_count_ != 0) {
    auto bank = CounterBank::map(object.map_fd(map_name(sampler, "_cgroup_counters")),
                                 limits.slots * device_stripe_count(cpus), banks.counter_count_);
    if (!bank) return std::unexpected(bank.error());
    banks.counters_ = std::move(*bank);
  }
  if (const int fd = object.map_fd(map_name(sampler, "_running_counters")); fd >= 0) {
    auto bank = CounterBank::map(fd, cpus, CGROUP_RUNNING_COUNT);
    if (!bank) return std::unexpected(bank.error());
    banks.running_ = std::move(*bank);
    banks.splits_.resize(limits.slots);
  }
  if (banks.histogram_count_ != 0) {
    auto bank = HistogramBank::map(object.map_fd(map_name(sampler, "_cgroup_histograms")),
                                   cgroup_histogram_stripe_count(cpus),
                                   limits.histogram_slots * banks.histogram_count_);
    if (!bank) return std::unexpected(bank.error());
    banks.histograms_ = std::move(*bank);
  }
  banks.settled_.resize(std::size_t{limits.slots} * banks.counter_count_);
  banks.exited_.resize(banks.counter_count_);
  banks.settled_histograms_.resize(std::size_t{limits.histogram_slots} * banks.histogram_count_);
  auto empty = std::make_shared<HistogramValue>();
  empty->buckets.resize(HISTOGRAM_BUCKETS);
  banks.exited_histograms_.assign(banks.histogram_count_, empty);
  banks.declare({CGROUP_OTHER, 0, "other", nullptr}, schema);
  banks.declare({kExited, 0, "exited", nullptr}, schema);
  banks.find_histogram_indexes(schema);
  return banks;
}

void CgroupBanks::declare(const CgroupSlots::Change::Added& cgroup, SchemaBuilder& schema) {
  const std::uint32_t slot = cgroup.slot;
  const Labels labels = cgroup_series_labels(cgroup.path, cgroup.names);
  for (const Metric& metric : sampler_->cgroup_metrics) {
    const bool histogram = metric.type == MetricType::kHistogram;
    if (histogram && histogram_places_[metric.slot] == 0) continue;
    if (histogram && slot != kExited && slot >= histogram_slots_) continue;
    Series series = make_series(metric, sampler_->name, labels);
    if (metric.type == MetricType::kGauge) {  // which cgroup it is, and nothing else
      if (slot == CGROUP_OTHER || slot == kExited) continue;
      series.labels.emplace_back("cgroup_id", std::to_string(cgroup.id));
      if (cgroup.names) {
        series.labels.insert(series.labels.end(), cgroup.names->info.begin(),
                             cgroup.names->info.end());
      }
    }
    series.group = group_;
    const bool info = metric.type == MetricType::kGauge;
    const std::uint32_t index = schema.add(std::move(series));
    if (histogram) {
      histogram_series_.push_back(
          {index, 0, slot, histogram_places_[metric.slot] - 1, nullptr, nullptr});
    } else {
      counter_series_.push_back({index, slot, metric.slot, 0, info});
    }
  }
}

void CgroupBanks::find_histogram_indexes(SchemaBuilder& schema) {
  if (histogram_series_.empty()) return;
  const auto published = schema.publish();
  for (HistogramSeries& series : histogram_series_) {
    series.histogram_index = published->series[series.series]->histogram_index;
  }
}

std::uint64_t CgroupBanks::raw(std::uint32_t slot, std::uint32_t metric) const {
  std::uint64_t sum = 0;
  for (std::uint32_t row = slot; row < counters_->row_count(); row += slots_) {
    sum += counters_->value(row, metric);
  }
  return sum;
}

void CgroupBanks::settle(std::uint32_t slot) {
  if (running_) {
    const auto grown = [&](std::uint32_t metric) {
      return raw(slot, metric) - settled_[std::size_t{slot} * counter_count_ + metric];
    };
    CpuSplit& split = splits_[slot];
    split.take(grown(CGROUP_TIME_NS), grown(CGROUP_TIME_USER_TICKS_NS),
               grown(CGROUP_TIME_SYSTEM_TICKS_NS));
    exited_split_.user_ns += split.user_ns;
    exited_split_.system_ns += split.system_ns;
    split = {};
  }
  for (std::uint32_t metric = 0; metric < counter_count_; ++metric) {
    std::uint64_t& settled = settled_[std::size_t{slot} * counter_count_ + metric];
    const std::uint64_t value = raw(slot, metric);
    exited_[metric] += value - settled;
    settled = value;
  }
  if (slot >= histogram_slots_) return;
  for (std::uint32_t metric = 0; metric < histogram_count_; ++metric) {
    HistogramRef& settled = settled_histograms_[std::size_t{slot} * histogram_count_ + metric];
    const HistogramRef value = histograms_->read(slot * histogram_count_ + metric);
    if (value == settled) continue;
    exited_histograms_[metric] = total(exited_histograms_[metric], difference(value, settled));
    settled = value;
  }
}

void CgroupBanks::update(const CgroupSlots::Change& change, SchemaBuilder& schema) {
  std::set<std::uint32_t> leaving(change.freed.begin(), change.freed.end());
  for (const auto& cgroup : change.named) leaving.insert(cgroup.slot);
  const auto is_leaving = [&](const auto& series) {
    const bool gone = leaving.contains(series.slot);
    if (gone) schema.retire(series.series);
    return gone;
  };
  if (!leaving.empty()) {
    std::erase_if(counter_series_, is_leaving);
    std::erase_if(histogram_series_, is_leaving);
  }
  for (const std::uint32_t slot : change.freed) settle(slot);
  for (const std::uint32_t slot : change.rested) settle(slot);
  for (const auto& cgroup : change.named) declare(cgroup, schema);
  for (const auto& cgroup : change.added) declare(cgroup, schema);
  if (!change.added.empty() || !change.named.empty()) find_histogram_indexes(schema);
}

void CgroupBanks::take_indexes(const std::vector<std::uint32_t>& new_index, const Schema& schema) {
  for (CounterSeries& series : counter_series_) series.series = new_index[series.series];
  for (HistogramSeries& series : histogram_series_) {
    series.series = new_index[series.series];
    series.histogram_index = schema.series[series.series]->histogram_index;
  }
}

void CgroupBanks::find_uncharged(std::uint64_t now_ns) {
  uncharged_.assign(slots_, 0);
  for (std::uint32_t cpu = 0; cpu < running_->row_count(); ++cpu) {
    const std::uint64_t since_ns = running_->value(cpu, CGROUP_RUNNING_SINCE_NS);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    const std::uint64_t slot = running_->value(cpu, CGROUP_RUNNING_SLOT);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    const bool whole = running_->value(cpu, CGROUP_RUNNING_SINCE_NS) == since_ns;
    if (whole && since_ns != 0 && since_ns < now_ns && slot < slots_) {
      uncharged_[slot] += now_ns - since_ns;
    }
  }
}

void CgroupBanks::read_histogram(HistogramSeries& series) {
  const std::size_t at = std::size_t{series.slot} * histogram_count_ + series.metric;
  const HistogramRef& raw = histograms_->read(static_cast<std::uint32_t>(at));
  if (raw == series.raw) return;
  series.raw = raw;
  series.value = difference(raw, settled_histograms_[at]);
}

void CgroupBanks::split_time(CounterSeries* time, const std::uint64_t* values) {
  CpuSplit split = exited_split_;
  if (time->slot != kExited) {
    splits_[time->slot].take(time->shown, values[CGROUP_TIME_USER_TICKS_NS],
                             values[CGROUP_TIME_SYSTEM_TICKS_NS]);
    split = splits_[time->slot];
  }
  time[CGROUP_TIME_USER_TICKS_NS].shown = split.user_ns;
  time[CGROUP_TIME_SYSTEM_TICKS_NS].shown = split.system_ns;
}

void CgroupBanks::prefetch() const {
  for (const HistogramSeries& series : histogram_series_) {
    if (series.slot == kExited) continue;
    histograms_->prefetch(series.slot * histogram_count_ + series.metric);
  }
}

void CgroupBanks::read(Snapshot& snapshot, std::uint64_t now_ns) {
  std::vector<std::uint64_t>& values = values_;
  values.resize(counter_series_.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const CounterSeries& series = counter_series_[i];
    values[i] = series.slot == kExited
                    ? exited_[series.metric]
                    : raw(series.slot, series.metric) -
                          settled_[std::size_t{series.slot} * counter_count_ + series.metric];
  }
  // After the counters: a switch in between makes a value too small for one reading, never too large.
  if (running_) find_uncharged(now_ns);
  for (std::size_t i = 0; i < values.size(); ++i) {
    CounterSeries& series = counter_series_[i];
    if (series.info) {
      snapshot.scalars[series.series] = 1;
      snapshot.present[series.series] = 1;
      continue;
    }
    const bool time = running_ && series.metric == CGROUP_TIME_NS;
    const bool split = running_ && !time && series.metric < CGROUP_TIME_COUNTER_COUNT;
    if (time && series.slot != kExited) values[i] += uncharged_[series.slot];
    if (!split) series.shown = std::max(series.shown, values[i]);
    if (time) split_time(&series, &values[i]);
    snapshot.scalars[series.series] = series.shown;
    snapshot.present[series.series] = 1;
  }
  for (HistogramSeries& series : histogram_series_) {
    if (series.slot != kExited) read_histogram(series);
    put_histogram(series.slot == kExited ? exited_histograms_[series.metric] : series.value,
                  series.histogram_index, snapshot);
    snapshot.present[series.series] = 1;
  }
}

}  // namespace rezolus
