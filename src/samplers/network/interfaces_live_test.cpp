// SPDX-License-Identifier: Apache-2.0 OR MIT
// Packets that the kernel drops for known reasons, against the counts of who saw them dropped.

#include <linux/sock_diag.h>
#include <algorithm>
#include <array>
#include <cstdio>

#include "samplers/network/known_packets.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE_WITHOUT_TASKS(network_interfaces);

// The kinds sum to the total, and this is of one kind.
void expect_drops(const Delta& delta, std::uint64_t expected, const std::string& reason) {
  expect_count(delta.counter("network_drop_by_reason", {{"reason", reason}}), expected, reason);
  if (in_vm()) {
    EXPECT_EQ(delta.counter("network_drop"), expected) << "nothing else is dropped";
  }
  EXPECT_EQ(delta.counter("network_drop"), delta.counter("network_drop_by_reason"));
}

bool tells_drops(LiveCollector& collector) {
  const SamplerStatus& status = collector.status_of("network_interfaces");
  return std::ranges::any_of(status.programs, [](const ProgramStatus& program) {
    return program.name == "handle_drop" && program.attached;
  });
}

// Where the kernel tells no reason, the part is absent and says why.
#define REZOLUS_SKIP_WITHOUT_DROPS(collector)                                                      \
  if (!tells_drops(collector)) {                                                                   \
    const SnapshotRef snapshot = (collector)->collect();                                           \
    EXPECT_EQ(find_series(*snapshot->schema, "network_drop", {}), -1);                             \
    EXPECT_NE((collector).status_of("network_interfaces").reason.find("5.17"), std::string::npos); \
    EXPECT_GE(find_series(*snapshot->schema, "network_transmit_complete", {}), 0);                 \
    GTEST_SKIP() << "this kernel tells no reason with a dropped packet";                           \
  }

struct UdpHeader {
  std::uint16_t source;
  std::uint16_t destination;
  std::uint16_t length;
  std::uint16_t checksum;
};

// UDP packets made by hand, to a closed port of the loopback.
void send_raw(UdpHeader header, int count) {
  const Fd sender(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP));
  ASSERT_GE(sender.get(), 0);
  const sockaddr_in to = address_of("127.0.0.1", 0);
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(::sendto(sender.get(), &header, sizeof header, 0,
                       reinterpret_cast<const sockaddr*>(&to), sizeof to),
              static_cast<ssize_t>(sizeof header));
  }
}

TEST_P(network_interfaces, BadChecksums) {
  LiveCollector collector({"network_interfaces"}, GetParam());
  REZOLUS_SKIP_WITHOUT_DROPS(collector);
  collector.begin();
  send_raw({htons(7), htons(9), htons(sizeof(UdpHeader)), 0x1234}, 25);
  sleep_ms(50);
  expect_drops(collector.end(), 25, "checksum");
}

TEST_P(network_interfaces, MalformedPackets) {
  LiveCollector collector({"network_interfaces"}, GetParam());
  REZOLUS_SKIP_WITHOUT_DROPS(collector);
  collector.begin();
  send_raw({htons(7), htons(9), htons(sizeof(UdpHeader) + 100), 0}, 11);
  sleep_ms(50);
  expect_drops(collector.end(), 11, "malformed");
}

// The receiver's own count of what it had no room for.
std::uint64_t socket_drops(int socket) {
  std::array<std::uint32_t, SK_MEMINFO_VARS> values{};
  socklen_t size = sizeof values;
  EXPECT_EQ(::getsockopt(socket, SOL_SOCKET, SO_MEMINFO, values.data(), &size), 0);
  return values[SK_MEMINFO_DROPS];
}

