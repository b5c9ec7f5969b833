// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/stream_source.h"

#include <algorithm>
#include <utility>

namespace rezolus {
namespace {

// The agent says something at least every 5 s.
constexpr std::uint64_t kSilenceNsMax = 15 * kNsPerSecond;
constexpr std::uint64_t kRetryNs = 200 * kNsPerMs;
// What comes faster is read together: each reading wakes the process.
constexpr std::uint64_t kReadPeriodNs = 10 * kNsPerMs;
constexpr int kNotFound = 404;

}  // namespace

Result<bool> StreamSource::begin_ticks(std::uint64_t interval_ns) {
  if (url_.path != "/metrics/binary") return false;
  interval_ns_ = interval_ns;
  return connect();
}

Result<bool> StreamSource::connect() {
  const Url url = url_.at(fmt::format("/stream?interval={}ns", interval_ns_));
  auto stream =
      HttpStream::open(url, {fmt::format("Accept: {}", kFrameMediaType)}, timeout_ms_, cancel_);
  if (!stream) return std::unexpected(std::move(stream.error()));
  if (stream->status() == kNotFound) return false;
  if (stream->status() != 200 || stream->content_type() != kFrameMediaType) {
    std::string sentence;
    [[maybe_unused]] const auto read = stream->read(sentence, 0);
    return error("{} answered with status {}: {}", url.display(), stream->status(),
                 std::string_view(sentence).substr(0, sentence.find('\n')));
  }
  stream_ = std::move(*stream);
  decoder_ = FrameDecoder();
  heard_ns_ = monotonic_ns();
  resumed_ = tick_arrived_ns_ != 0;
  return true;
}

Error StreamSource::lose(Error cause) {
  stream_.reset();
  retry_ns_ = monotonic_ns() + kRetryNs;
  return cause;
}

Result<void> StreamSource::receive(std::uint64_t deadline_ns) {
  if (interval_ns_ < kReadPeriodNs) {
    sleep_until_monotonic(std::min(deadline_ns, heard_ns_ + kReadPeriodNs));
  }
  buffer_.clear();
  if (auto read = stream_->read(buffer_, deadline_ns); !read) return read;
  const std::uint64_t now_ns = monotonic_ns();
  if (!buffer_.empty()) {
    heard_ns_ = now_ns;
    decoder_.feed(buffer_);
  } else if (now_ns > heard_ns_ + kSilenceNsMax) {
    return error("{} has been silent for {}", url_.at("/").display(),
                 format_duration(kSilenceNsMax));
  }
  return {};
}

Result<std::optional<SourceEvent>> StreamSource::next(std::uint64_t deadline_ns) {
  if (held_) return std::exchange(held_, std::nullopt);
  if (!stream_) {
    if (deadline_ns < retry_ns_) {
      sleep_until_monotonic(deadline_ns);
      return std::nullopt;
    }
    sleep_until_monotonic(retry_ns_);
    auto connected = connect();
    if (!connected) return std::unexpected(lose(std::move(connected.error())));
    if (!*connected) return std::unexpected(lose(Error{"the agent has no /stream any more"}));
  }
  while (true) {
    auto event = decoder_.next();
    if (!event) return std::unexpected(lose(std::move(event.error())));
    if (!*event) {
      if (monotonic_ns() >= deadline_ns) return std::nullopt;
      if (auto received = receive(deadline_ns); !received) {
        return std::unexpected(lose(std::move(received.error())));
      }
      continue;
    }
    if ((*event)->type == FrameType::kEnd) {
      return std::unexpected(lose(Error{"the agent at " + url_.at("/").display() + " stopped"}));
    }
    if (auto understood = understand(std::move(**event))) return understood;
  }
}

std::optional<SourceEvent> StreamSource::understand(FrameEvent event) {
  if (event.type == FrameType::kGap) {
    // After an outage the ticks between two snapshots are counted, and these are among them.
    if (resumed_) return std::nullopt;
    return SourceEvent{nullptr, std::move(event.gap)};
  }
  if (event.snapshot == nullptr) return std::nullopt;
  SnapshotRef snapshot = std::move(event.snapshot);
  if (snapshot->schema != decoded_schema_) {
    decoded_schema_ = snapshot->schema;
    schema_ = unify_schema(schema_, decoded_schema_);
  }
  if (schema_ != decoded_schema_) {
    auto unified = std::make_shared<Snapshot>(*snapshot);
    unified->schema = schema_;
    snapshot = std::move(unified);
  }
  SourceEvent first{snapshot, {}};
  if (std::exchange(resumed_, false)) {
    const std::uint64_t missed = missed_until(*snapshot);
    if (missed > 0) {
      held_ = std::exchange(first, SourceEvent{nullptr,
                                               {tick_realtime_ns_ + interval_ns_, missed,
                                                "the agent could not be reached"}});
    }
  }
  tick_arrived_ns_ = monotonic_ns();
  tick_monotonic_ns_ = snapshot->monotonic_ns;
  tick_realtime_ns_ = snapshot->realtime_ns;
  return first;
}

// Ticks between the last snapshot and this one.
std::uint64_t StreamSource::missed_until(const Snapshot& snapshot) const {
  // After a reboot of the agent's host its clock begins anew; ours does not.
  const std::uint64_t elapsed_ns = snapshot.monotonic_ns > tick_monotonic_ns_
                                       ? snapshot.monotonic_ns - tick_monotonic_ns_
                                       : monotonic_ns() - tick_arrived_ns_;
  const std::uint64_t ticks = (elapsed_ns + interval_ns_ / 2) / interval_ns_;
  return ticks > 0 ? ticks - 1 : 0;
}

}  // namespace rezolus
