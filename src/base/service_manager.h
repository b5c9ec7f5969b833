// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <string_view>

namespace rezolus {

// Tells systemd, where it asked to be told (Type=notify): "READY=1", "STOPPING=1".
void notify_service_manager(std::string_view state);

}  // namespace rezolus
