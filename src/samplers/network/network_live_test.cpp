// SPDX-License-Identifier: Apache-2.0 OR MIT
// Known packets over a veth pair, the loopback and the hardware; drops of known reasons. A machine
// without hardware has nothing to count: most tests count every device instead.

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <optional>
#include <thread>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "live/live.h"
#include "samplers/network/veth_pair.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE(network_traffic);
REZOLUS_LIVE_SUITE(network_interfaces);

const std::set<std::string> kEveryDevice = {"hardware_devices"};
const Labels kReceive = {{"direction", "receive"}};
const Labels kTransmit = {{"direction", "transmit"}};

// A pair, or the test ends: skipped where the host has none, failed in a VM.
#define REZOLUS_VETH_PAIR(pair)                                        \
  const VethPair pair;                                                 \
  if (!(pair).ok() && in_vm()) FAIL() << "no veth pair could be made"; \
  if (!(pair).ok()) GTEST_SKIP() << "this host makes no veth pair for us"

sockaddr_in address_of(const char* text, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

void send_to(int socket, const sockaddr_in& address, std::size_t size_bytes, int count) {
  const std::vector<char> bytes(size_bytes, 'x');
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(::sendto(socket, bytes.data(), bytes.size(), 0,
                       reinterpret_cast<const sockaddr*>(&address), sizeof address),
              static_cast<ssize_t>(bytes.size()))
        << std::strerror(errno);
  }
}

// Bound to a free port of the address, which it returns.
std::uint16_t bind_to(int socket, const char* text) {
  sockaddr_in address = address_of(text, 0);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

void sleep_ms(int duration_ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(duration_ms));
}

TEST_P(network_traffic, PacketsOverAVethPair) {
  constexpr int kPackets = 40;
  constexpr std::uint64_t kPayload = 1000;
  constexpr std::uint64_t kIpBytes = kPayload + 8 + 20;
  REZOLUS_VETH_PAIR(pair);
  const Fd receiver(pair.peer_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto to =
      address_of(VethPair::kPeerAddress, bind_to(receiver.get(), VethPair::kPeerAddress));
  const Fd sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  LiveCollector collector({"network_traffic", "network_interfaces"}, GetParam(), kEveryDevice);
  collector.begin();
  send_to(sender.get(), to, kPayload, kPackets);
  sleep_ms(100);
  const Delta delta = collector.end();
  expect_count(delta.counter("network_packets", kTransmit), kPackets, "packets sent");
  expect_count(delta.counter("network_packets", kReceive), kPackets, "packets received");
  expect_count(delta.counter("network_segments", kTransmit), kPackets, "segments sent");
  expect_count(delta.counter("network_segments", kReceive), kPackets, "segments received");
  expect_count(delta.counter("network_bytes", kTransmit), kPackets * (kIpBytes + ETH_HLEN),
               "bytes sent");
  expect_count(delta.counter("network_bytes", kReceive), kPackets * kIpBytes, "bytes received");
  expect_count(delta.counter("network_transmit_complete"), kPackets, "packets taken");
  if (in_vm()) {
    EXPECT_EQ(delta.counter("network_transmit_busy"), 0u);
  }
  collector.expect_no_losses();
}

TEST_P(network_traffic, VirtualDevicesDoNotCount) {
  if (!in_vm()) GTEST_SKIP() << "the hardware of a shared host is busy";
  REZOLUS_VETH_PAIR(pair);
  const Fd sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  LiveCollector collector({"network_traffic", "network_interfaces"}, GetParam());
  collector.begin();
  send_to(sender.get(), address_of(VethPair::kPeerAddress, 9), 100, 10);
  send_to(sender.get(), address_of("127.0.0.1", 9), 100, 1);
  sleep_ms(100);
  const Delta delta = collector.end();
  EXPECT_EQ(delta.counter("network_packets"), 0u);
  EXPECT_EQ(delta.counter("network_bytes"), 0u);
  EXPECT_EQ(delta.counter("network_segments"), 0u);
  EXPECT_EQ(delta.counter("network_transmit_complete"), 0u);
}

// A TAP device whose other end is the descriptor.
struct Tap {
  Fd fd;
  std::string name;
};

std::optional<Tap> make_tap() {
  run("modprobe -q tun");
  Tap tap{Fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC)), {}};
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(tap.fd.get(), TUNSETIFF, &request) != 0) return std::nullopt;
  tap.name = request.ifr_name;
  run("echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/" + tap.name + "/disable_ipv6");
  if (!run("ip link set " + tap.name + " txqueuelen 10 up")) return std::nullopt;
  return tap;
}

