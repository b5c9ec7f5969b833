// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "agent/pages.h"

#include <numeric>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/version.h"
#include "push/push_status.h"
#include "samplers/status_json.h"
#include "wire/process_families.h"

namespace rezolus {
namespace {

using Json = nlohmann::ordered_json;

Json maps_json(const CollectorStatus& status) {
  Json list = Json::array();
  for (const MapStatus& map : status.maps) {
    list.push_back({{"family", map.family},
                    {"name", map.name},
                    {"type", map.type},
                    {"max_entries", map.max_entries},
                    {"bytes", map.size_bytes},
                    {"mapped", map.mapped}});
  }
  return list;
}

ExtraFamily gauge(std::string name, std::string help, double value) {
  return {std::move(name), "gauge", std::move(help), {{{}, value}}};
}

ExtraFamily counter(std::string name, std::string help, double value) {
  return {std::move(name), "counter", std::move(help), {{{}, value}}};
}

}  // namespace

std::string banner_page() {
  return fmt::format(
      "Rezolus {} Agent\nFor metrics, see /metrics, /metrics/binary and "
      "/metrics/json; for what runs, /status\n",
      kVersion);
}

std::uint64_t map_memory_bytes(const CollectorStatus& status) {
  return std::accumulate(
      status.maps.begin(), status.maps.end(), std::uint64_t{0},
      [](std::uint64_t sum, const MapStatus& map) { return sum + map.size_bytes; });
}

std::string status_page(const AgentFacts& facts) {
  Json losses = Json::array();
  for (const LossStatus& loss : facts.collector.losses) {
    losses.push_back({{"family", loss.family}, {"reason", loss.reason}, {"count", loss.count}});
  }
  Json page = {
      {"version", kVersion},
      {"uptime_seconds", facts.uptime_seconds},
      {"ttl_seconds", facts.ttl_ns / kNsPerSecond},
      {"ttl_ms", facts.ttl_ns / kNsPerMs},
      {"samplers", samplers_json(facts.collector.samplers)},
      {"listen", facts.listen},
      {"instance", facts.instance},
      {"kernel_btf", facts.collector.kernel_btf},
      {"task_storage", facts.collector.task_storage},
      {"core", {{"programs", programs_json(facts.collector.core_programs)}}},
      {"cgroups",
       {{"hierarchy", facts.collector.cgroup_hierarchy},
        {"slots", facts.collector.cgroup_slots},
        {"live", facts.collector.cgroups.live},
        {"named", facts.collector.cgroups.named},
        {"folded", facts.collector.cgroups.folded},
        {"other", facts.collector.cgroups.other},
        {"events_in_other", facts.collector.cgroup_folds.events},
        {"histogram_events_in_other", facts.collector.cgroup_folds.histogram_events}}},
      {"memory",
       {{"resident_bytes", facts.memory.resident_bytes},
        {"mapped_bank_bytes", facts.memory.mapped_bank_bytes},
        {"resident_without_banks_bytes", facts.memory.own_bytes()},
        {"map_bytes", map_memory_bytes(facts.collector)}}},
      {"maps", maps_json(facts.collector)},
      {"losses", std::move(losses)},
      {"http", http::server_json(facts.http)},
      {"stream",
       {{"listeners", facts.stream_listeners},
        {"opened", facts.streams_opened},
        {"refused", facts.streams_refused},
        {"missed_ticks", facts.stream_missed_ticks},
        {"slowed", facts.streams_slowed},
        {"cpu_share", facts.stream_cpu_share},
        {"cpu_share_max", facts.stream_cpu_share_max},
        {"loopback_cpu_share", facts.stream_loopback_cpu_share},
        {"loopback_cpu_share_max", facts.stream_loopback_cpu_share_max}}},
  };
  if (facts.push) page["push"] = push_status_json(*facts.push);
  page["scheduler"] = facts.scheduler_class;
  if (!facts.scheduler_error.empty()) page["scheduler_error"] = facts.scheduler_error;
  return page.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<ExtraFamily> own_families(const AgentFacts& facts) {
  std::vector<ExtraFamily> families = process_families(process_usage(), facts.started_realtime_ns);
  if (!facts.collector.cgroup_hierarchy.empty()) {
    const CgroupCounts& cgroups = facts.collector.cgroups;
    families.push_back({"rezolus_agent_cgroups", "gauge",
                        "Cgroups at the last walk: live ones, of these the named (with a slot of "
                        "their own), folded into an ancestor, and counted in other.",
                        {{{{"state", "live"}}, static_cast<double>(cgroups.live)},
                         {{{"state", "named"}}, static_cast<double>(cgroups.named)},
                         {{{"state", "folded"}}, static_cast<double>(cgroups.folded)},
                         {{{"state", "other"}}, static_cast<double>(cgroups.other)}}});
    const CgroupFolds& folds = facts.collector.cgroup_folds;
    families.push_back(
        {"rezolus_agent_cgroup_folded_events_total", "counter",
         "Events that were counted in cgroup=\"other\": their cgroup has no slot, or one without "
         "histograms.",
         {{{{"for_want_of", "slot"}}, static_cast<double>(folds.events)},
          {{{"for_want_of", "histograms"}}, static_cast<double>(folds.histogram_events)}}});
  }
  ExtraFamily up{"rezolus_agent_sampler_up", "gauge",
                 "Whether the sampler runs: 1, or 0 when it failed, is not supported or is off.",
                 {}};
  for (const SamplerStatus& sampler : facts.collector.samplers) {
    up.samples.push_back(
        {{{"name", sampler.name}}, sampler.state == SamplerState::kActive ? 1.0 : 0.0});
  }
  families.push_back(std::move(up));
  for (ExtraFamily& family : http::server_families("rezolus_agent_http_", facts.http)) {
    families.push_back(std::move(family));
  }
  families.push_back(gauge("rezolus_agent_stream_listeners", "Clients that listen to /stream now.",
                           static_cast<double>(facts.stream_listeners)));
  families.push_back(counter("rezolus_agent_streams_refused_total",
                             "Clients of /stream refused because too many were listening.",
                             static_cast<double>(facts.streams_refused)));
  families.push_back(counter("rezolus_agent_stream_missed_ticks_total",
                             "Ticks that listeners of /stream did not get; each was told.",
                             static_cast<double>(facts.stream_missed_ticks)));
  families.push_back(gauge("rezolus_agent_stream_slowed_listeners",
                           "Clients of /stream that are granted a slower tick than they asked for.",
                           static_cast<double>(facts.streams_slowed)));
  return families;
}

}  // namespace rezolus
