// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A source that somebody looks at while it is recorded: its snapshots as they come, and where they are
// missing.

#include <functional>
#include <memory>
#include <utility>

#include "recorder/source.h"

namespace rezolus {

struct SourceObserver {
  // A snapshot came; after_outage: the first at all, or since the source failed.
  std::function<void(const SnapshotRef&, bool after_outage)> on_snapshot;
  std::function<void()> on_gap;  // ticks are missing, or the source failed
};

class ObservedSource final : public SnapshotSource {
 public:
  ObservedSource(SnapshotSource& source, SourceObserver observer)
      : source_(source), observer_(std::move(observer)) {}

  Result<SnapshotRef> sample() override {
    auto snapshot = source_.sample();
    if (snapshot) {
      observer_.on_snapshot(*snapshot, std::exchange(outage_, false));
    } else {
      outage_ = true;
      observer_.on_gap();
    }
    return snapshot;
  }
  Result<bool> begin_ticks(std::uint64_t interval_ns) override {
    return source_.begin_ticks(interval_ns);
  }
  Result<std::optional<SourceEvent>> next(std::uint64_t deadline_ns) override {
    auto event = source_.next(deadline_ns);
    if (!event) {
      outage_ = true;
      observer_.on_gap();
    } else if (*event && (*event)->snapshot) {
      observer_.on_snapshot((*event)->snapshot, std::exchange(outage_, false));
    } else if (*event) {
      observer_.on_gap();
    }
    return event;
  }
  std::string take_notice() override { return source_.take_notice(); }
  [[nodiscard]] std::string description() const override { return source_.description(); }
  SourceMetadata facts() override { return source_.facts(); }
  AbsentReasons absent_reasons() override { return {}; }

 private:
  SnapshotSource& source_;
  const SourceObserver observer_;
  bool outage_ = true;
};

}  // namespace rezolus
