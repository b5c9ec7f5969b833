// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <string>
#include <string_view>

namespace rezolus::http {

// Whom limits by peer count as one: an IPv4 address, or the /64 of an IPv6 address, since whoever has one
// address of such a network has them all. A link's addresses of its own (fe80::) are one network, too.
std::string peer_group(std::string_view address);

}  // namespace rezolus::http
