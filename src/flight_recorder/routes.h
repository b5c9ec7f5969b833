// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What a flight recorder answers over HTTP, on TCP where it is told to and on its Unix socket. A
// snapshot that is asked for while another is made waits for its turn, up to
// SnapshotQueue::kWaitingMax.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "flight_recorder/access.h"
#include "flight_recorder/alerts.h"
#include "flight_recorder/buffer.h"
#include "flight_recorder/options.h"
#include "flight_recorder/pages.h"
#include "flight_recorder/rule_thread.h"
#include "flight_recorder/snapshot_history.h"
#include "flight_recorder/snapshot_queue.h"
#include "http/server.h"

namespace rezolus {

class FlightRoutes {
 public:
  // All of these outlive the server that has the routes.
  // rules: null where there are none.
  FlightRoutes(const FlightOptions& options, const FlightBuffer& buffer, SnapshotQueue& snapshots,
               const Uploads* uploads, const RuleThread* rules, SnapshotHistory& history);

  std::vector<http::Route> routes();
  // Who serves, for what it listens on and counts; null before it ends. Any thread.
  void set_server(const http::Server* server) { server_ = server; }

 private:
  // To the output: what POST /snapshot and POST /dump/file share.
  void make_file(const http::Request& request, const http::Responder& responder, bool dump);
  // As the answer: GET /snapshot and GET /dump.
  void stream_file(const http::Request& request, const http::Responder& responder, bool dump);
  void take_alerts(const http::Request& request, const http::Responder& responder);
  [[nodiscard]] FlightFacts facts() const;
  http::Response metrics(const http::Request& request);

  const FlightOptions& options_;
  const FlightBuffer& buffer_;
  SnapshotQueue& snapshots_;
  const Uploads* const uploads_;  // null: OUTPUT is a file
  const RuleThread* const rules_;
  SnapshotHistory& history_;  // noted in by the thread of the snapshots
  const bool has_credentials_;  // there are some that a client could have
  const std::uint64_t started_realtime_ns_;
  const std::shared_ptr<AlertCooldown> cooldown_;  // shared with what is told when a snapshot fails
  // Owned by the server's thread:
  PrometheusEncoder prometheus_;
  std::uint64_t stream_index_ = 0;
  std::atomic<const http::Server*> server_ = nullptr;
};

}  // namespace rezolus
