// SPDX-License-Identifier: Apache-2.0 OR MIT
// Bytes, calls and sizes against what the workload's own calls returned.

#include <algorithm>
#include <vector>

#include <sys/mman.h>
#include <sys/sendfile.h>

#include "samplers/tcp/connection_live.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE(tcp_traffic);

// What calls returned, added up as the sampler does.
struct Own {
  std::uint64_t bytes = 0;
  std::uint64_t calls = 0;
  std::vector<std::uint64_t> sizes;
  ssize_t operator()(ssize_t result) {
    if (result > 0) {
      bytes += static_cast<std::uint64_t>(result);
      ++calls;
      sizes.push_back(static_cast<std::uint64_t>(result));
    }
    return result;
  }
};

void expect_traffic(const Delta& delta, const std::string& direction, const Own& own) {
  const Labels labels = {{"direction", direction}};
  expect_count(delta.counter("tcp_bytes", labels), own.bytes, direction + " bytes");
  expect_count(delta.counter("tcp_packets", labels), own.calls, direction + " calls");
  const HistogramValue sizes = delta.histogram("tcp_size", labels);
  expect_count(sizes.sum, own.bytes, direction + " sum of sizes");
  std::vector<std::uint64_t> expected(sizes.buckets.size());
  for (const std::uint64_t size : own.sizes) ++expected[kAgentHistogram.index(size)];
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] != 0 || in_vm()) {
      expect_count(sizes.buckets[i], expected[i], direction + " sizes");
    }
  }
}

