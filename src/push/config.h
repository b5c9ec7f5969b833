// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What `[[push]]` and `[push_queue]` of a configuration say: where samples are sent to, and how much of
// them waits on disk while a receiver does not take them.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/toml_keys.h"
#include "http/client.h"
#include "metrics/schema.h"
#include "wire/otlp_names.h"
#include "wire/remote_write.h"

namespace rezolus {

inline constexpr std::size_t kPushTargetsMax = 16;

// Of labels, headers and resource attributes of a target, each.
inline constexpr std::size_t kPushPairsMax = 32;

enum class PushProtocol : std::uint8_t { kRemoteWrite1, kRemoteWrite2, kOtlp };

struct PushTarget {
  std::string name;  // of its metrics and of its position in the queue; from the URL unless given
  std::string address;
  Url url;                        // the same, understood
  std::uint64_t interval_ns = 0;  // 0: every tick
  std::uint64_t batch_delay_ns = kNsPerSecond;
  std::uint64_t timeout_ns = 30 * kNsPerSecond;
  std::size_t samples_per_request_max = 10'000;
  PushProtocol protocol = PushProtocol::kRemoteWrite1;
  RemoteHistograms histograms = RemoteHistograms::kClassic;
  std::string username;
  std::string password_file;
  std::string bearer_token_file;
  HttpTls tls;
  std::map<std::string, std::string> headers;
  std::map<std::string, std::string> labels;    // remote write
  std::map<std::string, std::string> resource;  // OTLP: attributes of what is measured
  OtlpNaming naming = OtlpNaming::kOtel;
  bool gzip = true;             // OTLP
  std::set<std::string> given;  // keys that the configuration has

  bool operator==(const PushTarget&) const = default;
};

struct PushConfig {
  std::vector<PushTarget> targets;
  std::string queue_folder;
  std::string queue_name = "push";  // of the folder, unless the configuration names it
  std::uint64_t queue_size_bytes_max = 256u << 20;
  std::uint64_t queue_age_ns_max = 24 * 3600 * kNsPerSecond;

  bool operator==(const PushConfig&) const = default;
};

// For the key table of a mode that pushes; push outlives them.
std::vector<config::Key> push_keys(PushConfig& push);

// Fills in what follows from the rest and, for OTLP, from the variables of the environment, and refuses
// what cannot work. tick_ns: how often there is something to send.
Result<void> complete(PushConfig& push, std::uint64_t tick_ns);

// Whether a header may be sent. authorization: that one may be, too.
Result<void> check_push_header(const std::string& name, const std::string& value,
                               bool authorization);
Result<void> check_resource_attribute(const std::string& key, const std::string& value);

}  // namespace rezolus
