// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The agent's configuration. Defaults are what an agent without any file does. Upstream's spellings
// of both eras are accepted.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/web_options.h"
#include "push/config.h"
#include "samplers/collector.h"
#include "samplers/sampling_thread.h"

namespace rezolus {

enum class SnapshotFormat { kV2, kV3 };

struct AgentConfig {
  std::vector<std::string> listen = {"127.0.0.1:4241"};
  std::uint64_t ttl_ns = 10'000'000;  // how old a served snapshot may be
  SnapshotFormat snapshot_format = SnapshotFormat::kV2;
  std::string instance;  // two agents on one host need different names
  std::vector<std::string> allowed_hosts;
  http::WebOptions web;
  std::uint64_t stream_listeners_max = 16;
  std::uint64_t stream_cpu_percent_max = 5;  // of one core; 0: no limit
  std::uint64_t stream_loopback_cpu_percent_max = 25;
  std::string logging_level = "info";
  bool full_detail = false;     // of /metrics
  bool upstream_names = false;  // on /metrics
  bool created_lines = false;   // on /metrics as OpenMetrics
  SchedulerConfig scheduler;
  CollectorConfig collector;
  PushConfig push;
  std::uint64_t push_interval_ns = 1'000'000'000;  // how often a tick goes into the queue
  // Keys that were accepted and do nothing here, one sentence each.
  std::vector<std::string> notes;
};

// Reads a file and conf.d/*.toml beside it.
Result<AgentConfig> read_agent_config(const std::string& path);

// The same for one text; path is for messages.
Result<AgentConfig> parse_agent_config(std::string_view text, const std::string& path);

// What differs and takes effect with a restart only, as keys and sections of the file: "listen, push".
// Empty: nothing.
std::string changes_for_restart(const AgentConfig& running, const AgentConfig& next);

}  // namespace rezolus
