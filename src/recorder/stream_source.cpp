// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/stream_source.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "recording/frame/stream_metadata.h"

namespace rezolus {
namespace {

constexpr std::string_view kSnapshotPath = "/metrics/binary";
// The agent says something at least every 5 s.
constexpr std::uint64_t kSilenceNsMax = 15 * kNsPerSecond;
constexpr std::uint64_t kRetryNsMin = 200 * kNsPerMs;
constexpr std::uint64_t kRetryNsMax = kNsPerSecond;
// An agent that is polled meanwhile must not hold up its own ticks for longer.
constexpr std::uint64_t kAskAgainTimeoutMs = 500;
// The agent's clock says how many ticks an outage took, unless it differs from ours by more.
constexpr std::uint64_t kClockToleranceNs = kNsPerSecond;
// How long ticks of a short interval may wait for one another at the agent.
constexpr std::uint64_t kBatchNs = 20 * kNsPerMs;
constexpr std::size_t kRefusalBytesMax = 200;
constexpr int kNotFound = 404;
constexpr int kUnavailable = 503;

// The first line of what a server says, for a message.
std::string first_line(std::string_view text) {
  text = text.substr(0, std::min(text.find('\n'), kRefusalBytesMax));
  std::string line;
  for (const char c : text) {
    if (c >= ' ' && c < 127) line += c;
  }
  while (!line.empty() && (line.back() == '.' || line.back() == ' ')) line.pop_back();
  return line;
}

}  // namespace

Result<bool> StreamSource::begin_ticks(std::uint64_t interval_ns) {
  if (url_.path != kSnapshotPath) return false;
  interval_ns_ = interval_ns;
  begun_ns_ = monotonic_ns();
  auto connected = connect(timeout_ms_);
  if (!connected) return std::unexpected(lose(std::move(connected.error())));
  if (*connected) return true;
  if (refused_status_ == kNotFound) return false;
  begin_polling();
  return true;
}

// False: refused.
Result<bool> StreamSource::connect(std::uint64_t timeout_ms) {
  std::string path = fmt::format("/stream?interval={}ns", interval_ns_);
  if (interval_ns_ < read_period_ns_) path += fmt::format("&batch={}ns", kBatchNs);
  const Url url = url_.at(path);
  auto stream =
      HttpStream::open(url, {fmt::format("Accept: {}", kFrameMediaType)}, timeout_ms, cancel_);
  if (!stream) return std::unexpected(std::move(stream.error()));
  if (stream->status() != 200 || stream->content_type() != kFrameMediaType) {
    std::string body;
    [[maybe_unused]] const auto read = stream->read(body, 0);
    refused_status_ = stream->status();
    const std::string said = refused_status_ == 200 ? "no frames" : first_line(body);
    refusal_ = fmt::format("status {}{}{}", refused_status_, said.empty() ? "" : ": ", said);
    return false;
  }
  stream_ = std::move(*stream);
  decoder_ = FrameDecoder();
  slowed_ = false;  // what the agent grants it says anew
  heard_ns_ = monotonic_ns();
  return true;
}

Error StreamSource::lose(Error cause) {
  stream_.reset();
  polling_.reset();
  resumed_ = true;
  retry_after_ns_ = std::clamp(2 * retry_after_ns_, kRetryNsMin, kRetryNsMax);
  retry_ns_ = monotonic_ns() + retry_after_ns_;
  return cause;
}

Result<void> StreamSource::receive(std::uint64_t deadline_ns) {
  if (interval_ns_ < read_period_ns_) {
    sleep_until_monotonic(std::min(deadline_ns, heard_ns_ + read_period_ns_));
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
  if (!stream_ && !polling_) {
    sleep_until_monotonic(std::min(deadline_ns, retry_ns_));
    if (monotonic_ns() < retry_ns_) return std::nullopt;
    auto connected = connect(timeout_ms_);
    if (!connected) return std::unexpected(lose(std::move(connected.error())));
    if (!*connected) begin_polling();
  }
  return polling_ ? poll(deadline_ns) : listen(deadline_ns);
}

Result<std::optional<SourceEvent>> StreamSource::listen(std::uint64_t deadline_ns) {
  while (true) {
    auto event = decoder_.next();
    if (!event) {
      return std::unexpected(lose(Error{
          fmt::format("the stream of {}: {}", url_.at("/").display(), event.error().message)}));
    }
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

void StreamSource::begin_polling() {
  const bool later = refused_status_ == kUnavailable;
  const std::uint64_t now_ns = monotonic_ns();
  polling_.emplace(realtime_ns(), now_ns, interval_ns_);
  ask_again_ns_ = later ? now_ns + ask_again_period_ns_ : ~std::uint64_t{0};
  std::string notice = fmt::format(
      "{} does not stream ({}), so it is polled{}", url_.at("/").display(), refusal_,
      later ? fmt::format(", and asked again every {}", format_duration(ask_again_period_ns_))
            : "");
  if (notice == told_) return;
  notice_ = notice;
  told_ = std::move(notice);
}

// While it is polled. What fails now may work the next time: the polls tell of an outage.
void StreamSource::ask_again() {
  const auto connected = connect(std::min(timeout_ms_, kAskAgainTimeoutMs));
  if (connected && *connected) {
    polling_.reset();
    told_.clear();
    notice_ = fmt::format("{} streams again", url_.at("/").display());
  } else {
    ask_again_ns_ = monotonic_ns() + ask_again_period_ns_;
  }
}

Result<std::optional<SourceEvent>> StreamSource::poll(std::uint64_t deadline_ns) {
  if (monotonic_ns() >= ask_again_ns_) {
    ask_again();
    return std::nullopt;
  }
  TickSchedule& ticks = *polling_;
  sleep_until_monotonic(std::min(deadline_ns, ticks.due_ns()));
  if (monotonic_ns() < ticks.due_ns()) return std::nullopt;
  ticks.catch_up(monotonic_ns());
  const std::uint64_t due_ns = ticks.due_ns();
  auto snapshot = sample();
  ticks.advance(monotonic_ns());
  if (!snapshot) return std::unexpected(lose(std::move(snapshot.error())));
  // These are our own ticks, so our own clock counts them.
  std::uint64_t missed = 0;
  if (tick_arrived_ns_ == 0 && resumed_) {
    missed = missed_until(**snapshot, due_ns);
  } else if (tick_arrived_ns_ != 0 && due_ns > tick_arrived_ns_) {
    missed = (due_ns - tick_arrived_ns_ + interval_ns_ / 2) / interval_ns_;
    missed -= missed > 0 ? 1 : 0;
  }
  return pass_on(std::move(*snapshot), due_ns, missed,
                 resumed_ ? "the agent could not be reached" : "polling was late");
}

std::optional<SourceEvent> StreamSource::understand(FrameEvent event) {
  if (event.type == FrameType::kGap) {
    // After an outage the ticks between two snapshots are counted, and these are among them.
    if (resumed_) return std::nullopt;
    event.gap.missed_count = allow(event.gap.missed_count);
    if (event.gap.missed_count == 0) return std::nullopt;
    return SourceEvent{nullptr, std::move(event.gap)};
  }
  if (event.type == FrameType::kMeta) note_grant();
  if (event.snapshot == nullptr) return std::nullopt;
  const std::uint64_t now_ns = monotonic_ns();
  const std::uint64_t missed = resumed_ ? missed_until(*event.snapshot, now_ns) : 0;
  return pass_on(std::move(event.snapshot), now_ns, missed, "the agent could not be reached");
}

// Said when it begins and when it is over, not at each change.
void StreamSource::note_grant() {
  const auto granted = decoder_.metadata().find(std::string(kMetaGrantedInterval));
  if (granted == decoder_.metadata().end()) return;
  const std::uint64_t granted_ns = std::strtoull(granted->second.c_str(), nullptr, 10);
  const bool slowed = granted_ns > interval_ns_;
  if (slowed == std::exchange(slowed_, slowed)) return;
  notice_ = slowed ? fmt::format(
                         "{} grants a tick every {} only: its listeners may take so much CPU time "
                         "and no more ([web] stream_cpu_percent_max); listen on its Unix socket, "
                         "or less often",
                         url_.at("/").display(), format_duration(granted_ns))
                   : fmt::format("{} grants every tick again", url_.at("/").display());
}

SourceEvent StreamSource::pass_on(SnapshotRef snapshot, std::uint64_t arrived_ns,
                                  std::uint64_t missed_count, const char* reason) {
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
  missed_count = allow(missed_count);
  if (missed_count > 0) {
    const std::uint64_t due_ns =
        tick_arrived_ns_ != 0
            ? tick_realtime_ns_ + interval_ns_
            : snapshot->realtime_ns - std::min(snapshot->realtime_ns, missed_count * interval_ns_);
    held_ = std::exchange(first, SourceEvent{nullptr, {due_ns, missed_count, reason}});
  }
  allow(1);
  resumed_ = false;
  retry_after_ns_ = 0;
  tick_arrived_ns_ = arrived_ns;
  tick_monotonic_ns_ = snapshot->monotonic_ns;
  tick_realtime_ns_ = snapshot->realtime_ns;
  return first;
}

// Ticks between the last snapshot, or the beginning, and this one. The agent's clock knows them best, but
// not when its host was started anew, or lies: ours bounds them.
std::uint64_t StreamSource::missed_until(const Snapshot& snapshot, std::uint64_t now_ns) const {
  if (tick_arrived_ns_ == 0) {
    const std::uint64_t due = (now_ns - begun_ns_) / interval_ns_;
    return due > 0 ? due - 1 : 0;
  }
  const std::uint64_t ours_ns = now_ns - tick_arrived_ns_;
  const std::uint64_t theirs_ns = snapshot.monotonic_ns - tick_monotonic_ns_;  // may wrap: differs
  const bool agree =
      std::max(ours_ns, theirs_ns) - std::min(ours_ns, theirs_ns) < kClockToleranceNs;
  const std::uint64_t ticks = ((agree ? theirs_ns : ours_ns) + interval_ns_ / 2) / interval_ns_;
  return ticks > 0 ? ticks - 1 : 0;
}

// How many of the ticks that an agent claims there can have been, by our clock, beside those that it
// told of before.
std::uint64_t StreamSource::allow(std::uint64_t claimed_count) {
  const std::uint64_t due_count = (monotonic_ns() - begun_ns_) / interval_ns_ + 1;
  told_count_ = std::min(told_count_, due_count);
  const std::uint64_t allowed = std::min(claimed_count, due_count - told_count_);
  told_count_ += allowed;
  return allowed;
}

}  // namespace rezolus
