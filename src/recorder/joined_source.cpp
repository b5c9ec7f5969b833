// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/joined_source.h"

#include <algorithm>
#include <chrono>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"

namespace rezolus {
namespace {

// How soon a thread that listens notices that it is to end.
constexpr std::uint64_t kListenNs = 100 * kNsPerMs;
constexpr std::uint64_t kBeginNsMax = 2 * kNsPerSecond;
// A source that comes and goes is not told of more often.
constexpr std::uint64_t kNoticePeriodNs = 60 * kNsPerSecond;

SeriesChoice with_origin(SeriesChoice choice, const JoinedInput& input) {
  choice.origin = {{"source", input.name}};
  if (!input.role.empty()) choice.origin.emplace_back("role", input.role);
  return choice;
}

// JSON where the text is JSON, else the text.
nlohmann::json as_json(const std::string& text) {
  if (!text.starts_with('{') && !text.starts_with('[')) return text;
  auto parsed = nlohmann::json::parse(text, nullptr, false);
  return parsed.is_discarded() ? nlohmann::json(text) : parsed;
}

std::string to_text(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

JoinedSource::JoinedSource(std::vector<JoinedInput> inputs, SeriesChoice choice,
                           std::uint64_t timeout_ns,
                           std::function<void(const std::string&)> message,
                           const std::atomic<bool>* cancel)
    : grace_ns_(timeout_ns), message_(std::move(message)), cancel_(cancel) {
  CHECK(!inputs.empty(), "something is joined");
  for (JoinedInput& input : inputs) {
    Projection projection(with_origin(choice, input), "@" + input.name);
    inputs_.push_back(std::make_unique<Input>(std::move(input), std::move(projection)));
  }
  for (const auto& input : inputs_) {
    input->thread = std::thread([this, &input] { run(*input); });
  }
}

JoinedSource::~JoinedSource() { end_threads(); }

void JoinedSource::end_threads() const {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (const auto& input : inputs_) {
    if (input->thread.joinable()) input->thread.join();
  }
}

Result<bool> JoinedSource::begin_ticks(std::uint64_t interval_ns) {
  std::unique_lock lock(mutex_);
  // The rest is for putting the tick together before the next one is due.
  if (inputs_.size() > 1) grace_ns_ = std::min(grace_ns_, interval_ns - interval_ns / 10);
  interval_ns_ = interval_ns;
  changed_.notify_all();
  changed_.wait_for(lock, std::chrono::nanoseconds(kBeginNsMax), [&] {
    return std::ranges::none_of(inputs_, [](const auto& input) { return input->undecided; });
  });
  return false;
}

// A source's own thread: nothing else touches the source.
void JoinedSource::run(Input& input) {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    if (interval_ns_ != 0 && input.undecided) begin_input(input, lock);
    if (input.listens) {
      listen(input, lock);
    } else {
      poll(input, lock);
    }
  }
}

void JoinedSource::begin_input(Input& input, std::unique_lock<std::mutex>& lock) {
  const std::uint64_t interval_ns = interval_ns_;
  lock.unlock();
  auto keeps_time = input.given.source->begin_ticks(interval_ns);
  lock.lock();
  input.undecided = false;
  // One that cannot be reached now is listened to again.
  input.listens = !keeps_time || *keeps_time;
  if (input.listens) input.asked = false;
  if (!keeps_time) put(input, std::unexpected(std::move(keeps_time.error())));
  changed_.notify_all();
}

void JoinedSource::listen(Input& input, std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  auto event = input.given.source->next(monotonic_ns() + kListenNs);
  std::string notice = input.given.source->take_notice();
  lock.lock();
  if (!notice.empty()) input.notice = std::move(notice);
  if (!event) {
    put(input, std::unexpected(std::move(event.error())));
  } else if (*event && (*event)->snapshot != nullptr) {
    put(input, std::move((*event)->snapshot));
  }  // what it missed shows as a tick without its series
}

void JoinedSource::poll(Input& input, std::unique_lock<std::mutex>& lock) {
  changed_.wait(lock,
                [&] { return ending_ || input.asked || (interval_ns_ != 0 && input.undecided); });
  if (ending_ || !input.asked) return;
  const bool failed_before = !input.answer_was_good;
  lock.unlock();
  auto answer = input.given.source->sample();
  lock.lock();
  input.answer_was_good = answer.has_value();
  // It may be another program than before, or it is known only now what it is.
  if (input.answer_was_good && failed_before) input.undecided = true;
  put(input, std::move(answer));
  input.asked = false;
}

void JoinedSource::put(Input& input, Result<SnapshotRef> answer) {
  const bool untaken = input.answer && *input.answer;
  input.failure.reset();
  if (input.listens && untaken && !answer) {
    input.failure = std::move(answer.error());
  } else {
    input.answer = std::move(answer);
    input.answered_ns = monotonic_ns();
  }
  changed_.notify_all();
}

void JoinedSource::ask(Input& input, std::uint64_t now_ns) const {
  const bool came = input.answer && *input.answer;
  if (input.listens) {
    input.waited_for = input.waited_for || came;
  } else if (!input.asked) {  // else it is still busy with an earlier tick
    // What came too late for its tick may have been fast enough for one that waits.
    input.waited_for = input.waited_for || (came && input.answered_ns < input.asked_ns + grace_ns_);
    input.answer.reset();
    input.asked = true;
    input.asked_ns = now_ns;
  } else {
    input.waited_for = false;  // what it is busy with is not for this tick
  }
}

// Whether its answer is one for this tick.
bool JoinedSource::is_fresh(const Input& input, std::uint64_t tick_ns) const {
  if (!input.answer) return false;
  if (!input.listens) return input.asked_ns == tick_ns;
  // A stream whose ticks come just before ours is not waited for that long.
  return input.answered_ns >= tick_ns - std::min(tick_ns, interval_ns_ / 8);
}

// Whether there is something to take: a stream that has failed says nothing until it is back.
bool JoinedSource::fits(const Input& input, std::uint64_t tick_ns) const {
  return input.failure.has_value() || is_fresh(input, tick_ns);
}

// What there is of it for the tick; nothing: too late.
std::optional<Result<SnapshotRef>> JoinedSource::take(Input& input, std::uint64_t tick_ns) {
  if (is_fresh(input, tick_ns)) return std::exchange(input.answer, std::nullopt);
  if (!input.failure) return std::nullopt;
  input.answer.reset();
  return std::unexpected(*std::exchange(input.failure, std::nullopt));
}

std::vector<std::optional<Result<SnapshotRef>>> JoinedSource::gather(std::uint64_t tick_ns) {
  std::vector<std::optional<Result<SnapshotRef>>> answers;
  std::vector<std::string> notices;
  {
    std::unique_lock lock(mutex_);
    for (const auto& input : inputs_) ask(*input, tick_ns);
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::nanoseconds(grace_ns_), [&] {
      return std::ranges::all_of(inputs_, [&](const auto& input) {
        return !input->waited_for || fits(*input, tick_ns);
      });
    });
    for (const auto& input : inputs_) {
      answers.push_back(take(*input, tick_ns));
      // An error that came at once costs nothing to wait for; a stream comes back by itself.
      input->waited_for =
          answers.back().has_value() && (!input->listens || answers.back()->has_value());
      if (input->notice.empty()) continue;
      notices.push_back(
          fmt::format("source {}: {}", input->given.name, std::exchange(input->notice, {})));
    }
  }
  for (const std::string& notice : notices) message_(notice);
  return answers;
}

void JoinedSource::take_note(Input& input, const Error* failure) {
  if (failure != nullptr) {
    ++input.missed_count;
    if (input.failed_count++ > 0) return;
    const std::uint64_t now_ns = monotonic_ns();
    input.told = input.told_ns == 0 || now_ns > input.told_ns + kNoticePeriodNs;
    if (!input.told) return;
    input.told_ns = now_ns;
    message_(fmt::format("source {}: {}; its series are absent until it is back", input.given.name,
                         failure->message));
    return;
  }
  if (input.failed_count > 0 && input.told) {
    message_(
        fmt::format("source {} is back after {} missed", input.given.name, input.failed_count));
  }
  input.failed_count = 0;
}

Result<SnapshotRef> JoinedSource::sample() {
  auto joined = std::make_shared<Snapshot>();
  joined->realtime_ns = realtime_ns();
  joined->monotonic_ns = monotonic_ns();
  const auto answers = gather(joined->monotonic_ns);
  joined->duration_ns = monotonic_ns() - joined->monotonic_ns;
  ++tick_count_;

  const Error late{"did not answer in time"};
  const Error* failure = nullptr;
  bool any = false;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const bool failed = !answers[i] || !*answers[i];
    if (failed && cancel_ != nullptr && *cancel_) return error("the recording was ended");
    const Error* cause = !answers[i] ? &late : *answers[i] ? nullptr : &answers[i]->error();
    take_note(*inputs_[i], cause);
    if (cause != nullptr) {
      failure = cause;
      continue;
    }
    any = true;
    inputs_[i]->projection.follow((**answers[i])->schema, builder_);
  }
  if (!any)
    return error("no source answered; {}: {}", inputs_.back()->given.name, failure->message);
  if (const auto renumbered = builder_.compact(); !renumbered.empty()) {
    for (const auto& input : inputs_) input->projection.renumber(renumbered);
  }
  joined->schema = builder_.publish();
  resize_to_schema(*joined);
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (answers[i] && *answers[i]) inputs_[i]->projection.copy(***answers[i], *joined);
  }
  return SnapshotRef(std::move(joined));
}

