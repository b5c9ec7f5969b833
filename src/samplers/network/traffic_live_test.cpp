// SPDX-License-Identifier: Apache-2.0 OR MIT
// Known packets over a veth pair, a TAP device and the hardware. A machine without hardware has
// nothing to count: most tests count every device instead.

#include <linux/tcp.h>
#include <filesystem>

#include "samplers/network/known_packets.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE_WITHOUT_TASKS(network_traffic);

const std::set<std::string> kEveryDevice = {"hardware_devices"};
const Labels kReceive = {{"direction", "receive"}};
const Labels kTransmit = {{"direction", "transmit"}};

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

std::uint64_t bytes_retransmitted(const Connection& connection) {
  tcp_info info{};
  socklen_t size = sizeof info;
  EXPECT_EQ(::getsockopt(connection.client.get(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  return info.tcpi_bytes_retrans;
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
  // On a busy host TCP may send something twice, and then acknowledges selectively: longer headers.
  const std::uint64_t again = bytes_retransmitted(connection);
  const std::uint64_t transmitted = delta.counter("network_bytes", kTransmit);
  EXPECT_GE(transmitted, kBytes + again + packets * kHeaderBytes);
  EXPECT_LE(transmitted, kBytes + again + packets * (kHeaderBytes + (again != 0 ? 40 : 0)));
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

}  // namespace
}  // namespace rezolus::live
