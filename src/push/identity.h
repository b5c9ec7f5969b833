// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Who is measured, for receivers: labels of remote write, resource attributes of OTLP.

#include "base/host.h"
#include "http/client.h"
#include "metrics/schema.h"

namespace rezolus {

// For targets that do not say theirs.
struct PushIdentity {
  Labels labels;    // of remote write
  Labels resource;  // of OTLP, by the semantic conventions for hosts, services and systems
};

// source: the agent that is asked; null: this process measures its own host. Of another host only its
// address is known.
PushIdentity push_identity(const Host& host, const Url* source);

}  // namespace rezolus
