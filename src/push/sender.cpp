// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "push/sender.h"

#include <algorithm>
#include <chrono>

#include <pthread.h>

#include "base/logging.h"

namespace rezolus {
namespace {

using Outcome = PushAnswer::Outcome;

constexpr std::uint64_t kBackoffNsMin = 100 * kNsPerMs;
constexpr std::uint64_t kBackoffNsMax = 30 * kNsPerSecond;
constexpr std::uint64_t kMetadataNs = 60 * kNsPerSecond;
constexpr std::uint64_t kSaveNs = kNsPerSecond;
constexpr std::uint64_t kComplainNs = 60 * kNsPerSecond;
constexpr std::uint64_t kIdleNs = kNsPerSecond;
constexpr std::uint64_t kRecentNs = 5 * kNsPerSecond;
// Receivers take so much at least; the Collector 20 MiB, uncompressed.
constexpr std::size_t kBodyBytesMax = 8u << 20;
// Without ticks for so long, and for some intervals, series have ended in between.
constexpr std::uint64_t kSilenceNs = 60 * kNsPerSecond;
constexpr std::uint64_t kSilenceIntervals = 3;
constexpr std::chrono::seconds kStopTime{2};

Labels as_labels(const std::map<std::string, std::string>& own, const Labels& defaults) {
  std::map<std::string, std::string> labels = own;
  for (const auto& [key, value] : defaults) labels.emplace(key, value);
  return {labels.begin(), labels.end()};
}

// OpenTelemetry's names are made of ours, in base units, whatever the page has.
PrometheusOptions page_of(PrometheusOptions page, const PushTarget& target) {
  if (target.protocol == PushProtocol::kOtlp && target.naming == OtlpNaming::kOtel) {
    page.naming = PrometheusNaming::kPrometheus;
    page.folds = {};
  }
  return page;
}

}  // namespace

PushSender::PushSender(const PushTarget& target, const PrometheusOptions& page,
                       const PushIdentity& identity, std::uint64_t tick_ns, PushQueue& queue,
                       std::function<std::vector<ExtraFamily>()> extra)
    : target_(target),
      resource_(as_labels(target.resource, identity.resource)),
      tick_ns_(tick_ns),
      queue_(queue),
      extra_(std::move(extra)),
      position_path_(queue.folder() + "/" + target.name + ".position"),
      client_(&cancel_),
      collector_(page_of(page, target),
                 target.protocol == PushProtocol::kOtlp ? Labels()
                                                        : as_labels(target.labels, identity.labels),
                 target.histograms,
                 target.protocol == PushProtocol::kOtlp ? SampleForm::kPoint : SampleForm::kSeries),
      random_(std::random_device()()) {
  state_.target = target.name;
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "push");
    run();
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
  });
}

PushSender::~PushSender() {
  stop();
  {
    // An answer that is not waited for leaves open whether the samples have arrived.
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kStopTime, [this] { return ended_; });
  }
  cancel_ = true;
  thread_.join();
}

void PushSender::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
}

void PushSender::notify() {
  {
    const std::lock_guard lock(mutex_);
    grown_ = true;
  }
  wake_.notify_all();
}

PushState PushSender::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

// True when it was not told to stop.
bool PushSender::wait(std::uint64_t duration_ns) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, std::chrono::nanoseconds(duration_ns), [this] { return stop_.load(); });
  return !stop_;
}

void PushSender::set_problem(const std::string& problem) {
  const std::lock_guard lock(mutex_);
  if (state_.problem.empty() && !problem.empty()) {
    spdlog::warn("push to {}: {}; what was measured waits in {} and is sent later", target_.name,
                 problem, queue_.folder());
  } else if (!state_.problem.empty() && problem.empty()) {
    spdlog::info("push to {}: it takes samples again", target_.name);
  }
  state_.problem = problem;
}

void PushSender::run() {
  while (!stop_) {
    {
      const std::lock_guard lock(mutex_);
      grown_ = false;
    }
    if (reader_ || open()) read_some();
    if (due()) {
      if (!deliver()) break;
      continue;
    }
    std::uint64_t wait_ns = kIdleNs;
    if (begun_ns_ != 0) {
      const std::uint64_t due_ns = begun_ns_ + target_.batch_delay_ns;
      wait_ns = std::min(wait_ns, due_ns - std::min(due_ns, monotonic_ns()));
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::chrono::nanoseconds(wait_ns), [this] { return stop_ || grown_; });
  }
  if (position_) acknowledge(true);
}

