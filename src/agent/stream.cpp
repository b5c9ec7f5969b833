// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "agent/stream.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "recording/frame/stream_metadata.h"

namespace rezolus {
namespace {

constexpr std::string_view kLate = "the agent's sampling thread was late";
constexpr std::string_view kShare = "the listeners' share of CPU time";
constexpr std::string_view kSlow = "the listener was too slow";

// "1s%20500ms" -> "1s 500ms"; what is no escape stays as it is.
std::string decode_percent(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 &&
        digit(text[i + 2]) >= 0) {
      plain += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      plain += text[i] == '+' ? ' ' : text[i];
    }
  }
  return plain;
}

}  // namespace

Result<StreamQuery> parse_stream_query(std::string_view query) {
  StreamQuery asked;
  while (!query.empty()) {
    const std::string_view item = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), item.size() + 1));
    if (item.empty()) continue;
    const std::size_t equals = item.find('=');
    const std::string_view key = item.substr(0, equals);
    const bool batch = key == "batch";
    if ((!batch && key != "interval") || equals == std::string_view::npos) {
      return usage_error("/stream takes interval=DURATION, batch=DURATION and nothing else");
    }
    auto parsed = parse_duration_ns(decode_percent(item.substr(equals + 1)));
    if (!parsed) {
      return usage_error("{}: {}; write {}", key, parsed.error().message,
                         batch ? "0s to 1s, such as batch=20ms"
                               : "1ms to 24h, such as interval=10ms");
    }
    if (batch && *parsed > kStreamBatchNsMax) {
      return usage_error("batch: {} is not possible; it is 0s to 1s", format_duration(*parsed));
    }
    if (!batch && (*parsed < kStreamIntervalNsMin || *parsed > kStreamIntervalNsMax)) {
      return usage_error("interval: {} is not possible; it is 1ms to 24h",
                         format_duration(*parsed));
    }
    (batch ? asked.batch_ns : asked.interval_ns) = *parsed;
  }
  return asked;
}

class StreamListener::Mailbox {
 public:
  explicit Mailbox(Wake wake) : wake_(std::move(wake)) {}

  // wait_ns: for how long ticks may wait for those after them.
  void put(const SampledTick& tick, std::uint64_t wait_ns) {
    bool due = false;
    {
      const std::lock_guard lock(mutex_);
      if (ticks_.size() < kStreamMailboxTicksMax) {
        ticks_.push_back(tick);
      } else {
        if (lost_.missed_count == 0) {
          lost_.realtime_ns =
              tick.missed_count > 0 ? tick.missed_realtime_ns : tick.snapshot->realtime_ns;
        }
        lost_.missed_count += tick.missed_count + 1;
      }
      const std::uint64_t first_ns = ticks_.front().snapshot->monotonic_ns;
      due = tick.snapshot->monotonic_ns >= first_ns + wait_ns ||
            ticks_.size() >= kStreamBatchTicksMax;
    }
    if (due) wake_();
  }

  // Moves what came into ticks, which is empty; what was lost came after them.
  Gap take(std::vector<SampledTick>& ticks) {
    const std::lock_guard lock(mutex_);
    std::swap(ticks, ticks_);
    return std::exchange(lost_, {});
  }

 private:
  const Wake wake_;
  std::mutex mutex_;
  // Guarded by mutex_:
  std::vector<SampledTick> ticks_;
  Gap lost_;
};

StreamListener::StreamListener(SamplingThread& sampling, const StreamQuery& query,
                               const SourceMetadata& metadata, StreamCounters& counters,
                               StreamBudget* budget)
    : sampling_(sampling),
      interval_ns_(query.interval_ns),
      batch_ns_(query.batch_ns),
      counters_(counters),
      budget_(budget),
      member_(query.interval_ns),
      granted_ns_(query.interval_ns),
      encoder_(metadata) {
  ++counters_.listeners;
  if (budget_ != nullptr) budget_->join(member_, monotonic_ns());
}

StreamListener::~StreamListener() {
  if (budget_ != nullptr) budget_->leave(member_);
  --counters_.listeners;
}

void StreamListener::begin(Wake wake) {
  ++counters_.opened;
  mailbox_ = std::make_shared<Mailbox>(std::move(wake));
  subscribe();
}