std::string JoinedSource::description() const {
  std::vector<std::string> parts;
  for (const auto& input : inputs_) {
    parts.push_back(fmt::format("{} ({})", input->given.name, input->given.source->description()));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

SourceMetadata JoinedSource::facts() {
  SourceMetadata facts;
  nlohmann::json names = nlohmann::json::array();
  nlohmann::json sources;
  nlohmann::json descriptions = nlohmann::json::object();
  for (const auto& input : inputs_) {
    const JoinedInput& given = input->given;
    names.push_back(given.name);
    nlohmann::json& about = sources[given.name];
    if (!given.role.empty()) about["role"] = given.role;
    for (const auto& [key, value] : given.facts) {
      if (key == kMetaDescriptions) {
        descriptions.update(as_json(value));
      } else if (key != kMetaSource) {
        about[key] = as_json(value);
      }
      // Upstream's files have one host's.
      if (key == kMetaSystemInfo || key == kMetaVersion) facts.try_emplace(key, value);
    }
  }
  facts[std::string(kMetaSource)] = inputs_.size() == 1 ? inputs_[0]->given.name : to_text(names);
  facts["sources"] = to_text(sources);
  facts[std::string(kMetaDescriptions)] = to_text(descriptions);
  return facts;
}

SourceMetadata JoinedSource::closing_facts() {
  nlohmann::json missed = nlohmann::json::object();
  for (const auto& input : inputs_) missed[input->given.name] = input->missed_count;
  return {{std::string(kMetaMissedTicksBySource), to_text(missed)}};
}

std::string JoinedSource::complaint() const {
  end_threads();
  std::vector<std::string> all;
  for (const auto& input : inputs_) {
    if (input->missed_count > 0) {
      all.push_back(fmt::format("source {} is absent from {} of {} samples", input->given.name,
                                input->missed_count, tick_count_));
    }
    if (std::string one = input->given.source->complaint(); !one.empty()) {
      all.push_back(std::move(one));
    }
  }
  return fmt::format("{}", fmt::join(all, "; "));
}

}  // namespace rezolus
