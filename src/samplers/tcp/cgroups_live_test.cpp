// SPDX-License-Identifier: Apache-2.0 OR MIT
// Two cgroups that talk over TCP: each is charged its own bytes, round trips, delays and segments sent
// again, though most of TCP's work is done in softirqs, whoever runs then.

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include <bpf/bpf.h>
#include <sys/resource.h>

#include "live/cgroup.h"
#include "samplers/tcp/connection_live.h"
#include "samplers/tcp/tcp.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE(cgroup_tcp);

const std::vector<std::string_view> kSamplers = {"tcp_traffic", "tcp_receive", "tcp_packet_latency",
                                                 "tcp_retransmit"};

Labels with(Labels labels, const char* key, const char* value) {
  labels.emplace_back(key, value);
  return labels;
}

int send_all(const Fd& socket, std::size_t size_bytes) {
  const std::vector<char> buffer(size_bytes, 'x');
  std::size_t sent = 0;
  while (sent < size_bytes) {
    const ssize_t result = ::send(socket.get(), buffer.data() + sent, size_bytes - sent, 0);
    if (result <= 0) return 1;
    sent += static_cast<std::size_t>(result);
  }
  return 0;
}

int receive_all(const Fd& socket, std::size_t size_bytes) {
  std::vector<char> buffer(size_bytes);
  const ssize_t got = ::recv(socket.get(), buffer.data(), size_bytes, MSG_WAITALL);
  return got == static_cast<ssize_t>(size_bytes) ? 0 : 1;
}

void expect_parts(const Snapshot& snapshot, const char* part, const char* whole) {
  EXPECT_LE(value(snapshot, part), value(snapshot, whole)) << part;
}

TEST_P(cgroup_tcp, EachIsChargedItsOwn) {
  constexpr std::size_t kRounds = 30;
  constexpr std::size_t kRequest = 1000;
  constexpr std::size_t kAnswer = 200;
  LiveCollector collector(kSamplers, GetParam());
  SKIP_WITHOUT(collector, "tcp_traffic");
  const NamedCgroup client("rezolus_live_client");
  const NamedCgroup server("rezolus_live_server");
  if (!client.ok() || !server.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, client.labels()));
  ASSERT_TRUE(appears(*collector, server.labels()));
  Listener listener("127.0.0.1");
  ASSERT_TRUE(listener.ok());
  collector.begin();
  const pid_t serving = server.start([&] {
    const Fd socket = listener.accept();
    for (std::size_t i = 0; i < kRounds; ++i) {
      ::usleep(5000);  // so that a request waits for its reader
      if (receive_all(socket, kRequest) != 0 || send_all(socket, kAnswer) != 0) return 1;
    }
    return 0;
  });
  const pid_t asking = client.start([&] {
    const Fd socket = tcp_socket(AF_INET);
    if (::connect(socket.get(), listener.address().get(), listener.address().size) != 0) return 1;
    for (std::size_t i = 0; i < kRounds; ++i) {
      if (send_all(socket, kRequest) != 0 || receive_all(socket, kAnswer) != 0) return 1;
    }
    return 0;
  });
  EXPECT_TRUE(wait_for(asking));
  EXPECT_TRUE(wait_for(serving));
  const Delta delta = collector.end();
  const auto bytes = [&](const NamedCgroup& cgroup, const char* direction) {
    return delta.counter("cgroup_tcp_bytes", with(cgroup.labels(), "direction", direction));
  };
  EXPECT_EQ(bytes(client, "transmit"), kRounds * kRequest);
  EXPECT_EQ(bytes(client, "receive"), kRounds * kAnswer);
  EXPECT_EQ(bytes(server, "transmit"), kRounds * kAnswer);
  EXPECT_EQ(bytes(server, "receive"), kRounds * kRequest);
  for (const NamedCgroup* cgroup : {&client, &server}) {
    // Some come before the connection is somebody's, or together.
    EXPECT_GE(delta.histogram("cgroup_tcp_srtt", cgroup->labels()).count(), kRounds / 2);
    EXPECT_GE(delta.histogram("cgroup_tcp_packet_latency", cgroup->labels()).count(), kRounds / 2);
  }
  const std::uint64_t waited = delta.histogram("cgroup_tcp_packet_latency", server.labels()).sum;
  EXPECT_GE(waited, kRounds * 2'500'000);
  EXPECT_GT(waited, delta.histogram("cgroup_tcp_packet_latency", client.labels()).sum);
  const SnapshotRef snapshot = collector->collect();
  expect_parts(*snapshot, "cgroup_tcp_bytes", "tcp_bytes");
  expect_parts(*snapshot, "cgroup_tcp_retransmit", "tcp_retransmit");
  EXPECT_LE(delta.histogram("cgroup_tcp_srtt").count(), delta.histogram("tcp_srtt").count());
  if (in_vm()) {
    EXPECT_EQ(value(*snapshot, "cgroup_tcp_bytes"), value(*snapshot, "tcp_bytes"));
  }
  collector.expect_no_losses();
}

