// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "agent/config.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <utility>

#include <unistd.h>

#include "base/nearest.h"
#include "config/setters.h"
#include "http/listen_address.h"

namespace rezolus {
namespace {

using config::assign;
using config::choose;
using config::Key;
using config::key;

constexpr std::uint64_t kPushIntervalNsMin = 100 * kNsPerMs;
constexpr std::uint64_t kPushIntervalNsMax = 3600 * kNsPerSecond;

// Spellings of upstream's shipped files that mean a sampler of ours.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kSamplerAliases = {{
    {"block_io_latency", "blockio_latency"},
    {"block_io_requests", "blockio_requests"},
}};

// Samplers that upstream has and this version does not.
constexpr std::array<std::string_view, 11> kUpstreamSamplers = {
    "cpu_branch",  "cpu_dtlb",    "cpu_frequency", "cpu_l3",     "cpu_perf",       "drivehealth",
    "gpu_amd_pmu", "gpu_amd_smi", "gpu_apple",     "gpu_nvidia", "network_ethtool"};

Result<void> set_number(std::uint32_t& target, const toml::node& value, std::uint32_t min,
                        std::uint32_t max) {
  auto number = config::as_integer(value, min, max);
  if (!number) return std::unexpected(number.error());
  target = static_cast<std::uint32_t>(*number);
  return {};
}

Result<void> set_sampler(AgentConfig& agent, const toml::node& value, const std::string& name) {
  auto enabled = config::as_bool(value);
  if (!enabled) return std::unexpected(enabled.error());
  std::string known = name;
  for (const auto& [alias, ours] : kSamplerAliases) {
    if (name == alias) known = ours;
  }
  std::vector<std::string> names;
  for (const SamplerName& sampler : sampler_names()) names.emplace_back(sampler.name);
  if (std::ranges::find(names, known) != names.end()) {
    agent.collector.sampler_enabled[known] = *enabled;
    return {};
  }
  if (std::ranges::find(kUpstreamSamplers, name) != kUpstreamSamplers.end()) {
    if (*enabled) {
      agent.notes.push_back(fmt::format("sampler {} is not part of this version", name));
    }
    return {};
  }
  return usage_error("there is no sampler '{}'{}", name,
                     did_you_mean(name, names, "; `rezolus check --samplers` lists them"));
}

// Accepts a key of upstream's that has nothing to set here.
Key without_effect(AgentConfig& agent, std::string name) {
  const std::string shown = name;
  return {std::move(name), [&agent, shown](const toml::node&, const std::string&) -> Result<void> {
            agent.notes.push_back(fmt::format("{} has no effect", shown));
            return {};
          }};
}

Result<void> set_external_metrics(const toml::node& value) {
  auto enabled = config::as_bool(value);
  if (!enabled) return std::unexpected(enabled.error());
  if (*enabled)
    return usage_error("external metrics are not part of this version; set it to false");
  return {};
}

Result<void> set_percent(std::uint64_t& target, const toml::node& value) {
  auto number = config::as_integer(value, 0, 100);
  if (!number) return std::unexpected(number.error());
  target = static_cast<std::uint64_t>(*number);
  return {};
}

Result<void> set_files_interval(CgroupLimits& limits, const toml::node& value) {
  auto interval_ns = config::as_duration_ns(value);
  if (!interval_ns) return std::unexpected(interval_ns.error());
  if (*interval_ns < kNsPerSecond) return usage_error("must be at least 1s");
  limits.files_interval_ns = *interval_ns;
  return {};
}

Result<void> set_histograms_off(CgroupLimits& limits, const toml::node& value) {
  auto names = config::as_strings(value);
  if (!names) return std::unexpected(names.error());
  std::vector<std::string> known;
  for (const SamplerMetrics& sampler : all_metrics()) {
    for (const Metric& metric : sampler.metrics) {
      const bool by_cgroup = metric.dimension == Dimension::kCgroup;
      if (by_cgroup && metric.type == MetricType::kHistogram) known.emplace_back(metric.name);
    }
  }
  for (const std::string& name : *names) {
    if (std::ranges::find(known, name) != known.end()) continue;
    return usage_error("there is no histogram '{}' of cgroups{}", name,
                       did_you_mean(name, known, "; docs/metrics.md lists them"));
  }
  limits.histograms_off = std::move(*names);
  return {};
}

