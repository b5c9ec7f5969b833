// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Pushes what a source says to the targets of a configuration, through a queue on disk.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "metrics/snapshot.h"
#include "push/config.h"
#include "push/queue.h"
#include "push/sender.h"
#include "wire/prometheus.h"

namespace rezolus {

class Push {
 public:
  // page: what becomes of the metrics, as on a page; what it refers to outlives this. tick_ns: how
  // often put() is called. own_prefix: of the names of families(), rezolus_exporter_push.
  static Result<std::unique_ptr<Push>> start(const PushConfig& config,
                                             const PrometheusOptions& page,
                                             const PushIdentity& identity,
                                             std::uint64_t tick_ns, std::string own_prefix,
                                             std::function<std::vector<ExtraFamily>()> extra);
  ~Push();

  // One thread; null: the source does not answer, for that reason.
  void put(SnapshotRef snapshot, const std::string& reason);

  // Any thread.
  [[nodiscard]] std::vector<PushState> states() const;
  [[nodiscard]] std::vector<ExtraFamily> families() const;

 private:
  explicit Push(std::string own_prefix) : own_prefix_(std::move(own_prefix)) {}
  void notify();

  const std::string own_prefix_;
  std::unique_ptr<PushQueue> queue_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<PushSender>> senders_;  // guarded by mutex_ until all have started
  bool outage_ = false;          // these two are of put()
  std::uint64_t last_ns_ = 0;
};

}  // namespace rezolus
