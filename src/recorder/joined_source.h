// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Several sources as one: each tick asks all of them at the same time, and their series stand side
// by side in one snapshot, told apart by the label `source`. One that fails or is late leaves its
// series absent for that tick.

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
  // choice: what is recorded of all of them. timeout_ns: how long a tick waits for answers.
  // message: takes a sentence when a source begins to fail and when it is back; called by sample().
  // cancel: as in HttpClient; what fails then is not told.
  JoinedSource(std::vector<JoinedInput> inputs, SeriesChoice choice, std::uint64_t timeout_ns,
               std::function<void(const std::string&)> message,
               const std::atomic<bool>* cancel = nullptr);
  // Waits for answers that are still under way.
  ~JoinedSource() override;

  // An error when no source answered.
  Result<SnapshotRef> sample() override;
  [[nodiscard]] std::string description() const override;
  // `source` lists the names; `sources` has the facts of each, as JSON.
  SourceMetadata facts() override;
  AbsentReasons absent_reasons() override { return {}; }  // a metric can have one at each source
  // Ends the threads: nothing is sampled afterwards.
  [[nodiscard]] std::string complaint() const override;

 private:
  struct Input {
    JoinedInput given;
    Projection projection;
    std::thread thread;
    // Guarded by mutex_.
    bool asked = false;  // and has not answered yet
    std::optional<Result<SnapshotRef>> answer;
    // Of the thread that samples.
    std::uint64_t failed_count = 0;  // in a row
  };

  void answer_asked(Input& input);
  void end_threads() const;
  void take_note(Input& input, const Error* failure);

  std::vector<std::unique_ptr<Input>> inputs_;
  const std::uint64_t timeout_ns_;
  const std::function<void(const std::string&)> message_;
  const std::atomic<bool>* const cancel_;
  SchemaBuilder builder_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable bool ending_ = false;
};

}  // namespace rezolus