// A table of setters over one configuration.
std::vector<Key> agent_keys(AgentConfig& agent) {
  using Policy = SchedulerConfig::Policy;
  std::vector<Key> keys = {
      key("general.listen",
          [&](const toml::node& v) -> Result<void> {
            if (auto set = assign(agent.listen, config::as_strings(v)); !set) return set;
            return http::check_listen_addresses(agent.listen);
          }),
      key("general.ttl",
          [&](const toml::node& v) { return assign(agent.ttl_ns, config::as_duration_ns(v)); }),
      key("general.btf_path",
          [&](const toml::node& v) -> Result<void> {
            std::string path;
            auto assigned = assign(path, config::as_string(v));
            if (!assigned) return assigned;
            if (::access(path.c_str(), R_OK) != 0) return system_error(path, errno);
            agent.collector.btf_path = path;
            return {};
          }),
      key("general.snapshot_format",
          [&](const toml::node& v) {
            return choose<SnapshotFormat>(
                agent.snapshot_format, v,
                {{"v2", SnapshotFormat::kV2}, {"v3", SnapshotFormat::kV3}});
          }),
      key("general.instance",
          [&](const toml::node& v) { return assign(agent.instance, config::as_string(v)); }),
      key("general.pretend_missing",
          [&](const toml::node& v) -> Result<void> {
            auto names = config::as_strings(v);
            if (!names) return std::unexpected(names.error());
            agent.collector.pretend_missing = {names->begin(), names->end()};
            return {};
          }),
      key("web.allowed_hosts",
          [&](const toml::node& v) { return assign(agent.allowed_hosts, config::as_strings(v)); }),
      key("web.stream_listeners_max",
          [&](const toml::node& v) -> Result<void> {
            auto number = config::as_integer(v, 0, 100);
            if (!number) return std::unexpected(number.error());
            agent.stream_listeners_max = static_cast<std::uint64_t>(*number);
            return {};
          }),
      key("web.stream_cpu_percent_max",
          [&](const toml::node& v) { return set_percent(agent.stream_cpu_percent_max, v); }),
      key("web.stream_loopback_cpu_percent_max",
          [&](const toml::node& v) {
            return set_percent(agent.stream_loopback_cpu_percent_max, v);
          }),
      key("logging.level",
          [&](const toml::node& v) { return config::set_level(agent.logging_level, v); }),
      key("log.level",
          [&](const toml::node& v) { return config::set_level(agent.logging_level, v); }),
      key("scheduler.policy",
          [&](const toml::node& v) {
            return choose<Policy>(agent.scheduler.policy, v,
                                  {{"auto", Policy::kAuto},
                                   {"normal", Policy::kNormal},
                                   {"round_robin", Policy::kRoundRobin},
                                   {"fifo", Policy::kFifo}});
          }),
      key("scheduler.priority",
          [&](const toml::node& v) -> Result<void> {
            auto number = config::as_integer(v, 1, 99);
            if (!number) return std::unexpected(number.error());
            agent.scheduler.priority = static_cast<int>(*number);
            return {};
          }),
      key("scheduler.niceness",
          [&](const toml::node& v) -> Result<void> {
            auto number = config::as_integer(v, -20, 19);
            if (!number) return std::unexpected(number.error());
            agent.scheduler.niceness = static_cast<int>(*number);
            return {};
          }),
      key("defaults.enabled",
          [&](const toml::node& v) {
            return assign(agent.collector.samplers_enabled, config::as_bool(v));
          }),
      {"samplers.*.enabled",
       [&](const toml::node& v, const std::string& name) { return set_sampler(agent, v, name); }},
      key("cgroups.slots",
          [&](const toml::node& v) {
            return set_number(agent.collector.cgroups.slots, v, 2, kCgroupSlotsMax);
          }),
      key("cgroups.histogram_slots",
          [&](const toml::node& v) {
            return set_number(agent.collector.cgroups.histogram_slots, v, 1, kCgroupSlotsMax);
          }),
      key("cgroups.depth",
          [&](const toml::node& v) {
            return set_number(agent.collector.cgroups.depth, v, 0, 256);
          }),
      key("cgroups.files_interval",
          [&](const toml::node& v) { return set_files_interval(agent.collector.cgroups, v); }),
      key("cgroups.histograms_off",
          [&](const toml::node& v) { return set_histograms_off(agent.collector.cgroups, v); }),
      key("cgroups.syscall_latency_by_class",
          [&](const toml::node& v) {
            return assign(agent.collector.cgroups.syscall_latency_by_class, config::as_bool(v));
          }),
      key("cgroups.include",
          [&](const toml::node& v) {
            return assign(agent.collector.cgroups.include, config::as_strings(v));
          }),
      key("cgroups.exclude",
          [&](const toml::node& v) {
            return assign(agent.collector.cgroups.exclude, config::as_strings(v));
          }),
      key("metrics.detail",
          [&](const toml::node& v) {
            return choose<bool>(agent.full_detail, v, {{"lean", false}, {"full", true}});
          }),
      key("metrics.naming",
          [&](const toml::node& v) {
            return choose<bool>(agent.upstream_names, v,
                                {{"prometheus", false}, {"upstream", true}});
          }),
      key("metrics.created",
          [&](const toml::node& v) { return assign(agent.created_lines, config::as_bool(v)); }),
      key("external_metrics.enabled", [](const toml::node& v) { return set_external_metrics(v); }),
  };
  for (Key& one : http::web_keys(agent.web)) keys.push_back(std::move(one));
  for (Key& one : push_keys(agent.push)) keys.push_back(std::move(one));
  keys.push_back(key("push_queue.interval", [&](const toml::node& v) -> Result<void> {
    if (auto set = assign(agent.push_interval_ns, config::as_duration_ns(v)); !set) return set;
    if (agent.push_interval_ns < kPushIntervalNsMin || agent.push_interval_ns > kPushIntervalNsMax) {
      return usage_error("an interval is 100ms to 1h");
    }
    return {};
  }));
  for (const char* name :
       {"external_metrics.socket_path", "external_metrics.protocol", "external_metrics.metric_ttl",
        "external_metrics.max_connections", "external_metrics.max_metrics",
        "external_metrics.max_metrics_per_connection", "external_metrics.socket_group",
        "external_metrics.socket_mode", "defaults.interval", "defaults.gpu_perf_level",
        "samplers.*.interval", "samplers.*.gpu_perf_level", "prometheus.histograms",
        "prometheus.histogram_grouping_power"}) {
    keys.push_back(without_effect(agent, name));
  }
  return keys;
}