// Ticks at multiples of a whole interval are ticks of the interval as well.
void StreamListener::subscribe() {
  granted_ns_ = member_.granted_ns;
  // The next tick would be too late for the first of a batch that has waited for longer than this.
  const std::uint64_t wait_ns = batch_ns_ > granted_ns_ ? batch_ns_ - granted_ns_ : 0;
  subscription_.reset();
  subscription_ = sampling_.subscribe(
      granted_ns_, [mailbox = mailbox_, wait_ns](const SampledTick& tick) {
        mailbox->put(tick, wait_ns);
      });
}

void StreamListener::spent(std::uint64_t cpu_ns) {
  if (budget_ != nullptr) budget_->spend(member_, cpu_ns);
}

void StreamListener::fill(std::string& pending) {
  if (pending.empty()) pending_ticks_ = 0;
  // The first tick of a long interval is far away: the metadata says that the stream is open. It
  // cannot exceed a limit, and later calls append nothing.
  encoder_.encode_metadata(pending);
  ticks_.clear();
  const Gap lost = mailbox_->take(ticks_);
  for (const SampledTick& tick : ticks_) take(tick, pending);
  // While ticks are granted seldom, the next one tells by its time what was before it.
  if (granted_ns_ == interval_ns_) miss(lost.realtime_ns, lost.missed_count, kSlow);
  ticks_.clear();  // snapshots are large
  if (member_.granted_ns == granted_ns_ || subscription_ == nullptr) return;
  subscribe();
  regranted_ = true;
  encoder_.add_metadata({{std::string(kMetaGrantedInterval), std::to_string(granted_ns_)}});
  encoder_.encode_metadata(pending);
}

// Ticks of the interval that was asked for, between the last one and this.
void StreamListener::miss_before(const SampledTick& tick) {
  if (granted_ns_ == interval_ns_ && !regranted_) {
    return miss(tick.missed_realtime_ns, tick.missed_count, kLate);
  }
  regranted_ = false;
  const Snapshot& snapshot = *tick.snapshot;
  if (seen_monotonic_ns_ == 0 || snapshot.monotonic_ns <= seen_monotonic_ns_) return;
  const std::uint64_t elapsed_ns = snapshot.monotonic_ns - seen_monotonic_ns_;
  const std::uint64_t count = (elapsed_ns + interval_ns_ / 2) / interval_ns_;
  if (count <= 1) return;
  miss(snapshot.realtime_ns - (count - 1) * interval_ns_, count - 1, kShare);
}

void StreamListener::take(const SampledTick& tick, std::string& pending) {
  miss_before(tick);
  seen_monotonic_ns_ = tick.snapshot->monotonic_ns;
  if (budget_ != nullptr) {
    budget_->tick(member_, tick.snapshot->monotonic_ns, tick.cpu_ns, monotonic_ns());
  }
  const bool room =
      pending.size() < kStreamPendingBytesMax && pending_ticks_ < kStreamPendingTicksMax;
  if (!room) return miss(tick.snapshot->realtime_ns, 1, kSlow);
  put_gap(pending);
  if (auto encoded = encoder_.encode(*tick.snapshot, pending); !encoded) {
    return miss(tick.snapshot->realtime_ns, 1, encoded.error().message);
  }
  ++pending_ticks_;
}

void StreamListener::miss(std::uint64_t realtime_ns, std::uint64_t count, std::string_view reason) {
  if (count == 0) return;
  counters_.missed_ticks += count;
  if (gap_.missed_count == 0) {
    gap_.realtime_ns = realtime_ns;
    gap_.reason = reason;
  }
  gap_.missed_count += count;
}

void StreamListener::put_gap(std::string& pending) {
  if (gap_.missed_count == 0) return;
  FrameEncoder::encode_gap(std::exchange(gap_, {}), pending);
}

void StreamListener::keep_alive(std::string& pending) {
  encoder_.add_metadata({});
  encoder_.encode_metadata(pending);
}

void StreamListener::end(std::string& pending) {
  subscription_.reset();
  fill(pending);
  put_gap(pending);
  encoder_.encode_end(pending);
}

}  // namespace rezolus
