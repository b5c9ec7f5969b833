// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Whether a client takes what is written to it. What it has acknowledged counts, not what the kernel keeps
// for it: that may be megabytes for one who reads nothing.

#include <chrono>
#include <cstdint>
#include <optional>

#include "http/server.h"

namespace rezolus::http {

class WritePatience {
 public:
  using Clock = std::chrono::steady_clock;

  // Something is about to be written. acknowledged_bytes: Channel's.
  void begin(std::uint64_t acknowledged_bytes, Clock::time_point now) {
    acknowledged_bytes_ = acknowledged_bytes;
    begun_ = now;
  }

  // Since when the client is waited for: it had limits.write_patience, and longer for what it took, by
  // limits.write_bytes_per_s_min. Nothing: it keeps up.
  [[nodiscard]] std::optional<Clock::time_point> over_since(std::uint64_t acknowledged_bytes,
                                                            Clock::time_point now,
                                                            const ServerLimits& limits) const {
    const std::uint64_t taken_bytes =
        acknowledged_bytes > acknowledged_bytes_ ? acknowledged_bytes - acknowledged_bytes_ : 0;
    const auto earned =
        std::chrono::milliseconds(taken_bytes * 1000 / limits.write_bytes_per_s_min);
    const Clock::time_point until = begun_ + limits.write_patience + earned;
    return now > until ? std::optional(until) : std::nullopt;
  }

 private:
  std::uint64_t acknowledged_bytes_ = 0;
  Clock::time_point begun_;
};

}  // namespace rezolus::http