// Whoever made a connection is charged what others do with it.
TEST_P(cgroup_tcp, AConnectionThatIsHandedOn) {
  constexpr std::size_t kBytes = 5000;
  LiveCollector collector(kSamplers, GetParam());
  SKIP_WITHOUT(collector, "tcp_traffic");
  const NamedCgroup maker("rezolus_live_maker");
  const NamedCgroup user("rezolus_live_user");
  if (!maker.ok() || !user.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, maker.labels()));
  ASSERT_TRUE(appears(*collector, user.labels()));
  Listener listener("127.0.0.1");
  ASSERT_TRUE(listener.ok());
  collector.begin();
  EXPECT_TRUE(wait_for(maker.start([&] {
    const Connection connection(listener);
    const bool used = wait_for(user.start([&] { return send_all(connection.client, kBytes); }));
    return used ? receive_all(connection.server, kBytes) : 1;
  })));
  const Delta delta = collector.end();
  EXPECT_EQ(delta.counter("cgroup_tcp_bytes", with(maker.labels(), "direction", "transmit")),
            kBytes);
  EXPECT_EQ(delta.counter("cgroup_tcp_bytes", user.labels()), 0u);
}

// A map of sockets whose stream parser takes all that there is and passes it on: within softirqs.
class StreamParser {
 public:
  StreamParser()
      : map_(::bpf_map_create(BPF_MAP_TYPE_SOCKMAP, "live_sockets", 4, 4, 1, nullptr)),
        parser_(load({bpf_insn{BPF_LDX | BPF_MEM | BPF_W, 0, 1, 0, 0}, kExit})),  // skb->len
        verdict_(load({bpf_insn{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, SK_PASS}, kExit})) {}
  [[nodiscard]] bool take(const Fd& socket) const {
    const int key = 0;
    const int value = socket.get();
    return map_.valid() && parser_.valid() && verdict_.valid() &&
           ::bpf_prog_attach(parser_.get(), map_.get(), BPF_SK_SKB_STREAM_PARSER, 0) == 0 &&
           ::bpf_prog_attach(verdict_.get(), map_.get(), BPF_SK_SKB_STREAM_VERDICT, 0) == 0 &&
           ::bpf_map_update_elem(map_.get(), &key, &value, BPF_ANY) == 0;
  }

 private:
  static constexpr bpf_insn kExit = {BPF_JMP | BPF_EXIT, 0, 0, 0, 0};
  static Fd load(const std::array<bpf_insn, 2>& program) {
    return Fd(::bpf_prog_load(BPF_PROG_TYPE_SK_SKB, "live_parser", "GPL", program.data(),
                              program.size(), nullptr));
  }
  Fd map_;
  Fd parser_;
  Fd verdict_;
};

// Over loopback a softirq reads in the sender's place: the socket is not the sender's for that.
TEST_P(cgroup_tcp, WhoeverASoftirqInterruptsDoesNotOwnASocket) {
  constexpr std::size_t kRounds = 20;
  constexpr std::size_t kBytes = 500;
  LiveCollector collector(kSamplers, GetParam());
  SKIP_WITHOUT(collector, "tcp_traffic");
  const NamedCgroup sender("rezolus_live_sender");
  const NamedCgroup reader("rezolus_live_reader");
  if (!sender.ok() || !reader.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, sender.labels()));
  ASSERT_TRUE(appears(*collector, reader.labels()));
  Listener listener("127.0.0.1");
  ASSERT_TRUE(listener.ok());
  const StreamParser parser;
  collector.begin();
  const Connection connection(listener);  // the client's side is ours
  if (!parser.take(connection.server)) GTEST_SKIP() << "this kernel has no stream parser";
  EXPECT_TRUE(wait_for(sender.start([&] {
    for (std::size_t i = 0; i < kRounds; ++i) {
      if (send_all(connection.client, kBytes) != 0) return 1;
      ::usleep(2000);  // each in a segment of its own
    }
    return 0;
  })));
  EXPECT_TRUE(wait_for(reader.start([&] {
    std::array<char, kBytes> buffer;
    ssize_t got = 0;
    do {  // such a socket wakes its reader before there is something to read
      got = ::recv(connection.server.get(), buffer.data(), buffer.size(), 0);
    } while (got < 0 && errno == EAGAIN);
    if (got <= 0) return 1;
    return 0;
  })));
  const Delta delta = collector.end();
  EXPECT_EQ(delta.histogram("cgroup_tcp_srtt", sender.labels()).count(), 0u);
  EXPECT_EQ(delta.counter("cgroup_tcp_bytes", sender.labels()), 0u);
  // Before 6.3 nothing tells what is read from such a socket.
  if (delta.counter("tcp_bytes", {{"direction", "receive"}}) > 0) {
    EXPECT_GT(delta.counter("cgroup_tcp_bytes", with(reader.labels(), "direction", "receive")), 0u);
  }
}

