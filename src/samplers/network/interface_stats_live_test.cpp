// SPDX-License-Identifier: Apache-2.0 OR MIT
// Known packets over a veth pair, counted on its end; the end's series go with it.

#include "samplers/network/known_packets.h"

namespace rezolus::live {
namespace {

// Collects until the source has been read anew, which is at most every 100 ms.
SnapshotRef collect_later(LiveCollector& collector) {
  sleep_ms(250);
  collector->collect();
  sleep_ms(250);
  return collector->collect();
}

TEST(network_interface_stats, SeriesOfAnInterfaceComeCountAndGo) {
  constexpr int kPackets = 30;
  constexpr std::size_t kPayload = 500;
  LiveCollector collector({"network_interface_stats"}, Mode::kBest);
  Labels labels = {{"direction", "transmit"}, {"interface", ""}};
  const auto index_in = [&](const SnapshotRef& snapshot, std::string_view metric) {
    return find_series(*snapshot->schema, metric, labels);
  };
  {
    REZOLUS_VETH_PAIR(pair);
    labels[1].second = pair.name();
    const SnapshotRef before = collect_later(collector);
    ASSERT_GE(index_in(before, "network_interface_packets"), 0);
    const Fd sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_in to = address_of(VethPair::kPeerAddress, 9);
    const std::string bytes(kPayload, 'x');
    for (int i = 0; i < kPackets; ++i) {
      // An answer, that the port is closed, can come as an error of the next one.
      if (::sendto(sender.get(), bytes.data(), bytes.size(), 0,
                   reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) {
        --i;
      }
    }
    const SnapshotRef after = collect_later(collector);
    const Delta delta(before, after);
    EXPECT_EQ(delta.counter("network_interface_packets", labels),
              static_cast<std::uint64_t>(kPackets));
    EXPECT_EQ(delta.counter("network_interface_bytes", labels),
              kPackets * (kPayload + 8 + 20 + ETH_HLEN));
    EXPECT_EQ(delta.counter("network_interface_errors", labels), 0u);
    EXPECT_EQ(delta.counter("network_interface_drops", labels), 0u);
  }
  // Two passes miss it before it is taken for gone.
  SnapshotRef last;
  for (int i = 0; i < 10; ++i) {
    last = collect_later(collector);
    if (index_in(last, "network_interface_packets") < 0) break;
  }
  EXPECT_EQ(index_in(last, "network_interface_packets"), -1);
}

}  // namespace
}  // namespace rezolus::live
