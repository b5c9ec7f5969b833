// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The agent's pages that are not snapshots, as text: pure functions of what is handed in.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/process_memory.h"
#include "http/server_families.h"
#include "metrics/snapshot.h"
#include "push/sender.h"
#include "samplers/status.h"
#include "wire/prometheus.h"

namespace rezolus {

struct AgentFacts {
  std::uint64_t uptime_seconds = 0;
  std::uint64_t started_realtime_ns = 0;  // taken once: the same on every page
  std::uint64_t ttl_ns = 0;
  std::vector<std::string> listen;
  std::string instance;
  ProcessMemory memory;
  CollectorStatus collector;
  std::string scheduler_class;  // of the sampling thread
  std::string scheduler_error;  // why the scheduling class was refused; empty when it was not
  http::ServerCounts http;
  // Of /stream.
  std::uint64_t stream_listeners = 0;
  std::uint64_t streams_opened = 0;
  std::uint64_t streams_refused = 0;
  std::uint64_t stream_missed_ticks = 0;
  std::uint64_t streams_slowed = 0;  // listeners that are granted a slower tick now
  double stream_cpu_share = 0;       // of one core, by listeners on other hosts
  double stream_cpu_share_max = 0;   // 0: no limit
  double stream_loopback_cpu_share = 0;
  double stream_loopback_cpu_share_max = 0;
  std::optional<std::vector<PushState>> push;  // nothing: no [[push]]
};

// "Rezolus 0.1.0 Agent" and where to read on.
std::string banner_page();

// Upstream's keys (version, uptime_seconds, ttl_seconds, samplers) and ours.
std::string status_page(const AgentFacts& facts);

// The families that /metrics adds to those of the snapshot: the build, the process, the samplers.
// Map memory and losses are the snapshot's (sampler rezolus_bpf); of the collector's status only
// the samplers are read.
std::vector<ExtraFamily> own_families(const AgentFacts& facts);

// Kernel memory of all maps together.
std::uint64_t map_memory_bytes(const CollectorStatus& status);

}  // namespace rezolus