// Reads all that is there, in pieces.
void drain(const Fd& socket, std::uint64_t bytes, Own& received) {
  std::vector<char> buffer(10'000);
  for (std::uint64_t got = 0; got < bytes;) {
    const ssize_t result = received(::recv(socket.get(), buffer.data(), buffer.size(), 0));
    ASSERT_GT(result, 0);
    got += static_cast<std::uint64_t>(result);
  }
}

TEST_P(tcp_traffic, BytesAreThoseThatCallsReturned) {
  LiveCollector collector({"tcp_traffic"}, GetParam());
  SKIP_WITHOUT(collector, "tcp_traffic");
  for (const char* where : {"127.0.0.1", "::1"}) {
    SCOPED_TRACE(where);
    Listener listener(where);
    ASSERT_TRUE(listener.ok());
    Connection connection(listener);
    std::vector<char> buffer(4 << 20, 'x');
    Own sent;
    Own received;
    collector.begin();
    for (const std::size_t size : {1u, 100u, 4096u, 30'000u}) {
      ASSERT_GT(sent(::send(connection.client.get(), buffer.data(), size, 0)), 0);
      // Looked at twice, taken once.
      ASSERT_GT(::recv(connection.server.get(), buffer.data(), size, MSG_PEEK), 0);
      ASSERT_GT(::recv(connection.server.get(), buffer.data(), size, MSG_PEEK), 0);
      ASSERT_GT(received(::recv(connection.server.get(), buffer.data(), size, MSG_WAITALL)), 0);
    }
    // More than fits: a part is accepted, then nothing.
    const ssize_t part = sent(::send(connection.client.get(), buffer.data(), buffer.size(),
                                     MSG_DONTWAIT));
    if (in_vm()) {
      EXPECT_LT(part, static_cast<ssize_t>(buffer.size()));
    }
    while (sent(::send(connection.client.get(), buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0) {
    }
    drain(connection.server, sent.bytes - received.bytes, received);
    // Neither the end of the stream nor a failed call is traffic.
    connection.client.close();
    EXPECT_EQ(::recv(connection.server.get(), buffer.data(), 10, 0), 0);
    ::shutdown(connection.server.get(), SHUT_WR);
    EXPECT_LT(::send(connection.server.get(), buffer.data(), 10, MSG_NOSIGNAL), 0);
    const Delta delta = collector.end();
    EXPECT_EQ(sent.bytes, received.bytes);
    expect_traffic(delta, "transmit", sent);
    expect_traffic(delta, "receive", received);
  }
  collector.expect_no_losses();
}

// A socket over IPv4 of the IPv6 family, and data that is thrown away unread.
TEST_P(tcp_traffic, MappedAddressesAndTruncatedReads) {
  LiveCollector collector({"tcp_traffic"}, GetParam());
  SKIP_WITHOUT(collector, "tcp_traffic");
  Listener listener("::ffff:127.0.0.1");
  ASSERT_TRUE(listener.ok());
  Connection connection(listener);
  std::array<char, 5000> buffer{};
  Own sent;
  Own received;
  collector.begin();
  ASSERT_GT(sent(::send(connection.client.get(), buffer.data(), buffer.size(), 0)), 0);
  const ssize_t thrown_away =
      ::recv(connection.server.get(), nullptr, buffer.size(), MSG_TRUNC | MSG_WAITALL);
  ASSERT_EQ(received(thrown_away), static_cast<ssize_t>(buffer.size()));
  const Delta delta = collector.end();
  expect_traffic(delta, "transmit", sent);
  expect_traffic(delta, "receive", received);
}

TEST_P(tcp_traffic, SendfileAndSpliceIntoASocketCountOnce) {
  LiveCollector collector({"tcp_traffic"}, GetParam());
  SKIP_WITHOUT(collector, "tcp_traffic");
  constexpr std::uint64_t kBytes = 300'000;
  const Fd file(::memfd_create("payload", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(file.get(), kBytes), 0);
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const Fd pipe_out(ends[0]);
  const Fd pipe_in(ends[1]);
  Listener listener("127.0.0.1");
  Connection connection(listener);
  Own received;
  collector.begin();
  std::thread reader([&] { drain(connection.server, kBytes + 20'000, received); });
  std::uint64_t sent = 0;
  for (off_t at = 0; sent < kBytes;) {
    const ssize_t result = ::sendfile(connection.client.get(), file.get(), &at, kBytes - sent);
    if (result <= 0) break;
    sent += static_cast<std::uint64_t>(result);
  }
  EXPECT_EQ(sent, kBytes);
  off_t from = 0;
  EXPECT_EQ(::splice(file.get(), &from, pipe_in.get(), nullptr, 20'000, 0), 20'000);
  EXPECT_EQ(::splice(pipe_out.get(), nullptr, connection.client.get(), nullptr, 20'000, 0), 20'000);
  reader.join();
  const Delta delta = collector.end();
  // How many calls the kernel makes of it is its own affair.
  expect_count(delta.counter("tcp_bytes", {{"direction", "transmit"}}), kBytes + 20'000,
               "bytes of sendfile and splice");
  expect_traffic(delta, "receive", received);
}

TEST_P(tcp_traffic, SpliceFromASocket) {
  LiveCollector collector({"tcp_traffic"}, GetParam());
  SKIP_WITHOUT(collector, "tcp_traffic");
  for (const ProgramStatus& program : collector.status_of("tcp_traffic").programs) {
    if (program.name == "handle_splice_read" && !program.attached) GTEST_SKIP() << program.reason;
  }
  constexpr std::size_t kBytes = 9000;
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const Fd pipe_out(ends[0]);
  const Fd pipe_in(ends[1]);
  Listener listener("127.0.0.1");
  Connection connection(listener);
  std::array<char, kBytes> buffer{};
  collector.begin();
  Own received;
  ASSERT_EQ(::send(connection.client.get(), buffer.data(), kBytes, 0),
            static_cast<ssize_t>(kBytes));
  while (received.bytes < kBytes) {
    ASSERT_GT(received(::splice(connection.server.get(), nullptr, pipe_in.get(), nullptr, kBytes,
                                0)),
              0);
  }
  const Delta delta = collector.end();
  expect_traffic(delta, "receive", received);
}

TEST_P(tcp_traffic, OtherSocketsAreNotTcp) {
  if (!in_vm()) GTEST_SKIP() << "others use TCP on this host";
  LiveCollector collector({"tcp_traffic"}, GetParam());
  SKIP_WITHOUT(collector, "tcp_traffic");
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const Fd left(ends[0]);
  const Fd right(ends[1]);
  const Fd datagram(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  Address address = address_of("127.0.0.1");
  ASSERT_EQ(::bind(datagram.get(), address.get(), address.size), 0);
  ::getsockname(datagram.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  // Its protocol number is TCP's.
  const Fd raw(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP));
  ASSERT_TRUE(raw.valid());
  std::array<char, 100> buffer{};
  collector.begin();
  EXPECT_EQ(::send(left.get(), buffer.data(), 100, 0), 100);
  EXPECT_EQ(::recv(right.get(), buffer.data(), 100, 0), 100);
  EXPECT_EQ(::sendto(datagram.get(), buffer.data(), 100, 0, address.get(), address.size), 100);
  EXPECT_EQ(::recv(datagram.get(), buffer.data(), 100, 0), 100);
  const Address loopback = address_of("127.0.0.1");
  EXPECT_EQ(::sendto(raw.get(), buffer.data(), 100, 0, loopback.get(), loopback.size), 100);
  EXPECT_GT(::recv(raw.get(), buffer.data(), 100, MSG_DONTWAIT), 0);
  const Delta delta = collector.end();
  EXPECT_EQ(delta.counter("tcp_bytes"), 0u);
  EXPECT_EQ(delta.counter("tcp_packets"), 0u);
}

}  // namespace
}  // namespace rezolus::live