// Frames of the experimental type to nobody.
void send_frames(const std::string& device, std::size_t frame_bytes, int count) {
  const Fd sender(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(0x88b5);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(device.c_str()));
  address.sll_halen = ETH_ALEN;
  address.sll_addr[0] = 0x02;
  const std::vector<char> bytes(frame_bytes - ETH_HLEN);
  for (int i = 0; i < count; ++i) {
    // What the device drops at once is told as ENOBUFS.
    const ssize_t sent = ::sendto(sender.get(), bytes.data(), bytes.size(), 0,
                                  reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ASSERT_TRUE(sent == static_cast<ssize_t>(bytes.size()) || errno == ENOBUFS)
        << std::strerror(errno);
  }
}

// The name of a device with hardware that is up; empty when there is none.
std::string hardware_device() {
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/net")) {
    const auto state = read_file(entry.path() / "operstate");
    if (std::filesystem::exists(entry.path() / "device") && state && *state == "up\n") {
      return entry.path().filename();
    }
  }
  return {};
}

TEST_P(network_traffic, HardwareCounts) {
  constexpr int kFrames = 20;
  constexpr std::size_t kFrameBytes = 100;
  const std::string device = hardware_device();
  if (device.empty()) GTEST_SKIP() << "no network device with hardware is up";
  LiveCollector collector({"network_traffic", "network_interfaces"}, GetParam());
  collector.begin();
  send_frames(device, kFrameBytes, kFrames);  // the first switch drops them
  sleep_ms(100);
  const Delta delta = collector.end();
  EXPECT_GE(delta.counter("network_packets", kTransmit), static_cast<std::uint64_t>(kFrames));
  EXPECT_GE(delta.counter("network_segments", kTransmit), static_cast<std::uint64_t>(kFrames));
  EXPECT_GE(delta.counter("network_bytes", kTransmit), kFrames * kFrameBytes);
  EXPECT_GE(delta.counter("network_transmit_complete"), static_cast<std::uint64_t>(kFrames));
}

// A TCP connection from this side of the pair to the other.
struct Connection {
  Fd client;
  Fd server;
};

