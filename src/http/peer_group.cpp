// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/peer_group.h"

#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace rezolus::http {

std::string peer_group(std::string_view address) {
  const std::string literal(address.substr(0, address.find('%')));  // fe80::1%eth0
  in6_addr network{};
  if (::inet_pton(AF_INET6, literal.c_str(), &network) != 1) return std::string(address);
  std::memset(network.s6_addr + 8, 0, 8);
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(AF_INET6, &network, text, sizeof text);
  return std::string(text) + "/64";
}

}  // namespace rezolus::http
