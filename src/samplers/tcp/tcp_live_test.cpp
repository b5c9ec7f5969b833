// SPDX-License-Identifier: Apache-2.0 OR MIT
// Round-trip times, retransmissions, connects and reads against the workload's own clock and what
// the kernel says of its own.

#include <vector>

#include <poll.h>

#include "samplers/tcp/connection_live.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE(tcp_connect_latency);
REZOLUS_LIVE_SUITE(tcp_packet_latency);
REZOLUS_LIVE_SUITE(tcp_receive);
REZOLUS_LIVE_SUITE(tcp_retransmit);

constexpr std::uint64_t kNsPerMs = 1'000'000;

// With sockets in the hash as well, where there would be socket storage.
std::set<std::string> missing_in(Mode mode) {
  if (mode == Mode::kTaskHash) return {"socket_storage"};
  return {};
}

bool has_map(LiveCollector& collector, std::string_view name) {
  const CollectorStatus status = collector->status();
  return std::ranges::any_of(status.maps, [&](const MapStatus& map) { return map.name == name; });
}

void sleep_ms(unsigned ms) { ::usleep(ms * 1000); }

// --- tcp_connect_latency

TEST_P(tcp_connect_latency, EveryConnectIsTimed) {
  constexpr std::uint64_t kConnects = 23;
  LiveCollector collector({"tcp_connect_latency"}, GetParam(), missing_in(GetParam()));
  SKIP_WITHOUT(collector, "tcp_connect_latency");
  if (GetParam() != Mode::kBest) {
    EXPECT_TRUE(has_map(collector, "socket_hash"));
    EXPECT_FALSE(has_map(collector, "socket_storage"));
  }
  for (const char* where : {"127.0.0.1", "::1"}) {
    SCOPED_TRACE(where);
    Listener listener(where);
    ASSERT_TRUE(listener.ok());
    std::uint64_t own_ns = 0;
    collector.begin();
    for (std::uint64_t i = 0; i < kConnects; ++i) own_ns += Connection(listener).connect_ns;
    const Delta delta = collector.end();
    const HistogramValue latency = delta.histogram("tcp_connect_latency");
    expect_count(latency.count(), kConnects, "connects");
    EXPECT_GT(latency.sum, 0u);
    if (in_vm()) {
      EXPECT_LE(latency.sum, own_ns);
      EXPECT_EQ(delta.counter("tcp_connect_failures"), 0u);
    }
  }
  collector.expect_no_losses();
}

TEST_P(tcp_connect_latency, FailuresAreCountedApart) {
  constexpr std::uint64_t kConnects = 7;
  LiveCollector collector({"tcp_connect_latency"}, GetParam(), missing_in(GetParam()));
  SKIP_WITHOUT(collector, "tcp_connect_latency");
  for (const char* where : {"127.0.0.1", "::1"}) {
    SCOPED_TRACE(where);
    Listener listener(where);
    ASSERT_TRUE(listener.ok());
    const Address closed = listener.close();
    collector.begin();
    for (std::uint64_t i = 0; i < kConnects; ++i) {
      const Fd socket = tcp_socket(closed.family());
      EXPECT_EQ(::connect(socket.get(), closed.get(), closed.size), -1);
      EXPECT_EQ(errno, ECONNREFUSED);
    }
    const Delta delta = collector.end();
    expect_count(delta.counter("tcp_connect_failures", {{"reason", "refused"}}), kConnects,
                 "refused connects");
    if (in_vm()) {
      EXPECT_EQ(delta.counter("tcp_connect_failures"), kConnects);
      EXPECT_EQ(delta.histogram("tcp_connect_latency").count(), 0u);
    }
  }
  collector.expect_no_losses();
}

// The delay makes the connect long enough for the clock around connect(2) to be an oracle.
TEST_P(tcp_connect_latency, OverADelayedLink) {
  constexpr std::uint64_t kConnects = 5;
  if (!in_vm()) GTEST_SKIP() << "network namespaces are set up only in a VM";
  Peer peer;
  ASSERT_TRUE(peer.ok());
  ASSERT_TRUE(Peer::netem("delay 40ms"));
  LiveCollector collector({"tcp_connect_latency"}, GetParam(), missing_in(GetParam()));
  SKIP_WITHOUT(collector, "tcp_connect_latency");
  for (const char* where : {Peer::kV4, Peer::kV6}) {
    SCOPED_TRACE(where);
    std::unique_ptr<Listener> listener;
    peer.inside([&] { listener = std::make_unique<Listener>(where); });
    ASSERT_TRUE(listener->ok());
    std::vector<std::uint64_t> own;
    collector.begin();
    for (std::uint64_t i = 0; i < kConnects; ++i) own.push_back(Connection(*listener).connect_ns);
    const HistogramValue latency = collector.end().histogram("tcp_connect_latency");
    EXPECT_EQ(latency.count(), kConnects);
    EXPECT_GE(latency.sum, kConnects * 40 * kNsPerMs);
    expect_durations_within(latency, 40 * kNsPerMs, own, "connect");
  }
  collector.expect_no_losses();
}

