// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The standard OTEL_* variables, for targets of protocol "otlp": what the configuration does not say.

#include <functional>
#include <string>

#include "base/result.h"
#include "push/config.h"

namespace rezolus {

// The value of a variable, or null; ::getenv.
using Environment = std::function<const char*(const char* name)>;

// Fills in what target.given does not name. A variable that is empty is none; one for metrics goes
// before one for all signals. A usage error names the variable whose value is wrong, or is not
// supported.
Result<void> apply_otel_environment(PushTarget& target, const Environment& environment);

}  // namespace rezolus