TEST_P(network_interfaces, FullReceivers) {
  LiveCollector collector({"network_interfaces"}, GetParam());
  REZOLUS_SKIP_WITHOUT_DROPS(collector);
  const Fd receiver(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const int buffer_bytes = 4096;
  ::setsockopt(receiver.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
  const sockaddr_in to = address_of("127.0.0.1", bind_to(receiver.get(), "127.0.0.1"));
  const Fd sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  collector.begin();
  send_to(sender.get(), to, 1000, 50);
  sleep_ms(50);
  const Delta delta = collector.end();
  EXPECT_GE(socket_drops(receiver.get()), 30u);
  expect_drops(delta, socket_drops(receiver.get()), "memory");
}

// "… (dropped 47, overlimits 50 requeues 0)" of the device's first queueing discipline.
std::uint64_t queue_drops(const std::string& device) {
  std::array<char, 4096> text{};
  std::FILE* pipe = ::popen(("tc -s qdisc show dev " + device).c_str(), "r");
  if (pipe == nullptr) return 0;
  std::fread(text.data(), 1, text.size() - 1, pipe);
  ::pclose(pipe);
  const char* at = std::strstr(text.data(), "(dropped ");
  return at == nullptr ? 0 : std::strtoull(at + 9, nullptr, 10);
}

// Kernels call what a queueing discipline drops by one name, by several, or by a subsystem.
TEST_P(network_interfaces, FullQueues) {
  REZOLUS_VETH_PAIR(pair);
  run("modprobe -q sch_tbf");
  if (!run("tc qdisc add dev " + pair.name() + " root tbf rate 8kbit burst 1600 limit 3000")) {
    ASSERT_FALSE(in_vm());
    GTEST_SKIP() << "this host has no sch_tbf";
  }
  LiveCollector collector({"network_interfaces"}, GetParam());
  REZOLUS_SKIP_WITHOUT_DROPS(collector);
  const Fd sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  collector.begin();
  send_to(sender.get(), address_of(VethPair::kPeerAddress, 9), 1000, 50);
  const Delta delta = collector.end();
  EXPECT_GE(queue_drops(pair.name()), 40u);
  expect_drops(delta, queue_drops(pair.name()), "memory");
}

TEST_P(network_interfaces, FullDevices) {
  const auto tap = make_tap();
  if (!tap) {
    ASSERT_FALSE(in_vm()) << std::strerror(errno);
    GTEST_SKIP() << "this host gives us no TAP device";
  }
  LiveCollector collector({"network_interfaces"}, GetParam());
  REZOLUS_SKIP_WITHOUT_DROPS(collector);
  collector.begin();
  send_frames(tap->name, 100, 30);  // that nobody takes out again
  sleep_ms(50);
  const Delta delta = collector.end();
  const auto dropped =
      read_file("/sys/class/net/" + tap->name + "/statistics/tx_dropped").value_or("0");
  if (dropped == "0\n") GTEST_SKIP() << "the queue of this kernel's TAP device does not overflow";
  expect_drops(delta, std::stoull(dropped), "device");
}

TEST_P(network_interfaces, NeighboursThatDoNotAnswer) {
  REZOLUS_VETH_PAIR(pair);
  const std::string settings = "/proc/sys/net/ipv4/neigh/" + pair.name();
  ASSERT_TRUE(run("echo 1 >" + settings + "/mcast_solicit"));
  ASSERT_TRUE(run("echo 200 >" + settings + "/retrans_time_ms"));
  LiveCollector collector({"network_interfaces"}, GetParam());
  REZOLUS_SKIP_WITHOUT_DROPS(collector);
  const Fd sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  collector.begin();
  send_to(sender.get(), address_of(VethPair::kNobody, 9), 100, 7);
  sleep_ms(1000);
  expect_drops(collector.end(), 7, "neighbour");
}

TEST_P(network_interfaces, RoutesThatAreGone) {
  REZOLUS_VETH_PAIR(pair);
  const Connection connection = connect_over(pair);
  LiveCollector collector({"network_interfaces"}, GetParam());
  REZOLUS_SKIP_WITHOUT_DROPS(collector);
  ASSERT_TRUE(run("ip route del 10.77.31.0/24 dev " + pair.name()));
  // Where there is a default route, that would be next.
  ASSERT_TRUE(run("ip route add unreachable 10.77.31.0/24"));
  collector.begin();
  ASSERT_EQ(::write(connection.client.get(), "x", 1), 1);
  sleep_ms(50);
  const Delta delta = collector.end();
  run("ip route del unreachable 10.77.31.0/24");
  // Once, and again for each retransmission.
  const std::uint64_t drops = delta.counter("network_drop_by_reason", {{"reason", "route"}});
  EXPECT_GE(drops, 1u);
  if (in_vm()) {
    EXPECT_LE(drops, 5u);
  }
  EXPECT_EQ(delta.counter("network_drop"), delta.counter("network_drop_by_reason"));
}

TEST_P(network_interfaces, ClosedPortsAreNoDrops) {
  if (!in_vm()) GTEST_SKIP() << "others on this host drop packets";
  LiveCollector collector({"network_interfaces"}, GetParam());
  REZOLUS_SKIP_WITHOUT_DROPS(collector);
  collector.begin();
  send_raw({htons(7), htons(9), htons(sizeof(UdpHeader)), 0}, 10);
  sleep_ms(50);
  EXPECT_EQ(collector.end().counter("network_drop"), 0u);
}

TEST_P(network_interfaces, EveryHookIsThere) {
  LiveCollector collector({"network_interfaces"}, GetParam());
  const SnapshotRef snapshot = collector->collect();
  EXPECT_GE(find_series(*snapshot->schema, "network_transmit_timeout", {}), 0);
  for (const ProgramStatus& program : collector.status_of("network_interfaces").programs) {
    if (program.name == "handle_drop") continue;
    EXPECT_TRUE(program.attached) << program.reason;
  }
}

TEST_P(network_interfaces, WithoutTheTimeoutHookOnlyTimeoutsAreAbsent) {
  LiveCollector collector({"network_interfaces"}, GetParam(), {"net_dev_xmit_timeout"});
  const SnapshotRef snapshot = collector->collect();
  EXPECT_EQ(find_series(*snapshot->schema, "network_transmit_timeout", {}), -1);
  const auto busy = find_series(*snapshot->schema, "network_transmit_busy", {});
  ASSERT_GE(busy, 0);
  EXPECT_EQ(snapshot->present[static_cast<std::size_t>(busy)], 1);
  EXPECT_EQ(collector.status_of("network_interfaces").state, SamplerState::kActive);
}

}  // namespace
}  // namespace rezolus::live