TEST_P(tcp_connect_latency, NobodyAnswers) {
  if (!in_vm()) GTEST_SKIP() << "network namespaces are set up only in a VM";
  Peer peer;
  ASSERT_TRUE(peer.ok());
  ASSERT_TRUE(Peer::netem("loss 100%"));
  LiveCollector collector({"tcp_connect_latency"}, GetParam(), missing_in(GetParam()));
  SKIP_WITHOUT(collector, "tcp_connect_latency");
  Address address = address_of(Peer::kV4);
  reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port = htons(7);
  collector.begin();
  {
    // Given up by the application.
    const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    EXPECT_EQ(::connect(socket.get(), address.get(), address.size), -1);
    EXPECT_EQ(errno, EINPROGRESS);
  }
  const Fd socket = tcp_socket(AF_INET);
  const int one = 1;
  const int patience_ms = 1000;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_SYNCNT, &one, sizeof one);
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof patience_ms);
  EXPECT_EQ(::connect(socket.get(), address.get(), address.size), -1);
  const int failure = errno;
  const Delta delta = collector.end();
  EXPECT_EQ(delta.counter("tcp_connect_failures", {{"reason", "other"}}), 1u);
  // The neighbour's address is not to be had either: whichever comes first.
  EXPECT_EQ(delta.counter("tcp_connect_failures",
                          {{"reason", failure == ETIMEDOUT ? "timeout" : "unreachable"}}),
            1u)
      << failure;
  EXPECT_EQ(delta.counter("tcp_connect_failures"), 2u);
  EXPECT_EQ(delta.histogram("tcp_connect_latency").count(), 0u);
  collector.expect_no_losses();
}

// --- tcp_packet_latency

TEST_P(tcp_packet_latency, FromReadableToRead) {
  constexpr std::uint64_t kReads = 9;
  LiveCollector collector({"tcp_packet_latency"}, GetParam(), missing_in(GetParam()));
  SKIP_WITHOUT(collector, "tcp_packet_latency");
  for (const char* where : {"127.0.0.1", "::1"}) {
    SCOPED_TRACE(where);
    Listener listener(where);
    Connection connection(listener);
    std::array<char, 100> buffer{};
    std::uint64_t own_min_sum_ns = 0;
    std::uint64_t own_max_sum_ns = 0;
    for (std::uint64_t i = 0; i < kReads; ++i) {
      pollfd readable{.fd = connection.server.get(), .events = POLLIN, .revents = 0};
      collector.begin();
      const std::uint64_t before_send = now_ns();
      ASSERT_EQ(::send(connection.client.get(), buffer.data(), 10, 0), 10);
      ASSERT_EQ(::poll(&readable, 1, 1000), 1);
      const std::uint64_t after_arrival = now_ns();
      // The second finds something unread already, and starts nothing.
      sleep_ms(10);
      ASSERT_EQ(::send(connection.client.get(), buffer.data(), 10, 0), 10);
      sleep_ms(20 + static_cast<unsigned>(i) * 5);
      const std::uint64_t before_read = now_ns();
      ASSERT_EQ(::recv(connection.server.get(), buffer.data(), 100, 0), 20);
      const std::uint64_t after_read = now_ns();
      const HistogramValue latency = collector.end().histogram("tcp_packet_latency");
      expect_count(latency.count(), 1, "read of data that waited");
      std::uint64_t near = 0;
      for (std::uint64_t bucket = kAgentHistogram.index(before_read - after_arrival);
           bucket <= kAgentHistogram.index(after_read - before_send); ++bucket) {
        near += latency.buckets[bucket];
      }
      EXPECT_GE(near, 1u) << "not between " << before_read - after_arrival << " and "
                          << after_read - before_send << " ns";
      own_min_sum_ns += before_read - after_arrival;
      own_max_sum_ns += after_read - before_send;
    }
    // The bounds are an oracle only while they are close to each other.
    EXPECT_LE(own_max_sum_ns - own_min_sum_ns, own_min_sum_ns / 2);
  }
  collector.expect_no_losses();
}