// What only the keys together can tell.
void complete_scheduler(AgentConfig& agent) {
  const SchedulerConfig defaults;
  using Policy = SchedulerConfig::Policy;
  const Policy policy = agent.scheduler.policy;
  if (policy == Policy::kNormal && agent.scheduler.priority != defaults.priority) {
    agent.notes.push_back("scheduler.priority has no effect with policy normal; use niceness");
  }
  if (policy == Policy::kAuto && agent.scheduler.niceness != defaults.niceness) {
    agent.scheduler.policy = Policy::kNormal;  // who sets it means that class
  } else if (policy != Policy::kNormal && agent.scheduler.niceness != defaults.niceness) {
    agent.notes.push_back("scheduler.niceness has no effect with a real-time policy");
  }
}

bool same_queue(PushConfig a, PushConfig b) {
  a.targets.clear();
  b.targets.clear();
  return a == b;
}

Result<AgentConfig> finish(AgentConfig agent) {
  complete_scheduler(agent);
  agent.push.queue_name = "agent-push";  // an exporter of the same host has one, too
  if (auto completed = complete(agent.push, agent.push_interval_ns); !completed) {
    return std::unexpected(std::move(completed.error()));
  }
  return agent;
}

}  // namespace

Result<AgentConfig> read_agent_config(const std::string& path) {
  AgentConfig agent;
  const std::vector<Key> keys = agent_keys(agent);
  auto read = config::read_file_into(path, keys);
  if (!read) return std::unexpected(read.error());
  return finish(std::move(agent));
}

Result<AgentConfig> parse_agent_config(std::string_view text, const std::string& path) {
  AgentConfig agent;
  const std::vector<Key> keys = agent_keys(agent);
  auto read = config::read_text_into(text, path, keys);
  if (!read) return std::unexpected(read.error());
  return finish(std::move(agent));
}

std::string changes_for_restart(const AgentConfig& running, const AgentConfig& next) {
  const CollectorConfig& a = running.collector;
  const CollectorConfig& b = next.collector;
  const bool pushes = !running.push.targets.empty() && !next.push.targets.empty();
  const std::pair<std::string_view, bool> changes[] = {
      {"listen", running.listen != next.listen},
      {"ttl", running.ttl_ns != next.ttl_ns},
      {"snapshot_format", running.snapshot_format != next.snapshot_format},
      {"instance", running.instance != next.instance},
      {"btf_path", a.btf_path != b.btf_path},
      {"pretend_missing", a.pretend_missing != b.pretend_missing},
      {"stream_listeners_max", running.stream_listeners_max != next.stream_listeners_max},
      {"stream_cpu_percent_max", running.stream_cpu_percent_max != next.stream_cpu_percent_max},
      {"stream_loopback_cpu_percent_max",
       running.stream_loopback_cpu_percent_max != next.stream_loopback_cpu_percent_max},
      {"[scheduler]", running.scheduler != next.scheduler},
      {"[samplers]",
       a.samplers_enabled != b.samplers_enabled || a.sampler_enabled != b.sampler_enabled},
      {"[cgroups]", a.cgroups != b.cgroups},
      {"[[push]]", running.push.targets != next.push.targets},
      {"[push_queue]", pushes && (running.push_interval_ns != next.push_interval_ns ||
                                  !same_queue(running.push, next.push))},
  };
  std::string names;
  for (const auto& [name, changed] : changes) {
    if (changed) names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return names;
}

}  // namespace rezolus
