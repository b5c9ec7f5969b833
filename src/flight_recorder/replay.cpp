// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/replay.h"

#include "query/engine.h"
#include "recorder/peer_names.h"

namespace rezolus {

Result<Replay> replay_rules(LogReader& log, RuleSet rules, std::uint64_t interval_ns,
                            const std::function<void(const Rule&, const Firing&)>& on_snapshot) {
  Replay replay;
  PeerNames names;
  TickChoice choice(interval_ns);
  ElapsedTime time;
  std::uint64_t seen_count = 0;
  const auto take = [&](const Rule& rule, const Firing& firing) {
    on_snapshot(rule, firing);
    return true;
  };
  while (true) {
    auto event = log.next();
    if (!event) return std::unexpected(std::move(event.error()));
    if (!*event) break;
    if ((*event)->type == FrameType::kGap) rules.add_gap();
    const SnapshotRef& snapshot = (*event)->snapshot;
    if (snapshot == nullptr) continue;
    if (replay.tick_count++ == 0) replay.first_ns = snapshot->realtime_ns;
    replay.last_ns = snapshot->realtime_ns;
    if (!choice.choose(*snapshot)) continue;
    time.advance(*snapshot);
    ++seen_count;
    rules.add(*names.name(snapshot), take);
  }
  replay.loss = log.loss();
  if (replay.tick_count == 0) return error("there is no tick in it");
  if (seen_count > 1) replay.interval_ns = time.total_ns() / (seen_count - 1);
  replay.rules = rules.status();
  return replay;
}

std::string replay_problem(const Replay& replay, const Rule& rule, const RuleStatus& status) {
  if (status.error_count > 0) {
    return fmt::format("{} of its evaluations failed{}", status.error_count,
                       status.problem.empty() ? "" : ", the last with: " + status.problem);
  }
  if (status.firing_count > 0) return {};
  if (status.series_count_peak == 0) return "the recording has none of the series that it selects";
  const auto expression = query::parse_expression(rule.expression);
  const std::uint64_t shortest_ns =
      expression ? static_cast<std::uint64_t>(query::shortest_rate_range_ns(**expression)) : 0;
  // Half a tick more is jitter.
  if (shortest_ns == 0 || 2 * shortest_ns >= 3 * replay.interval_ns) return {};
  return fmt::format("its rate over {} has no two samples: the ticks are {} apart",
                     format_duration(shortest_ns),
                     format_duration(replay.interval_ns / kNsPerMs * kNsPerMs));
}

}  // namespace rezolus
