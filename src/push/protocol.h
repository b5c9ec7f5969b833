// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the protocols of `[[push]]` differ in: the bytes of a request, its headers, and what an answer
// means.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/client.h"
#include "push/config.h"
#include "wire/remote_write.h"

namespace rezolus {

struct PushAnswer {
  enum class Outcome {
    kDelivered,
    kRefused,  // for good
    kTooMuch,   // for good, but ticks of it may be taken
    kTooLarge,  // the same for parts of a tick
    kRetry,
  };
  Outcome outcome = Outcome::kRetry;
  std::uint64_t wait_ns = 0;    // kRetry: as long as the target asks for
  std::string problem;          // unless it is delivered whole
  std::uint64_t unwritten = 0;  // delivered: samples that the target says it has not taken
};

struct PushBody {
  std::string bytes;  // compressed as the target wants it
  std::size_t plain_size_bytes = 0;  // before; where that is not known, of bytes
};

// The body of a request. resource: OTLP's attributes.
Result<PushBody> encode_push(const PushTarget& target, const Labels& resource,
                                const RemoteWriteRequest& request);

// Content-Type and what goes with it, whole lines, but no credentials; and which headers of the answer
// understand_push() looks at.
void add_push_headers(const PushTarget& target, HttpPost& post);

PushAnswer understand_push(const PushTarget& target, const HttpResponse& response,
                           std::size_t sample_count);

}  // namespace rezolus
