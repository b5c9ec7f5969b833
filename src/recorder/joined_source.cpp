// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/joined_source.h"

#include <chrono>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"

namespace rezolus {
namespace {

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
    : timeout_ns_(timeout_ns), message_(std::move(message)), cancel_(cancel) {
  CHECK(!inputs.empty(), "something is joined");
  for (JoinedInput& input : inputs) {
    Projection projection(with_origin(choice, input), "@" + input.name);
    inputs_.push_back(
        std::make_unique<Input>(Input{std::move(input), std::move(projection), {}, {}, {}, 0}));
  }
  for (const auto& input : inputs_) {
    input->thread = std::thread([this, &input] { answer_asked(*input); });
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

// A source's own thread: nothing else touches the source while it is asked.
void JoinedSource::answer_asked(Input& input) {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return ending_ || (input.asked && !input.answer); });
    if (ending_) return;
    lock.unlock();
    auto answer = input.given.source->sample();
    lock.lock();
    input.answer = std::move(answer);
    input.asked = false;
    changed_.notify_all();
    changed_.wait(lock, [&] { return ending_ || input.asked; });
  }
}

void JoinedSource::take_note(Input& input, const Error* failure) {
  if (failure != nullptr) {
    if (input.failed_count++ == 0) {
      message_(fmt::format("source {}: {}; its series are absent until it is back",
                           input.given.name, failure->message));
    }
    return;
  }
  if (input.failed_count > 0) {
    message_(
        fmt::format("source {} is back after {} missed", input.given.name, input.failed_count));
  }
  input.failed_count = 0;
}

Result<SnapshotRef> JoinedSource::sample() {
  auto joined = std::make_shared<Snapshot>();
  joined->realtime_ns = realtime_ns();
  joined->monotonic_ns = monotonic_ns();
  std::vector<std::optional<Result<SnapshotRef>>> answers(inputs_.size());
  {
    std::unique_lock lock(mutex_);
    std::vector<bool> asked_now(inputs_.size());
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      Input& input = *inputs_[i];
      if (input.asked) continue;  // still busy with an earlier tick
      input.answer.reset();       // one that came too late for its tick
      input.asked = true;
      asked_now[i] = true;
    }
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::nanoseconds(timeout_ns_), [&] {
      for (std::size_t i = 0; i < inputs_.size(); ++i) {
        if (asked_now[i] && inputs_[i]->asked) return false;
      }
      return true;
    });
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (asked_now[i] && !inputs_[i]->asked) answers[i] = std::exchange(inputs_[i]->answer, {});
    }
  }
  joined->duration_ns = monotonic_ns() - joined->monotonic_ns;

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

std::string JoinedSource::complaint() const {
  end_threads();
  std::string all;
  for (const auto& input : inputs_) {
    const std::string one = input->given.source->complaint();
    if (!one.empty()) all += (all.empty() ? "" : "; ") + one;
  }
  return all;
}

}  // namespace rezolus
