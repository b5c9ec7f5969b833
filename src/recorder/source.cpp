// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/source.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/capabilities.h"
#include "base/memory_lock.h"
#include "base/system_info.h"
#include "base/version.h"
#include "samplers/status_json.h"

namespace rezolus {
namespace {

constexpr std::uint64_t kFactsTimeoutMs = 5000;

// Our own agent's frames carry sums, so they are asked for first.
std::string accept_header() {
  return fmt::format("Accept: {}, {};q=0.9", kFrameMediaType, kMsgpackContentType);
}

bool same_groups(const Schema& a, const Schema& b) {
  return std::equal(a.groups.begin(), a.groups.end(), b.groups.begin(), b.groups.end(),
                    [](const auto& x, const auto& y) { return x.name == y.name; });
}

// The tables of this program say which sampler owns a metric.
AbsentReasons reasons_by_metric(const std::map<std::string, std::string>& by_sampler) {
  AbsentReasons reasons;
  for (const SamplerMetrics& sampler : all_metrics()) {
    const auto reason = by_sampler.find(std::string(sampler.sampler));
    if (reason == by_sampler.end()) continue;
    for (const Metric& metric : sampler.metrics) {
      reasons[std::string(metric.name)] = reason->second;
    }
  }
  return reasons;
}

}  // namespace

std::shared_ptr<const Schema> unify_schema(const std::shared_ptr<const Schema>& previous,
                                           const std::shared_ptr<const Schema>& next) {
  if (previous == nullptr || previous == next) return next;
  auto unified = std::make_shared<Schema>(*next);
  bool all_same = previous->series.size() == next->series.size() && same_groups(*previous, *next) &&
                  previous->histogram_count == next->histogram_count;
  const std::size_t common = std::min(previous->series.size(), next->series.size());
  for (std::size_t i = 0; i < common; ++i) {
    const auto& before = previous->series[i];
    auto& now = unified->series[i];
    if (before == nullptr || now == nullptr) {
      all_same = all_same && before == now;
    } else if (*before == *now) {
      now = before;
    } else {
      all_same = false;
    }
  }
  if (all_same) return previous;
  return unified;
}

std::map<std::string, std::string> parse_sampler_reasons(std::string_view json) {
  std::map<std::string, std::string> reasons;
  const auto samplers = nlohmann::json::parse(json, nullptr, false);
  if (!samplers.is_array()) return reasons;
  const auto text = [](const nlohmann::json& entry, const char* key) {
    const auto found = entry.find(key);
    return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  for (const auto& sampler : samplers) {
    if (!sampler.is_object()) continue;
    const std::string state = text(sampler, "state");
    std::string reason = text(sampler, "error");
    if (reason.empty()) reason = text(sampler, "reason");
    if (reason.empty() && state != "active") reason = state;
    if (!reason.empty()) reasons[text(sampler, "name")] = reason;
  }
  return reasons;
}

AgentSource::AgentSource(Url url, std::uint64_t timeout_ms, const std::atomic<bool>* cancel)
    : url_(url.path == "/" ? url.at("/metrics/binary") : std::move(url)),
      timeout_ms_(timeout_ms),
      cancel_(cancel),
      client_(cancel) {}

Result<SnapshotRef> AgentSource::sample() {
  auto response = client_.get(url_, {accept_header()}, timeout_ms_);
  if (!response) return std::unexpected(std::move(response.error()));
  if (response->status != 200) {
    if (response->status == 401) return status_error(url_, response->status);
    return error("{} answered with status {}; is it a Rezolus agent?", url_.display(),
                 response->status);
  }
  Result<SnapshotRef> snapshot;
  if (response->content_type == kFrameMediaType) {
    snapshot = decode_frames(response->body);
  } else if (response->content_type == kMsgpackContentType || response->content_type.empty()) {
    snapshot = msgpack_.decode(response->body);
    peer_metadata_ = msgpack_.metadata();
  } else {
    return error("{} answered with {}, not with snapshots; is it a Rezolus agent?", url_.display(),
                 response->content_type);
  }
  if (!snapshot) {
    return context(fmt::format("the answer of {} cannot be read", url_.display()),
                   std::move(snapshot.error()));
  }
  return snapshot;
}

Result<SnapshotRef> AgentSource::decode_frames(std::string_view body) {
  FrameDecoder decoder;
  decoder.feed(body);
  while (true) {
    auto event = decoder.next();
    if (!event) return std::unexpected(std::move(event.error()));
    if (!*event) return error("it ends before a snapshot is complete");
    if ((*event)->snapshot == nullptr) continue;
    peer_metadata_ = decoder.metadata();
    schema_ = unify_schema(schema_, (*event)->snapshot->schema);
    if (schema_ == (*event)->snapshot->schema) return (*event)->snapshot;
    auto snapshot = std::make_shared<Snapshot>(*(*event)->snapshot);
    snapshot->schema = schema_;
    return snapshot;
  }
}

std::string AgentSource::description() const {
  return fmt::format("the agent at {}",
                     url_.path == "/metrics/binary" ? url_.at("/").display() : url_.display());
}

std::optional<std::string> AgentSource::fetch(std::string_view path) {
  auto response = client_.get(url_.at(path), {}, kFactsTimeoutMs);
  if (!response || response->status != 200 || !nlohmann::json::accept(response->body)) {
    return std::nullopt;  // upstream's older agents have none of these pages
  }
  return std::move(response->body);
}

SourceMetadata AgentSource::facts() {
  SourceMetadata facts;
  facts[std::string(kMetaSource)] = "rezolus";
  facts[std::string(kMetaEndpoint)] = url_.at("/").display();
  const auto version = peer_metadata_.find(std::string(kMetaVersion));
  if (version != peer_metadata_.end()) facts[std::string(kMetaVersion)] = version->second;
  if (auto text = fetch("/systeminfo")) facts[std::string(kMetaSystemInfo)] = std::move(*text);
  if (auto text = fetch("/metrics/descriptions")) {
    facts[std::string(kMetaDescriptions)] = std::move(*text);
  }
  if (auto text = fetch("/samplers")) {
    sampler_status_ = *text;
    facts[std::string(kMetaSamplerStatus)] = std::move(*text);
  }
  return facts;
}

AbsentReasons AgentSource::absent_reasons() {
  if (sampler_status_.empty()) sampler_status_ = fetch("/samplers").value_or("[]");
  return reasons_by_metric(parse_sampler_reasons(sampler_status_));
}

void TickQueue::put(const SampledTick& tick) {
  {
    const std::lock_guard lock(mutex_);
    const auto miss = [this](std::uint64_t count, std::uint64_t realtime_ns, const char* reason) {
      if (count == 0) return;
      if (lost_.missed_count == 0) lost_ = {realtime_ns, 0, reason};
      lost_.missed_count += count;
    };
    miss(tick.missed_count, tick.missed_realtime_ns, "the sampling thread was late");
    if (events_.size() >= kTicksMax) {
      miss(1, tick.snapshot->realtime_ns, "the recorder was too slow");
      return;
    }
    if (lost_.missed_count > 0) events_.push_back({nullptr, std::exchange(lost_, {})});
    events_.push_back({tick.snapshot, {}});
  }
  wake_.notify_one();
}

std::optional<SourceEvent> TickQueue::take(std::uint64_t deadline_ns) {
  const std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(deadline_ns)};
  std::unique_lock lock(mutex_);
  if (!wake_.wait_until(lock, deadline, [this] { return !events_.empty(); })) return std::nullopt;
  SourceEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

// Ticks of a shorter interval are taken together: waking the thread costs more than a tick does.
constexpr std::uint64_t kTogetherNs = 10 * kNsPerMs;

EmbeddedSource::EmbeddedSource(const Host& host, std::unique_ptr<Collector> collector,
                               const SchedulerConfig& scheduler)
    : host_(host),
      collector_(std::move(collector)),
      thread_(std::make_unique<SamplingThread>([this] { return collector_->collect(); }, 0,
                                               scheduler)) {}

// The first sample allocates what the later ones use, so that it is there to be locked.
void EmbeddedSource::raise_priority() {
  priority_problem_ = thread_->scheduler_error();
  thread_->sample();
  if (auto locked = lock_present_memory(); !locked) {
    priority_problem_ += (priority_problem_.empty() ? "" : "; ") + locked.error().message;
  }
}

Result<std::unique_ptr<EmbeddedSource>> EmbeddedSource::create(const Host& host,
                                                               const CollectorConfig& config,
                                                               const SchedulerConfig& scheduler) {
  const std::string missing = missing_bpf_capabilities();
  const auto advise = [&](Error cause) -> Error {
    if (!missing.empty()) {
      cause.message += fmt::format("; {} missing: run it as root, or give it to this program",
                                   missing + (missing.find(' ') == missing.npos ? " is" : " are"));
    }
    return cause;
  };
  auto collector = Collector::create(host, config);
  if (!collector) return std::unexpected(advise(std::move(collector.error())));
  std::unique_ptr<EmbeddedSource> source(new EmbeddedSource(host, std::move(*collector), scheduler));
  const CollectorStatus status = source->collector_->status();
  const bool any = std::any_of(status.samplers.begin(), status.samplers.end(),
                               [](const auto& s) { return s.state == SamplerState::kActive; });
  if (!any) return std::unexpected(advise(Error{"no sampler can run on this host"}));
  if (scheduler.raised()) source->raise_priority();
  return source;
}

Result<SnapshotRef> EmbeddedSource::sample() {
  SnapshotRef snapshot = thread_->sample();
  if (snapshot == nullptr) return error("the samplers gave no snapshot");
  return snapshot;
}

Result<bool> EmbeddedSource::begin_ticks(std::uint64_t interval_ns) {
  interval_ns_ = interval_ns;
  subscription_ =
      thread_->subscribe(interval_ns, [this](const SampledTick& tick) { ticks_.put(tick); });
  return true;
}

Result<std::optional<SourceEvent>> EmbeddedSource::next(std::uint64_t deadline_ns) {
  if (interval_ns_ < kTogetherNs) {
    if (auto event = ticks_.take(0)) return event;
    sleep_until_monotonic(std::min(deadline_ns, emptied_ns_ + kTogetherNs));
    emptied_ns_ = monotonic_ns();
  }
  return ticks_.take(deadline_ns);
}

std::string EmbeddedSource::description() const { return "samplers embedded in this process"; }

std::string EmbeddedSource::limitations() const {
  return limitations_text(collector_->status().samplers, missing_bpf_capabilities());
}

std::string limitations_text(std::span<const SamplerStatus> samplers, const std::string& missing) {
  std::vector<std::string> active;
  std::map<std::string, std::vector<std::string>> off;  // by reason
  for (const SamplerStatus& sampler : samplers) {
    if (sampler.state == SamplerState::kActive) {
      active.push_back(sampler.name);
    } else if (sampler.health != SamplerHealth::kUnknown) {
      off[sampler.reason].push_back(sampler.name);
    }
  }
  if (off.empty()) return {};
  if (missing.empty()) {
    std::vector<std::string> texts;
    for (const auto& [reason, names] : off) {
      texts.push_back(fmt::format("{} ({})", fmt::join(names, ", "), reason));
    }
    return fmt::format("these samplers cannot run here: {}", fmt::join(texts, "; "));
  }
  return fmt::format(
      "{} missing, so no BPF program can be loaded: run it as root (sudo) to measure "
      "everything. Without it only these samplers run: {}",
      missing + (missing.find(' ') == missing.npos ? " is" : " are"), fmt::join(active, ", "));
}

SourceMetadata EmbeddedSource::facts() {
  SourceMetadata facts;
  facts[std::string(kMetaSource)] = "rezolus";
  facts[std::string(kMetaVersion)] = kVersion;
  facts[std::string(kMetaSystemInfo)] = system_info_json(host_);
  facts[std::string(kMetaSamplerStatus)] = samplers_json(collector_->status().samplers).dump();
  facts[std::string(kMetaDescriptions)] = descriptions_json().dump();
  return facts;
}

AbsentReasons EmbeddedSource::absent_reasons() {
  std::map<std::string, std::string> by_sampler;
  for (const SamplerStatus& sampler : collector_->status().samplers) {
    if (!sampler.reason.empty()) by_sampler[sampler.name] = sampler.reason;
  }
  return reasons_by_metric(by_sampler);
}

}  // namespace rezolus