// Where it left off. False while the queue is empty.
bool PushSender::open() {
  auto reader = LogReader::open(queue_.folder());
  if (!reader) return false;
  reader_ = std::move(*reader);
  position_ = read_position(position_path_);
  if (!position_) return true;
  saved_ = *position_;
  if (auto sought = reader_->seek_to(position_->realtime_ns); !sought) {
    spdlog::warn("push to {}: {}", target_.name, sought.error().message);
    (void)reader_->rewind();
  }
  return true;
}

void PushSender::read_some() {
  at_end_ = false;
  while (!stop_ && collector_.sample_count() < target_.samples_per_request_max) {
    auto event = reader_->next();
    if (!event) {
      spdlog::warn("push to {}: {}", target_.name, event.error().message);
      wait(kIdleNs);
      return;
    }
    if (!*event) {
      at_end_ = true;
      return;
    }
    take(**event);
  }
}

void PushSender::take(const FrameEvent& event) {
  const bool gap = event.type == FrameType::kGap;
  if (!gap && event.snapshot == nullptr) return;
  const std::uint64_t realtime_ns = gap ? event.gap.realtime_ns : event.snapshot->realtime_ns;
  // A queue that was begun anew counts from 0, but its times are later.
  if (position_ && read_.tick == 0 && realtime_ns <= position_->realtime_ns &&
      (gap || event.tick < position_->tick)) {
    if (!gap) delivered_ = event.snapshot;
    return;
  }
  if (const SnapshotRef before = std::exchange(delivered_, nullptr)) {
    collector_.seed(before);
    last_ns_ = before->realtime_ns;
  }
  if (begun_ns_ == 0) {
    begun_ns_ = monotonic_ns();
    const std::lock_guard lock(mutex_);
    state_.oldest_ns = realtime_ns;
  }
  if (gap) {
    collector_.end(realtime_ns);
    read_ = {std::max(read_.tick, position_ ? position_->tick : 0), realtime_ns};
    return;
  }
  const std::uint64_t expected = read_.tick != 0 ? read_.tick : position_ ? position_->tick : 0;
  if (expected != 0 && event.tick > expected) {
    const std::lock_guard lock(mutex_);
    state_.lost_ticks += event.tick - expected;
  }
  read_ = {event.tick + 1, realtime_ns};
  const std::uint64_t interval_ns = target_.interval_ns != 0 ? target_.interval_ns : tick_ns_;
  // A tick belongs to the interval that it is nearest to, since it may be a little early or late.
  const auto cell = [&](std::uint64_t ns) { return (ns + tick_ns_ / 2) / interval_ns; };
  if (interval_ns > tick_ns_ && cell(realtime_ns) == cell(last_ns_)) return;
  const std::uint64_t silence_ns = std::max(kSilenceNs, kSilenceIntervals * interval_ns);
  if (last_ns_ != 0 && realtime_ns > last_ns_ + silence_ns) collector_.end(last_ns_ + interval_ns);
  last_ns_ = realtime_ns;
  collector_.add(event.snapshot);
}

bool PushSender::due() const {
  if (begun_ns_ == 0) return false;
  if (collector_.sample_count() >= target_.samples_per_request_max) return true;
  const std::uint64_t interval_ns = target_.interval_ns != 0 ? target_.interval_ns : tick_ns_;
  return interval_ns >= target_.batch_delay_ns ||
         monotonic_ns() >= begun_ns_ + target_.batch_delay_ns;
}

// The batch. False: told to stop, and what was not delivered is sent after the next start.
bool PushSender::deliver() {
  const std::uint64_t now_ns = monotonic_ns();
  if (collector_.sample_count() > 0) {
    // Not while old ticks are made up for: a receiver takes what is much older than the newest that
    // it has for out of order. Where one tick fills a request, the end is not seen.
    const std::uint64_t wall_ns = realtime_ns();
    const bool recent = wall_ns < read_.realtime_ns + kRecentNs + target_.batch_delay_ns;
    if (at_end_ || recent) collector_.add_extra(extra_(), wall_ns);
    if (metadata_ns_ == 0 || now_ns >= metadata_ns_ + kMetadataNs) {
      collector_.add_metadata();
      metadata_ns_ = now_ns;
    }
    for (const RemoteWriteRequest& request : collector_.take(target_.samples_per_request_max)) {
      if (stop_ || !send(request)) return false;
    }
  }
  begun_ns_ = 0;
  position_ = read_;
  {
    const std::lock_guard lock(mutex_);
    state_.oldest_ns = 0;
  }
  queue_.release(target_.name, reader_->sequence());
  acknowledge(false);
  return true;
}

