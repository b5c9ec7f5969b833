// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What /status says of pushes.

#include <span>

#include <nlohmann/json.hpp>

#include "push/sender.h"

namespace rezolus {

// One object for each target; its `problem` is empty where all is well.
nlohmann::ordered_json push_status_json(std::span<const PushState> states);

}  // namespace rezolus
