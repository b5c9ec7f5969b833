// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Messages for people: to standard error through spdlog, coloured only on a terminal, in the form
// that journald likes elsewhere. (The store of frames is called the log; this is logging.)

#include <string_view>

#include <spdlog/spdlog.h>

#include "base/result.h"

namespace rezolus {

// Sets up the default logger. level is error, warn, info, debug or trace; anything else is a usage
// error. Call once, from main, before threads start.
Result<void> set_up_logging(std::string_view level);

}  // namespace rezolus