void PushSender::acknowledge(bool now) {
  const std::uint64_t now_ns = monotonic_ns();
  if (position_->tick == saved_.tick && position_->realtime_ns == saved_.realtime_ns) return;
  if (!now && now_ns < saved_ns_ + kSaveNs) return;
  saved_ns_ = now_ns;
  saved_ = *position_;
  if (auto wrote = write_position(position_path_, saved_); !wrote) {
    spdlog::warn("push to {}: after a restart some of it is sent again: {}", target_.name,
                 wrote.error().message);
  }
}

// What is lost to the target, once a minute.
void PushSender::complain(const std::string& problem, std::size_t sample_count) {
  const std::uint64_t now_ns = monotonic_ns();
  if (complained_ns_ != 0 && now_ns < complained_ns_ + kComplainNs) return;
  complained_ns_ = now_ns;
  spdlog::warn("push to {}: {}; {} samples are passed over", target_.name, problem, sample_count);
}

// Until it is delivered or refused. False: told to stop.
bool PushSender::send(const RemoteWriteRequest& request) {
  const auto send_parts = [this](const std::vector<RemoteWriteRequest>& parts) {
    return std::ranges::all_of(parts, [this](const auto& part) { return send(part); });
  };
  const auto body = encode_push(target_, resource_, request);
  if (!body) {
    spdlog::warn("push to {}: {}", target_.name, body.error().message);
    const std::lock_guard lock(mutex_);
    state_.refused_samples += request.sample_count;
    return true;
  }
  if (body->plain_size_bytes > kBodyBytesMax) {
    const auto parts = split(request);
    if (parts.size() > 1) return send_parts(parts);
  }
  std::uint64_t backoff_ns = kBackoffNsMin;
  while (true) {
    const PushAnswer answer = post(body->bytes, request.sample_count);
    const Outcome outcome = answer.outcome;
    if (outcome != Outcome::kRetry) set_problem("");
    if (outcome == Outcome::kDelivered) {
      if (!answer.problem.empty()) complain(answer.problem, answer.unwritten);
      const std::lock_guard lock(mutex_);
      state_.sent_samples += request.sample_count - answer.unwritten;
      state_.refused_samples += answer.unwritten;
      return true;
    }
    if (outcome != Outcome::kRetry) {
      // One sample that is refused must not cost those beside it.
      std::vector<RemoteWriteRequest> parts;
      if (outcome == Outcome::kTooMuch) parts = split_by_time(request);
      if (outcome == Outcome::kTooLarge) parts = split(request);
      if (parts.size() > 1) return send_parts(parts);
      complain(answer.problem, request.sample_count);
      const std::lock_guard lock(mutex_);
      state_.refused_samples += request.sample_count;
      return true;
    }
    set_problem(answer.problem);
    {
      const std::lock_guard lock(mutex_);
      state_.retried_samples += request.sample_count;
    }
    const double jitter = std::uniform_real_distribution<>(0.5, 1.5)(random_);
    const auto wait_ns = std::max(
        answer.wait_ns, static_cast<std::uint64_t>(static_cast<double>(backoff_ns) * jitter));
    backoff_ns = std::min(backoff_ns * 2, kBackoffNsMax);
    if (!wait(wait_ns)) return false;
  }
}

PushAnswer PushSender::post(const std::string& body, std::size_t sample_count) {
  HttpPost options;
  options.timeout_ms = target_.timeout_ns / kNsPerMs;
  options.tls = target_.tls;
  options.username = target_.username;
  add_push_headers(target_, options);
  for (const auto& [name, value] : target_.headers) options.headers.push_back(name + ": " + value);
  // Read each time: who issues them may replace them.
  for (const std::string* path : {&target_.password_file, &target_.bearer_token_file}) {
    if (path->empty()) continue;
    auto secret = read_secret(*path);
    if (!secret) return {.outcome = Outcome::kRetry, .problem = secret.error().message};
    if (path == &target_.password_file) {
      options.password = std::move(*secret);
    } else {
      options.headers.push_back("Authorization: Bearer " + *secret);
    }
  }
  {
    const std::lock_guard lock(mutex_);
    ++state_.requests;
  }
  auto response = client_.post(target_.url, body, options);
  if (!response) return {.outcome = Outcome::kRetry, .problem = response.error().message};
  return understand_push(target_, *response, sample_count);
}

}  // namespace rezolus
