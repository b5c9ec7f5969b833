// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/network/drop_reasons.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

namespace rezolus {
namespace {

using Enumerators = std::map<std::string, std::int64_t, std::less<>>;

DropReasons found(const Enumerators& kernel) {
  return find_drop_reasons(
      [&](std::string_view, std::string_view enumerator) -> std::optional<std::int64_t> {
        const auto at = kernel.find(enumerator);
        if (at == kernel.end()) return std::nullopt;
        return at->second;
      });
}

int counted(const DropReasons& reasons) {
  int count = 0;
  for (const std::uint8_t drop_class : reasons.class_of_reason) count += drop_class != 0;
  return count;
}

TEST(DropReasons, FollowTheNumbersOfTheKernel) {
  const DropReasons linux_6_1 = found({{"SKB_DROP_REASON_NOT_SPECIFIED", 2},
                                       {"SKB_DROP_REASON_UDP_CSUM", 6},
                                       {"SKB_DROP_REASON_SOCKET_RCVBUFF", 15}});
  EXPECT_EQ(linux_6_1.class_of_reason[6], NETWORK_DROP_CHECKSUM + 1);
  EXPECT_EQ(linux_6_1.class_of_reason[15], NETWORK_DROP_MEMORY + 1);
  EXPECT_EQ(linux_6_1.class_of_reason[2], 0);
  EXPECT_EQ(counted(linux_6_1), 2);
  const DropReasons linux_6_12 = found({{"SKB_DROP_REASON_SOCKET_RCVBUFF", 6},
                                        {"SKB_DROP_REASON_UDP_CSUM", 10},
                                        {"SKB_DROP_REASON_IP_INNOROUTES", 79}});
  EXPECT_EQ(linux_6_12.class_of_reason[6], NETWORK_DROP_MEMORY + 1);
  EXPECT_EQ(linux_6_12.class_of_reason[10], NETWORK_DROP_CHECKSUM + 1);
  EXPECT_EQ(linux_6_12.class_of_reason[79], NETWORK_DROP_ROUTE + 1);
  EXPECT_EQ(linux_6_12.queue_subsystem, 0u);
}

TEST(DropReasons, QueuesMayBeASubsystem) {
  const DropReasons reasons =
      found({{"SKB_DROP_REASON_SUBSYS_OPENVSWITCH", 2}, {"SKB_DROP_REASON_SUBSYS_QDISC", 3}});
  EXPECT_EQ(reasons.queue_subsystem, 3u);
  EXPECT_EQ(counted(reasons), 0);
}

TEST(DropReasons, NumbersBeyondTheTableAreLeftOut) {
  EXPECT_EQ(counted(found({{"SKB_DROP_REASON_NOMEM", NETWORK_DROP_REASON_LIMIT},
                           {"SKB_DROP_REASON_DEV_HDR", -1},
                           {"SKB_DROP_REASON_HDR_TRUNC", NETWORK_DROP_REASON_LIMIT - 1}})),
            1);
}

}  // namespace
}  // namespace rezolus
