// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/remote_write.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <optional>
#include <unordered_set>

#include "base/clock.h"
#include "wire/prometheus_page.h"
#include "wire/utf8.h"

namespace rezolus {
namespace {

using Family = PrometheusPage::Family;
using Row = PrometheusPage::Row;

std::int64_t milliseconds(std::uint64_t realtime_ns) {
  return static_cast<std::int64_t>(realtime_ns / kNsPerMs);
}

PrometheusOptions page_options(PrometheusOptions options, RemoteHistograms histograms) {
  // The format decides whether the page knows the bounds of native buckets.
  options.format = histograms == RemoteHistograms::kClassic ? PrometheusFormat::kText
                                                            : PrometheusFormat::kProtobuf;
  return options;
}

// The inclusive upper ends of a family's buckets, but for the last, in the base unit.
std::shared_ptr<const std::vector<double>> exact_bounds(const Family& family) {
  auto bounds = std::make_shared<std::vector<double>>();
  for (std::uint64_t i = 0; i + 1 < family.native_config.bucket_count(); ++i) {
    bounds->push_back(PrometheusPage::base_value(family, family.native_config.upper(i), false));
  }
  return bounds;
}

// The inclusive upper ends of the page's buckets, but for the last, in the base unit.
std::shared_ptr<const std::vector<double>> page_bounds(const Family& family) {
  auto bounds = std::make_shared<std::vector<double>>();
  for (const PrometheusPage::Bound& bound : family.bounds) {
    bounds->push_back(PrometheusPage::base_value(family, bound.value, false));
  }
  return bounds;
}

std::string type_of(const Family& family) {
  return family.type == MetricType::kHistogram && family.form == HistogramForm::kSummary
             ? "summary"
             : std::string(metric_type_name(family.type));
}

double sum_of(const Family& family, const PrometheusPage::HistogramTotal& total) {
  return total.sum_known ? PrometheusPage::base_value(family, total.sum, false)
                         : PrometheusPage::base_sum(family, total);
}

// NaN: it has none, since it is a gauge or has ended.
double cumulative_of(const RemoteSeries& series, const RemoteSample& sample) {
  if (sample.native != nullptr) return static_cast<double>(sample.native->count);
  const bool counts = series.metadata->type == "counter";
  return counts ? sample.value : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

struct RemoteWriteCollector::Slot {
  const std::string* name = nullptr;
  const Family* family = nullptr;
  const Row* row = nullptr;
  std::size_t begin = 0;  // of its series
  // Of buckets that do not follow from a schema; else null.
  std::shared_ptr<const std::vector<double>> bounds;
};

// What depends on the schema alone, and which of it is there.
struct RemoteWriteCollector::Plan {
  Plan(std::shared_ptr<const Schema> of, const PrometheusOptions& options)
      : schema(std::move(of)), page(*schema, options) {}

  std::shared_ptr<const Schema> schema;
  PrometheusPage page;
  std::vector<Slot> slots;
  // Null: its labels are those of another, since a peer's names were alike before they were valid.
  std::vector<std::shared_ptr<const RemoteSeries>> series;
  std::vector<std::uint8_t> live;       // by series: it had a value in the last tick
  std::vector<RemoteSample> now;        // of the tick at hand
  std::vector<std::uint8_t> now_there;  // whether it has one
  std::vector<Run> runs;                // SampleForm::kPoint
  std::vector<const Row*> rows;         // by series
};

RemoteWriteCollector::RemoteWriteCollector(const PrometheusOptions& page, Labels labels,
                                           RemoteHistograms histograms, SampleForm form)
    : options_(page_options(page, histograms)),
      labels_(std::move(labels)),
      histograms_(histograms),
      form_(form) {}
RemoteWriteCollector::~RemoteWriteCollector() = default;

std::shared_ptr<const RemoteSeries> RemoteWriteCollector::make_series(
    std::string_view name, const Labels& labels, std::string_view extra_key,
    std::string_view extra_value, std::shared_ptr<const RemoteMetadata> metadata,
    bool native) const {
  std::map<std::string, std::string> sorted;
  sorted.emplace("__name__", name);
  if (!extra_key.empty()) sorted.emplace(extra_key, extra_value);
  // An empty label is no label.
  for (const Labels* some : {&labels, &labels_}) {
    for (const auto& [key, value] : *some) {
      if (!value.empty()) sorted.emplace(prometheus_label_name(key), valid_utf8(value));
    }
  }
  auto series = std::make_shared<RemoteSeries>();
  series->native = native;
  series->metadata = std::move(metadata);
  for (auto& [key, value] : sorted) {
    series->identity += key;
    series->identity += '\xff';  // in no UTF-8
    series->identity += value;
    series->identity += '\xff';
    series->labels.emplace_back(key, std::move(value));
  }
  if (native) series->identity += "native";
  return series;
}

void RemoteWriteCollector::put(const std::shared_ptr<const RemoteSeries>& series,
                               RemoteSample sample) {
  const auto [at, added] = positions_.try_emplace(series.get(), pending_.size());
  if (added) pending_.push_back({series, {}});
  pending_[at->second].samples.push_back(std::move(sample));
  ++sample_count_;
}

void RemoteWriteCollector::put_end(const std::shared_ptr<const RemoteSeries>& series,
                                   std::int64_t time_ms) {
  put(series, {time_ms, std::bit_cast<double>(kStaleBits), nullptr});
}

// Makes plan_ for another schema. Series that are in both stay the same object; those that are gone
// end.
void RemoteWriteCollector::plan(const std::shared_ptr<const Schema>& schema, std::int64_t time_ms) {
  if (plan_ != nullptr && plan_->schema == schema) return;
  const std::unique_ptr<Plan> old = std::move(plan_);
  std::unordered_map<std::string_view, std::size_t> known;
  for (std::size_t i = 0; old != nullptr && i < old->series.size(); ++i) {
    if (old->live[i] != 0) known.emplace(old->series[i]->identity, i);
  }
  plan_ = std::make_unique<Plan>(schema, options_);
  std::unordered_set<std::string_view> identities;
  const Row* row_at_hand = nullptr;
  const auto add = [&](std::shared_ptr<const RemoteSeries> series) {
    plan_->rows.push_back(row_at_hand);
    if (!identities.insert(series->identity).second) {
      plan_->series.emplace_back();
      plan_->live.push_back(0);
      plan_->runs.emplace_back();
      return;
    }
    const auto found = known.find(series->identity);
    const bool live = found != known.end();
    if (live) {
      identities.erase(series->identity);
      series = old->series[found->second];
      identities.insert(series->identity);
      old->live[found->second] = 0;
    }
    plan_->series.push_back(std::move(series));
    plan_->live.push_back(live ? 1 : 0);
    plan_->runs.push_back(live ? old->runs[found->second] : Run{});
  };
  for (auto& [name, family] : plan_->page.families) {
    const auto metadata = std::make_shared<const RemoteMetadata>(RemoteMetadata{
        name, type_of(family), valid_utf8(family.help), std::string(family.unit), family.own_name,
        family.stored_unit, family.seconds});
    const bool points = form_ == SampleForm::kPoint;
    std::shared_ptr<const std::vector<double>> bounds;
    if (points && histograms_ == RemoteHistograms::kClassic) bounds = page_bounds(family);
    if (histograms_ == RemoteHistograms::kExact && !family.native_indexes.empty()) {
      bounds = exact_bounds(family);
      std::iota(family.native_indexes.begin(), family.native_indexes.end(), 0);
    }
    for (const Row& row : family.rows) {
      row_at_hand = &row;
      plan_->slots.push_back({&name, &family, &row, plan_->series.size(), bounds});
      if (family.type != MetricType::kHistogram) {
        add(make_series(name, row.labels, "", "", metadata));
        continue;
      }
      if (points || (family.form != HistogramForm::kSummary && !family.native_indexes.empty())) {
        add(make_series(name, row.labels, "", "", metadata, true));
        continue;
      }
      add(make_series(name + "_sum", row.labels, "", "", metadata));
      add(make_series(name + "_count", row.labels, "", "", metadata));
      if (family.form == HistogramForm::kSummary) {
        for (const std::string& q : options_.quantiles) {
          add(make_series(name, row.labels, "quantile", q, metadata));
        }
        continue;
      }
      for (const PrometheusPage::Bound& bound : family.bounds) {
        add(make_series(name + "_bucket", row.labels, "le", bound.le, metadata));
      }
      add(make_series(name + "_bucket", row.labels, "le", "+Inf", metadata));
    }
  }
  plan_->now.resize(plan_->series.size());
  plan_->now_there.resize(plan_->series.size());
  for (std::size_t i = 0; old != nullptr && i < old->series.size(); ++i) {
    if (old->live[i] != 0) put_end(old->series[i], time_ms);
  }
}

void RemoteWriteCollector::set_start(std::optional<std::uint64_t> start_ns, Run& run, bool goes_on,
                                     const RemoteSeries& series, RemoteSample& sample) const {
  if (start_ns) {
    sample.start_ms = milliseconds(*start_ns);
    return;
  }
  const double now = cumulative_of(series, sample);
  if (form_ == SampleForm::kSeries || std::isnan(now)) return;
  if (!goes_on || now < run.last || run.start_ms == 0) run.start_ms = sample.time_ms;
  run.last = now;
  sample.start_ms = run.start_ms;
}

// A histogram or summary that is one sample; null: it has no value.
std::shared_ptr<const NativeHistogram> RemoteWriteCollector::distribution(
    const Slot& slot, const Snapshot& snapshot) const {
  const Family& family = *slot.family;
  auto total = PrometheusPage::histogram_total(snapshot, family, *slot.row);
  if (!total) return nullptr;
  NativeHistogram native;
  native.count = total->count;
  native.sum = sum_of(family, *total);
  if (family.form == HistogramForm::kSummary) {
    const auto growth = PrometheusPage::growth(snapshot, previous_.get(), *slot.row);
    for (std::size_t i = 0; growth && i < options_.quantiles.size(); ++i) {
      const double q = std::strtod(options_.quantiles[i].c_str(), nullptr);
      const auto value = PrometheusPage::quantile(snapshot, *slot.row, *growth, q);
      if (!value) continue;
      native.quantiles.emplace_back(q, PrometheusPage::base_value(family, *value, false));
    }
    return std::make_shared<const NativeHistogram>(std::move(native));
  }
  native.bounds = slot.bounds;
  native.schema = slot.bounds != nullptr ? kCustomBoundsSchema : options_.native_schema;
  if (family.native_indexes.empty()) {  // the page's buckets, which are cumulative there
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < total->cumulative.size(); ++i) {
      const std::uint64_t count = total->cumulative[i] - below;
      if (count != 0) native.buckets[static_cast<std::int32_t>(i)] = count;
      below = total->cumulative[i];
    }
    const auto last = static_cast<std::int32_t>(total->cumulative.size());
    if (total->count != below) native.buckets[last] = total->count - below;
    return std::make_shared<const NativeHistogram>(std::move(native));
  }
  if (!total->native_known) return nullptr;
  native.buckets = std::move(total->native);
  native.zeros = total->zeros;
  if (slot.bounds != nullptr && native.zeros != 0) {  // 0 is a bucket like the others
    native.buckets[0] += std::exchange(native.zeros, 0);
  }
  return std::make_shared<const NativeHistogram>(std::move(native));
}

void RemoteWriteCollector::add(const SnapshotRef& snapshot) {
  const std::int64_t time_ms = milliseconds(snapshot->realtime_ns);
  plan(snapshot->schema, time_ms);
  Plan& plan = *plan_;
  std::ranges::fill(plan.now_there, 0);
  const auto set = [&](std::size_t series, double value) {
    plan.now[series] = {time_ms, value, nullptr};
    plan.now_there[series] = 1;
  };
  for (const Slot& slot : plan.slots) {
    const Family& family = *slot.family;
    std::size_t at = slot.begin;
    if (family.type != MetricType::kHistogram) {
      const auto total = PrometheusPage::scalar_total(*snapshot, *slot.row);
      const bool is_signed = family.type == MetricType::kGauge;
      if (total) set(at, PrometheusPage::base_value(family, *total, is_signed));
      continue;
    }
    if (plan.series[at] == nullptr) continue;
    if (plan.series[at]->native) {
      auto native = distribution(slot, *snapshot);
      plan.now_there[at] = native != nullptr ? 1 : 0;
      plan.now[at] = {time_ms, 0, std::move(native)};
      continue;
    }
    const auto total = PrometheusPage::histogram_total(*snapshot, family, *slot.row);
    if (!total) continue;
    const double sum = sum_of(family, *total);
    set(at++, sum);
    set(at++, static_cast<double>(total->count));
    if (family.form == HistogramForm::kSummary) {
      const auto growth = PrometheusPage::growth(*snapshot, previous_.get(), *slot.row);
      for (const std::string& text : options_.quantiles) {
        const double q = std::strtod(text.c_str(), nullptr);
        const auto value =
            growth ? PrometheusPage::quantile(*snapshot, *slot.row, *growth, q) : std::nullopt;
        if (value) set(at, PrometheusPage::base_value(family, *value, false));
        ++at;
      }
      continue;
    }
    for (const std::uint64_t below : total->cumulative) set(at++, static_cast<double>(below));
    set(at, static_cast<double>(total->count));
  }
  for (std::size_t i = 0; i < plan.series.size(); ++i) {
    if (plan.series[i] == nullptr) {
      plan.now_there[i] = 0;
    } else if (plan.now_there[i] != 0) {
      set_start(PrometheusPage::start_ns(*snapshot, *plan.rows[i], options_.starts), plan.runs[i],
                plan.live[i] != 0, *plan.series[i], plan.now[i]);
      put(plan.series[i], std::move(plan.now[i]));
    } else if (plan.live[i] != 0) {
      put_end(plan.series[i], time_ms);
    }
  }
  plan.live = plan.now_there;
  previous_ = snapshot;
}

void RemoteWriteCollector::seed(const SnapshotRef& snapshot) {
  add(snapshot);
  discard();
  for (Run& run : plan_->runs) run.start_ms = 0;
}

void RemoteWriteCollector::end(std::uint64_t realtime_ns) {
  previous_ = nullptr;
  if (plan_ == nullptr) return;
  for (std::size_t i = 0; i < plan_->series.size(); ++i) {
    if (plan_->live[i] != 0) put_end(plan_->series[i], milliseconds(realtime_ns));
    plan_->live[i] = 0;
  }
}

void RemoteWriteCollector::add_extra(std::span<const ExtraFamily> families,
                                     std::uint64_t realtime_ns) {
  for (const ExtraFamily& family : families) {
    const auto metadata = std::make_shared<const RemoteMetadata>(
        RemoteMetadata{family.name, family.type, family.help, ""});
    if (plan_ != nullptr && plan_->page.families.contains(family.name)) continue;
    for (const ExtraSample& sample : family.samples) {
      auto series = make_series(family.name, sample.labels, "", "", metadata);
      const auto [at, added] = extra_.try_emplace(series->identity, Extra{series, {}});
      RemoteSample one{milliseconds(realtime_ns), sample.value, nullptr};
      std::optional<std::uint64_t> start_ns;
      if (family.type == "counter" && options_.starts.process_ns != 0) {
        start_ns = options_.starts.process_ns;
      }
      set_start(start_ns, at->second.run, !added, *series, one);
      put(at->second.series, std::move(one));
    }
  }
}

void RemoteWriteCollector::add_metadata() { metadata_due_ = true; }

std::vector<RemoteWriteRequest> RemoteWriteCollector::take(std::size_t samples_max) {
  std::vector<RemoteWriteRequest> requests;
  for (RemoteTimeSeries& series : pending_) {
    if (requests.empty() || requests.back().sample_count + series.samples.size() > samples_max) {
      requests.emplace_back();
    }
    requests.back().sample_count += series.samples.size();
    requests.back().series.push_back(std::move(series));
  }
  if (metadata_due_ && plan_ != nullptr && !requests.empty()) {
    metadata_due_ = false;
    for (const auto& [name, family] : plan_->page.families) {
      requests.front().metadata.push_back(
          {name, type_of(family), valid_utf8(family.help), std::string(family.unit)});
    }
  }
  discard();
  return requests;
}

void RemoteWriteCollector::discard() {
  pending_.clear();
  positions_.clear();
  sample_count_ = 0;
}

std::vector<RemoteWriteRequest> split_by_time(const RemoteWriteRequest& request) {
  std::map<std::int64_t, RemoteWriteRequest> by_time;
  for (const RemoteTimeSeries& series : request.series) {
    for (const RemoteSample& sample : series.samples) {
      RemoteWriteRequest& part = by_time[sample.time_ms];
      part.series.push_back({series.series, {sample}});
      ++part.sample_count;
    }
  }
  std::vector<RemoteWriteRequest> parts;
  for (auto& [time_ms, part] : by_time) parts.push_back(std::move(part));
  return parts;
}

std::vector<RemoteWriteRequest> split(const RemoteWriteRequest& request) {
  std::vector<RemoteWriteRequest> parts = split_by_time(request);
  if (parts.size() != 1 || parts[0].series.size() < 2) return parts;
  std::vector<RemoteTimeSeries> all = std::move(parts[0].series);
  parts.assign(2, {});
  for (std::size_t i = 0; i < all.size(); ++i) {
    RemoteWriteRequest& part = parts[i < all.size() / 2 ? 0 : 1];
    part.sample_count += all[i].samples.size();
    part.series.push_back(std::move(all[i]));
  }
  return parts;
}

}  // namespace rezolus