Connection connect_over(const VethPair& pair) {
  const Fd listener(pair.peer_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const std::uint16_t port = bind_to(listener.get(), VethPair::kPeerAddress);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  Connection connection{Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), Fd()};
  const sockaddr_in to = address_of(VethPair::kPeerAddress, port);
  EXPECT_EQ(::connect(connection.client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to),
            0);
  connection.server = Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  // Nothing is tried again after the test.
  const linger reset{.l_onoff = 1, .l_linger = 0};
  for (const int socket : {connection.client.get(), connection.server.get()}) {
    ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  return connection;
}

// Segments that the connection's ends have sent, as TCP counts them.
std::uint64_t segments_sent(const Connection& connection) {
  std::uint64_t sum = 0;
  for (const int socket : {connection.client.get(), connection.server.get()}) {
    tcp_info info{};
    socklen_t size = sizeof info;
    EXPECT_EQ(::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    sum += info.tcpi_segs_out;
  }
  return sum;
}

TEST_P(network_traffic, BulkTransfersHaveMoreSegmentsThanPackets) {
  constexpr std::uint64_t kBytes = 4 << 20;
  constexpr std::uint64_t kSegmentBytes = 1500 - 20 - 32;  // with time stamps
  constexpr std::uint64_t kHeaderBytes = ETH_HLEN + 20 + 32;
  REZOLUS_VETH_PAIR(pair);
  const Connection connection = connect_over(pair);
  ASSERT_GE(connection.server.get(), 0);
  LiveCollector collector({"network_traffic"}, GetParam(), kEveryDevice);
  sleep_ms(300);  // delayed acknowledgements
  const std::uint64_t sent_before = segments_sent(connection);
  collector.begin();
  std::thread reader([&] {
    std::vector<char> buffer(1 << 16);
    std::uint64_t left = kBytes;
    while (left > 0) {
      const ssize_t size = ::read(connection.server.get(), buffer.data(), buffer.size());
      if (size <= 0) break;
      left -= static_cast<std::uint64_t>(size);
    }
    EXPECT_EQ(left, 0u);
  });
  const std::vector<char> bytes(kBytes, 'x');
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t size = ::write(connection.client.get(), bytes.data() + at, bytes.size() - at);
    if (size <= 0) break;
    at += static_cast<std::size_t>(size);
  }
  reader.join();
  sleep_ms(300);
  const Delta delta = collector.end();
  const std::uint64_t sent = segments_sent(connection) - sent_before;
  const std::uint64_t packets = delta.counter("network_packets", kTransmit);
  const std::uint64_t segments = delta.counter("network_segments", kTransmit);
  RecordProperty("packets", static_cast<int>(packets));
  RecordProperty("segments", static_cast<int>(segments));
  EXPECT_GE(segments, kBytes / kSegmentBytes);
  expect_count(segments, sent, "segments, as TCP counts them");
  if (!in_vm()) return;
  EXPECT_GT(segments, 2 * packets);
  EXPECT_EQ(delta.counter("network_bytes", kTransmit), kBytes + packets * kHeaderBytes);
  // A veth hands over what it gets, merged or not.
  EXPECT_GE(delta.counter("network_segments", kReceive), segments);
  EXPECT_LE(delta.counter("network_packets", kReceive), packets);
}

// Of linux/virtio_net.h, which is no C++.
struct MergedHeader {
  std::uint8_t flags;  // 1: the checksum is to be filled in
  std::uint8_t type;   // 1: TCP over IPv4
  std::uint16_t header_bytes;
  std::uint16_t segment_bytes;
  std::uint16_t checksum_start;
  std::uint16_t checksum_offset;
};

// What a device hands over that merges segments and does not say how many, as virtio does.
TEST_P(network_traffic, MergedByADeviceThatDoesNotCount) {
  constexpr std::uint16_t kSegmentBytes = 1448;
  constexpr std::size_t kHeaders = ETH_HLEN + 20 + 32;
  const auto tap = make_tap();
  if (!tap) {
    ASSERT_FALSE(in_vm()) << std::strerror(errno);
    GTEST_SKIP() << "this host gives us no TAP device";
  }
  LiveCollector collector({"network_traffic"}, GetParam(), kEveryDevice);
  for (const std::size_t payload : {10u * kSegmentBytes, 10u * kSegmentBytes + 100u}) {
    std::vector<unsigned char> bytes(sizeof(MergedHeader) + kHeaders + payload);
    const MergedHeader header{.flags = 1,
                              .type = 1,
                              .header_bytes = kHeaders,
                              .segment_bytes = kSegmentBytes,
                              .checksum_start = ETH_HLEN + 20,
                              .checksum_offset = 16};
    std::memcpy(bytes.data(), &header, sizeof header);
    unsigned char* frame = bytes.data() + sizeof header;
    frame[0] = 0x02;   // to nobody here, who is no multicast group either
    frame[12] = 0x08;  // IPv4
    frame[ETH_HLEN] = 0x45;
    const std::size_t length = 20 + 32 + payload;
    frame[ETH_HLEN + 2] = static_cast<unsigned char>(length >> 8);
    frame[ETH_HLEN + 3] = static_cast<unsigned char>(length);
    frame[ETH_HLEN + 8] = 64;
    frame[ETH_HLEN + 9] = IPPROTO_TCP;
    frame[ETH_HLEN + 20 + 12] = 8 << 4;
    collector.begin();
    ASSERT_EQ(::write(tap->fd.get(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()))
        << std::strerror(errno);
    sleep_ms(50);
    const Delta delta = collector.end();
    expect_count(delta.counter("network_packets", kReceive), 1, "packets");
    expect_count(delta.counter("network_bytes", kReceive), length, "bytes");
    expect_count(delta.counter("network_segments", kReceive),
                 (payload + kSegmentBytes - 1) / kSegmentBytes, "segments");
  }
}

// --- drops

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