// What one socket leaves unread is not found by the next socket at its address.
TEST_P(tcp_packet_latency, ADestroyedSocketIsForgotten) {
  constexpr std::uint64_t kConnections = 40;
  LiveCollector collector({"tcp_packet_latency"}, GetParam(), missing_in(GetParam()));
  SKIP_WITHOUT(collector, "tcp_packet_latency");
  Listener listener("127.0.0.1");
  std::array<char, 100> buffer{};
  for (std::uint64_t i = 0; i < kConnections; ++i) {
    Connection connection(listener);
    ASSERT_EQ(::send(connection.client.get(), buffer.data(), 10, 0), 10);
  }
  sleep_ms(300);
  const std::uint64_t begin = now_ns();
  collector.begin();
  for (std::uint64_t i = 0; i < kConnections; ++i) {
    Connection connection(listener);
    ASSERT_EQ(::send(connection.client.get(), buffer.data(), 10, 0), 10);
    ASSERT_EQ(::recv(connection.server.get(), buffer.data(), 10, 0), 10);
  }
  const std::uint64_t elapsed = now_ns() - begin;
  const HistogramValue latency = collector.end().histogram("tcp_packet_latency");
  expect_count(latency.count(), kConnections, "reads");
  if (in_vm()) {
    EXPECT_LE(latency.sum, elapsed);
  }
  collector.expect_no_losses();
}

// --- tcp_receive

// One byte there and one back.
void ping(const Connection& connection) {
  char byte = 'x';
  ASSERT_EQ(::send(connection.client.get(), &byte, 1, 0), 1);
  ASSERT_EQ(::recv(connection.server.get(), &byte, 1, 0), 1);
  ASSERT_EQ(::send(connection.server.get(), &byte, 1, 0), 1);
  ASSERT_EQ(::recv(connection.client.get(), &byte, 1, 0), 1);
}

TEST_P(tcp_receive, EverySegmentHasARoundTripTime) {
  constexpr std::uint64_t kRounds = 20;
  LiveCollector collector({"tcp_receive"}, GetParam());
  SKIP_WITHOUT(collector, "tcp_receive");
  EXPECT_NE(has_map(collector, "socket_hash"), has_map(collector, "socket_storage"));
  for (const char* where : {"127.0.0.1", "::1"}) {
    SCOPED_TRACE(where);
    Listener listener(where);
    Connection connection(listener);
    const auto received = [&] {
      return info_of(connection.client).tcpi_segs_in + info_of(connection.server).tcpi_segs_in;
    };
    const std::uint64_t received_before = received();
    collector.begin();
    for (std::uint64_t i = 0; i < kRounds; ++i) ping(connection);
    sleep_ms(150);  // the last acknowledgement is put off
    const Delta delta = collector.end();
    const std::uint64_t segments = received() - received_before;
    EXPECT_GE(segments, 2 * kRounds);
    expect_count(delta.histogram("tcp_srtt").count(), segments, "round-trip times");
    expect_count(delta.histogram("tcp_jitter").count(), segments, "jitters");
  }
  collector.expect_no_losses();
}

TEST_P(tcp_receive, OverADelayedLink) {
  constexpr std::uint64_t kRounds = 12;
  if (!in_vm()) GTEST_SKIP() << "network namespaces are set up only in a VM";
  Peer peer;
  ASSERT_TRUE(peer.ok());
  ASSERT_TRUE(Peer::netem("delay 40ms"));
  LiveCollector collector({"tcp_receive"}, GetParam());
  SKIP_WITHOUT(collector, "tcp_receive");
  for (const char* where : {Peer::kV4, Peer::kV6}) {
    SCOPED_TRACE(where);
    std::unique_ptr<Listener> listener;
    peer.inside([&] { listener = std::make_unique<Listener>(where); });
    Connection connection(*listener);
    collector.begin();
    for (std::uint64_t i = 0; i < kRounds; ++i) ping(connection);
    // What TCP holds now was there when the next segment arrived.
    const tcp_info client = info_of(connection.client);
    const tcp_info server = info_of(connection.server);
    ping(connection);
    const Delta delta = collector.end();
    const HistogramValue srtt = delta.histogram("tcp_srtt");
    const HistogramValue jitter = delta.histogram("tcp_jitter");
    expect_durations(srtt, {client.tcpi_rtt * 1000ull, server.tcpi_rtt * 1000ull}, "srtt");
    expect_durations(jitter, {client.tcpi_rttvar * 1000ull, server.tcpi_rttvar * 1000ull},
                     "jitter");
    EXPECT_GE(srtt.count(), 2 * kRounds);
    EXPECT_GE(srtt.sum / srtt.count(), 40 * kNsPerMs);
    // The kernel's own includes how long acknowledgements are put off.
    EXPECT_LE(srtt.sum / srtt.count(), 120 * kNsPerMs);
  }
  collector.expect_no_losses();
}

