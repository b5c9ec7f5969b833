// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "push/queue.h"

#include <algorithm>
#include <limits>

#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/logging.h"

namespace rezolus {
namespace {

constexpr std::uint64_t kSegmentSizeBytesMax = 4u << 20;
constexpr std::uint64_t kSegmentsPerSize = 8;
constexpr std::uint64_t kSegmentDurationNsMax = 300 * kNsPerSecond;
constexpr std::uint64_t kSyncNs = 5 * kNsPerSecond;
constexpr std::uint64_t kFreeSizeBytesMin = 64u << 20;
constexpr std::size_t kPositionSizeBytesMax = 4096;

FolderLogOptions log_options(const PushConfig& config) {
  FolderLogOptions options;
  options.segment_size_bytes_max =
      std::min(kSegmentSizeBytesMax, config.queue_size_bytes_max / kSegmentsPerSize);
  options.segment_duration_ns_max =
      std::clamp(config.queue_age_ns_max / kSegmentsPerSize, kNsPerSecond, kSegmentDurationNsMax);
  options.retention_ns = config.queue_age_ns_max;
  options.retention_count_min = 2;
  options.retention_size_bytes = config.queue_size_bytes_max;
  options.free_size_bytes_min = kFreeSizeBytesMin;
  options.sync_interval_ns = kSyncNs;
  return options;
}

}  // namespace

std::optional<PushPosition> read_position(const std::string& path) {
  const auto text = read_file(path, kPositionSizeBytesMax);
  if (!text) return std::nullopt;
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto number = [&](const char* name) -> std::optional<std::uint64_t> {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_number_unsigned()) return std::nullopt;
    return found->get<std::uint64_t>();
  };
  const auto tick = number("tick");
  const auto realtime_ns = number("realtime_ns");
  if (!tick || !realtime_ns) return std::nullopt;
  return PushPosition{*tick, *realtime_ns};
}

Result<void> write_position(const std::string& path, const PushPosition& position) {
  return write_file_atomic(path, fmt::format("{{\"tick\": {}, \"realtime_ns\": {}}}\n",
                                             position.tick, position.realtime_ns));
}

Result<std::unique_ptr<PushQueue>> PushQueue::open(const PushConfig& config,
                                                   std::function<void()> on_append) {
  auto log = FolderLog::open(config.queue_folder, {{"source", "rezolus"}}, log_options(config));
  if (!log) {
    return context("the queue of [[push]] cannot be used ([push_queue] folder names it)",
                   std::move(log.error()));
  }
  auto sink = std::make_unique<Sink>(std::move(*log), std::move(on_append));
  sink->bytes = sink->log.size_bytes();
  for (const PushTarget& target : config.targets) sink->released[target.name] = 0;
  return std::unique_ptr<PushQueue>(new PushQueue(config.queue_folder, std::move(sink)));
}

PushQueue::PushQueue(std::string folder, std::unique_ptr<Sink> sink)
    : folder_(std::move(folder)),
      sink_(std::move(sink)),
      log_(std::make_unique<QueuedLog>(*sink_)) {}

PushQueue::~PushQueue() { (void)log_->finish({}); }

void PushQueue::put(SnapshotRef snapshot) { log_->append(std::move(snapshot)); }

void PushQueue::put_outage(std::uint64_t realtime_ns, const std::string& reason) {
  log_->append_gap({realtime_ns, 1, reason});
}

void PushQueue::release(const std::string& reader, std::uint64_t sequence) {
  const std::lock_guard lock(sink_->mutex);
  sink_->released[reader] = sequence;
}

void PushQueue::Sink::published() {
  std::uint64_t sequence = std::numeric_limits<std::uint64_t>::max();
  {
    const std::lock_guard lock(mutex);
    for (const auto& [reader, released_to] : released) sequence = std::min(sequence, released_to);
  }
  log.remove_before(sequence);
  bytes = log.size_bytes();
  on_append();
}

Result<void> PushQueue::Sink::append(const Snapshot& snapshot) {
  if (auto appended = log.append(snapshot); !appended) {
    ++lost_count;
    if (!std::exchange(failing, true)) {
      spdlog::warn("ticks are lost for [[push]]: {}", appended.error().message);
    }
    return {};
  }
  if (std::exchange(failing, false)) spdlog::info("the queue of [[push]] is written again");
  ++ticks;
  published();
  return {};
}

Result<void> PushQueue::Sink::append_gap(const Gap& gap) {
  if (log.append_gap(gap)) published();
  return {};
}

Result<void> PushQueue::Sink::finish(const SourceMetadata& /*metadata*/) {
  if (auto finished = log.finish(); !finished) spdlog::warn("{}", finished.error().message);
  return {};
}

}  // namespace rezolus
