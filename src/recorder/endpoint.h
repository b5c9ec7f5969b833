// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What `record --endpoint URL,source=…,role=…,protocol=…,ca_file=…` names: an agent, ours or upstream's, or
// anything that Prometheus could scrape.

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "recorder/source.h"

namespace rezolus {

enum class Protocol { kAuto, kRezolus, kPrometheus };

struct Endpoint {
  Url url;
  std::string source;  // empty: not said
  std::string role;    // empty: not said
  Protocol protocol = Protocol::kAuto;
};

// Usage errors name the option that is not known, or what is wrong with the URL.
Result<Endpoint> parse_endpoint(std::string_view text);

// Asks an endpoint in its protocol. Where that is not said, an address without a path is asked for
// an agent's snapshot and then for a Prometheus page; with a path, what is answered there says by its
// Content-Type what it is. Finding out is tried again at each sample until something answers. Agents
// that stream are listened to once begin_ticks() is called and they are known to be agents.
class EndpointSource : public SnapshotSource {
 public:
  EndpointSource(Endpoint endpoint, std::uint64_t timeout_ms, const std::atomic<bool>* cancel);

  Result<SnapshotRef> sample() override;
  Result<bool> begin_ticks(std::uint64_t interval_ns) override;
  Result<std::optional<SourceEvent>> next(std::uint64_t deadline_ns) override;
  std::string take_notice() override { return source_ ? source_->take_notice() : ""; }
  [[nodiscard]] std::string description() const override;
  SourceMetadata facts() override;
  AbsentReasons absent_reasons() override;
  [[nodiscard]] std::string complaint() const override;

  // As StreamSource has it, once it is known to be an agent.
  void read_at_once() { at_once_ = true; }

  // `source` as given, else "rezolus" for an agent and host-port for any other.
  [[nodiscard]] std::string name() const;

 private:
  [[nodiscard]] std::unique_ptr<SnapshotSource> make(Protocol protocol) const;
  [[nodiscard]] Result<Protocol> ask_protocol() const;

  const Endpoint endpoint_;
  const std::uint64_t timeout_ms_;
  const std::atomic<bool>* const cancel_;
  bool at_once_ = false;
  Protocol protocol_;                       // kAuto: not found out yet
  std::unique_ptr<SnapshotSource> source_;  // null: not found out yet
};

}  // namespace rezolus