// --- tcp_retransmit

TEST_P(tcp_retransmit, SegmentsAsTheKernelCountsThem) {
  constexpr std::uint64_t kBytes = 1'500'000;
  constexpr int kConnects = 5;
  if (!in_vm()) GTEST_SKIP() << "network namespaces are set up only in a VM";
  Peer peer;
  ASSERT_TRUE(peer.ok());
  // The queue holds whole buffers: a lost one is many segments.
  ASSERT_TRUE(Peer::netem("delay 2ms loss 12%"));
  LiveCollector collector({"tcp_retransmit"}, GetParam());
  SKIP_WITHOUT(collector, "tcp_retransmit");
  std::unique_ptr<Listener> listener;
  peer.inside([&] { listener = std::make_unique<Listener>(Peer::kV4); });
  const auto kernel_count = [&] {
    std::uint64_t sum = retransmitted_segments();
    peer.inside([&] { sum += retransmitted_segments(); });
    return sum;
  };
  const std::uint64_t before = kernel_count();
  collector.begin();
  // Answers to a SYN whose acknowledgement is lost are sent again too.
  for (int i = 0; i < kConnects; ++i) {
    const Connection closed_at_once(*listener);
  }
  Connection connection(*listener);
  std::thread reader([&] {
    std::vector<char> buffer(100'000);
    while (::recv(connection.server.get(), buffer.data(), buffer.size(), 0) > 0) {
    }
  });
  std::vector<char> buffer(100'000);
  for (std::uint64_t sent = 0; sent < kBytes; sent += buffer.size()) {
    ASSERT_EQ(::send(connection.client.get(), buffer.data(), buffer.size(), 0),
              static_cast<ssize_t>(buffer.size()));
  }
  ASSERT_TRUE(Peer::netem("delay 1ms"));
  ::shutdown(connection.client.get(), SHUT_WR);
  reader.join();
  // Until nothing is on its way any more, the closed connections included.
  std::uint64_t after = kernel_count();
  for (int still = 0; still < 4;) {
    sleep_ms(250);
    const std::uint64_t now = kernel_count();
    still = now == after ? still + 1 : 0;
    after = now;
  }
  const Delta delta = collector.end();
  EXPECT_GT(after, before) << "nothing was sent again";
  EXPECT_EQ(delta.counter("tcp_retransmit"), after - before);
  std::printf("%llu segments sent again\n", static_cast<unsigned long long>(after - before));
  collector.expect_no_losses();
}

// A listener that waits for data takes no acknowledgement for an answer.
TEST_P(tcp_retransmit, AnswersToASynAreSegmentsToo) {
  LiveCollector collector({"tcp_retransmit"}, GetParam());
  SKIP_WITHOUT(collector, "tcp_retransmit");
  for (const char* where : {"127.0.0.1", "::1"}) {
    SCOPED_TRACE(where);
    Listener listener(where);
    ASSERT_TRUE(listener.ok());
    listener.defer_accept();
    const std::uint64_t before = retransmitted_segments();
    collector.begin();
    const Fd socket = tcp_socket(listener.address().family());
    ASSERT_EQ(::connect(socket.get(), listener.address().get(), listener.address().size), 0);
    std::uint64_t after = before;
    for (int i = 0; i < 400 && after == before; ++i) {
      sleep_ms(10);
      after = retransmitted_segments();
    }
    const Delta delta = collector.end();
    EXPECT_GT(after, before) << "nothing was sent again";
    expect_count(delta.counter("tcp_retransmit"), after - before, "answers sent again");
  }
  collector.expect_no_losses();
}

}  // namespace
}  // namespace rezolus::live
