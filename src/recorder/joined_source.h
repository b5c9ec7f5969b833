// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Several sources as one: their series stand side by side in one snapshot, told apart by the label
// `source`. A tick asks those that are polled, all at the same time, and takes the newest snapshot of
// those that stream. One that fails or is late leaves its series absent for that tick.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "recorder/projection.h"
#include "recorder/source.h"

namespace rezolus {

struct JoinedInput {
  std::unique_ptr<SnapshotSource> source;
  std::string name;      // the label `source`
  std::string role;      // the label `role`; empty: none
  SourceMetadata facts;  // of this source
};

class JoinedSource : public SnapshotSource {
 public:
  // choice: what is recorded of all of them. timeout_ns: how long a tick waits for answers at most.
  // message: takes a sentence when a source begins to fail and when it is back; called by sample().
  // cancel: as in HttpClient; what fails then is not told.
  JoinedSource(std::vector<JoinedInput> inputs, SeriesChoice choice, std::uint64_t timeout_ns,
               std::function<void(const std::string&)> message,
               const std::atomic<bool>* cancel = nullptr);
  // Waits for answers that are still under way.
  ~JoinedSource() override;

  // False: sample() is to be called. Sources that keep time themselves are listened to from now on,
  // and no tick of several sources waits longer than most of the interval.
  Result<bool> begin_ticks(std::uint64_t interval_ns) override;
  // An error when no source answered. One that did not answer in time is not waited for again until
  // something came of it.
  Result<SnapshotRef> sample() override;
  [[nodiscard]] std::string description() const override;
  // `source` lists the names; `sources` has the facts of each, as JSON.
  SourceMetadata facts() override;
  // How many ticks each source missed, as JSON.
  SourceMetadata closing_facts() override;
  AbsentReasons absent_reasons() override { return {}; }  // a metric can have one at each source
  // Ends the threads: nothing is sampled afterwards.
  [[nodiscard]] std::string complaint() const override;

 private:
  struct Input {
    Input(JoinedInput one, Projection how) : given(std::move(one)), projection(std::move(how)) {}
    JoinedInput given;
    Projection projection;
    std::thread thread;
    // Guarded by mutex_.
    bool listens = false;   // it streams; else it is asked
    bool undecided = true;  // whether it does is to be found out
    bool asked = false;     // and has not answered yet
    std::uint64_t asked_ns = 0;
    std::optional<Result<SnapshotRef>> answer;  // the newest that was not taken
    std::uint64_t answered_ns = 0;
    // Came behind a snapshot that was not taken, and is for the tick after that one's. Of a stream.
    std::optional<Error> failure;
    bool answer_was_good = false;
    std::string notice;
    // Of the thread that samples.
    bool waited_for = true;
    std::uint64_t failed_count = 0;  // in a row
    std::uint64_t missed_count = 0;  // in all
    bool told = false;               // that it fails
    std::uint64_t told_ns = 0;
  };

  void run(Input& input);
  void begin_input(Input& input, std::unique_lock<std::mutex>& lock);
  void listen(Input& input, std::unique_lock<std::mutex>& lock);
  void poll(Input& input, std::unique_lock<std::mutex>& lock);
  void put(Input& input, Result<SnapshotRef> answer);
  void ask(Input& input, std::uint64_t now_ns) const;
  [[nodiscard]] bool is_fresh(const Input& input, std::uint64_t tick_ns) const;
  [[nodiscard]] bool fits(const Input& input, std::uint64_t tick_ns) const;
  std::optional<Result<SnapshotRef>> take(Input& input, std::uint64_t tick_ns);
  std::vector<std::optional<Result<SnapshotRef>>> gather(std::uint64_t tick_ns);
  void end_threads() const;
  void take_note(Input& input, const Error* failure);

  std::vector<std::unique_ptr<Input>> inputs_;
  std::uint64_t grace_ns_;  // how long a tick waits
  std::uint64_t tick_count_ = 0;
  const std::function<void(const std::string&)> message_;
  const std::atomic<bool>* const cancel_;
  SchemaBuilder builder_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable bool ending_ = false;
  std::uint64_t interval_ns_ = 0;  // 0: nobody listens yet
};

}  // namespace rezolus
