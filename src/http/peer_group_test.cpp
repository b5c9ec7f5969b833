// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/peer_group.h"

#include <gtest/gtest.h>

namespace rezolus::http {
namespace {

TEST(PeerGroup, AnIpv4AddressIsByItself) {
  EXPECT_EQ(peer_group("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(peer_group(""), "") << "a Unix socket";
}

TEST(PeerGroup, AnIpv6AddressIsItsNetwork) {
  EXPECT_EQ(peer_group("2001:db8:1:2::1"), "2001:db8:1:2::/64");
  EXPECT_EQ(peer_group("2001:db8:1:2:ffff:ffff:ffff:ffff"), "2001:db8:1:2::/64");
  EXPECT_EQ(peer_group("2001:db8:1:3::1"), "2001:db8:1:3::/64");
  EXPECT_EQ(peer_group("::1"), "::/64");
  EXPECT_EQ(peer_group("fe80::1:2%eth0"), "fe80::/64");
}

}  // namespace
}  // namespace rezolus::http