// Where sockets are in a hash: what is sent on one without a place is counted, but for no cgroup.
TEST_P(cgroup_tcp, AFullTableOfSocketsIsALoss) {
  if (GetParam() != Mode::kRawTracepoints) GTEST_SKIP() << "socket storage has no limit";
  constexpr std::size_t kConnections = SOCKET_HASH_ENTRIES / 2 + 500;
  constexpr rlim_t kFiles = 2 * kConnections + 1000;
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  const rlimit more = {std::max<rlim_t>(files.rlim_cur, kFiles),
                       std::max<rlim_t>(files.rlim_max, kFiles)};
  if (::setrlimit(RLIMIT_NOFILE, &more) != 0) GTEST_SKIP() << "so many files may not be opened";
  {
    LiveCollector collector({"tcp_traffic"}, GetParam());
    SKIP_WITHOUT(collector, "tcp_traffic");
    Listener listener("127.0.0.1");
    ASSERT_TRUE(listener.ok());
    collector.begin();
    std::vector<Connection> connections;
    for (std::size_t i = 0; i < kConnections; ++i) {
      connections.emplace_back(listener);
      ASSERT_EQ(::send(connections.back().server.get(), "x", 1, 0), 1);
    }
    const Delta delta = collector.end();
    EXPECT_GE(delta.counter("tcp_bytes", {{"direction", "transmit"}}), kConnections);
    const auto losses = collector->status().losses;
    const auto full = std::ranges::find_if(losses, [](const LossStatus& loss) {
      return loss.family == "tcp" && loss.reason == "socket_table_full";
    });
    ASSERT_NE(full, losses.end());
    // Those that were there before have places as well.
    EXPECT_GE(full->count, 2 * kConnections - SOCKET_HASH_ENTRIES);
  }
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
}

TEST_P(cgroup_tcp, SegmentsThatAreSentAgain) {
  constexpr std::size_t kBytes = 600'000;
  if (!in_vm()) GTEST_SKIP() << "network namespaces are set up only in a VM";
  Peer peer;
  ASSERT_TRUE(peer.ok());
  ASSERT_TRUE(Peer::netem("delay 2ms loss 12%"));
  LiveCollector collector({"tcp_retransmit"}, GetParam());
  SKIP_WITHOUT(collector, "tcp_retransmit");
  const NamedCgroup cgroup("rezolus_live_lossy");
  if (!cgroup.ok()) GTEST_SKIP() << "no cgroup can be made here";
  ASSERT_TRUE(appears(*collector, cgroup.labels()));
  std::unique_ptr<Listener> listener;
  peer.inside([&] { listener = std::make_unique<Listener>(Peer::kV4); });
  std::thread reader([&] {
    const Fd socket = listener->accept();
    std::vector<char> buffer(100'000);
    while (::recv(socket.get(), buffer.data(), buffer.size(), 0) > 0) {
    }
  });
  collector.begin();
  EXPECT_TRUE(wait_for(cgroup.start([&] {
    const Fd socket = tcp_socket(AF_INET);
    if (::connect(socket.get(), listener->address().get(), listener->address().size) != 0) return 1;
    const int failed = send_all(socket, kBytes);
    ::shutdown(socket.get(), SHUT_WR);
    char byte = 0;
    return failed + static_cast<int>(::recv(socket.get(), &byte, 1, 0));
  })));
  reader.join();
  const Delta delta = collector.end();
  const std::uint64_t counted = delta.counter("cgroup_tcp_retransmit", cgroup.labels());
  EXPECT_GT(counted, 0u);
  // Answers to a SYN are nobody's.
  EXPECT_EQ(counted + delta.counter("cgroup_tcp_retransmit", {{"cgroup", "other"}}),
            delta.counter("tcp_retransmit"));
}

}  // namespace
}  // namespace rezolus::live
