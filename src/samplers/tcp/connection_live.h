// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the live tests of TCP share: connections, and in a VM a second network namespace behind a
// pair of virtual interfaces that delays and loses packets as it is told to.

#include <array>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/tcp.h>  // has more of tcp_info than netinet/tcp.h
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "live/live.h"

namespace rezolus::live {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] int family() const { return storage.ss_family; }
};

// "127.0.0.1" or "::1", with port 0.
inline Address address_of(const std::string& text) {
  Address address;
  if (text.find(':') == std::string::npos) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    v4->sin_family = AF_INET;
    CHECK(::inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1, "an address");
    address.size = sizeof *v4;
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    v6->sin6_family = AF_INET6;
    CHECK(::inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1, "an address");
    address.size = sizeof *v6;
  }
  return address;
}

inline Fd tcp_socket(int family) { return Fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

class Listener {
 public:
  explicit Listener(const std::string& text) : address_(address_of(text)) {
    fd_ = tcp_socket(address_.family());
    ok_ = ::bind(fd_.get(), address_.get(), address_.size) == 0 && ::listen(fd_.get(), 128) == 0;
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address_.storage), &address_.size);
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] const Address& address() const { return address_; }
  // Connections are established when data comes; until then the SYN is answered again and again.
  void defer_accept() {
    const int second = 1;
    CHECK(::setsockopt(fd_.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &second, sizeof second) == 0,
          "TCP_DEFER_ACCEPT");
  }
  Fd accept() { return Fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
  // Nobody listens there any more.
  Address close() {
    fd_.close();
    return address_;
  }

 private:
  Address address_;
  Fd fd_;
  bool ok_ = false;
};

// One connection; connect_ns is how long connect(2) took.
struct Connection {
  explicit Connection(Listener& listener) : client(tcp_socket(listener.address().family())) {
    const std::uint64_t begin = now_ns();
    const int failed =
        ::connect(client.get(), listener.address().get(), listener.address().size);
    connect_ns = now_ns() - begin;
    EXPECT_EQ(failed, 0) << std::strerror(errno);
    if (failed == 0) server = listener.accept();
  }
  Fd client;
  Fd server;
  std::uint64_t connect_ns = 0;
};

// A sampler that this kernel lacks the hooks for has its reason.
#define SKIP_WITHOUT(collector, sampler)                                             \
  do {                                                                               \
    const SamplerStatus& sampler_status_ = (collector).status_of(sampler);           \
    if (sampler_status_.health == SamplerHealth::kUnsupported)                       \
      GTEST_SKIP() << sampler_status_.reason;                                        \
    ASSERT_EQ(sampler_status_.state, SamplerState::kActive) << sampler_status_.reason; \
  } while (0)

// A network namespace beyond a pair of virtual interfaces: 10.9.0.1 and fd09::1 here, 10.9.0.2 and
// fd09::2 there. Only for VMs.
class Peer {
 public:
  static constexpr const char* kV4 = "10.9.0.2";
  static constexpr const char* kV6 = "fd09::2";

  Peer() {
    (void)!std::system("modprobe veth 2>/dev/null; modprobe sch_netem 2>/dev/null");
    std::thread([this] {
      if (::unshare(CLONE_NEWNET) != 0) return;
      namespace_ = Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
      ok_ = shell("ip link set lo up") &&
            shell("ip link add vb type veth peer name va netns 1") &&
            shell("ip addr add 10.9.0.2/24 dev vb") &&
            shell("ip -6 addr add fd09::2/64 dev vb nodad") && shell("ip link set vb up");
    }).join();
    ok_ = ok_ && shell("ip addr add 10.9.0.1/24 dev va") &&
          shell("ip -6 addr add fd09::1/64 dev va nodad") && shell("ip link set va up");
  }
  ~Peer() {
    if (ok_) shell("ip link del va");
  }
  [[nodiscard]] bool ok() const { return ok_; }

  // Calls the function from within the other namespace.
  void inside(const std::function<void()>& call) {
    std::thread([&] {
      ASSERT_EQ(::setns(namespace_.get(), CLONE_NEWNET), 0);
      call();
    }).join();
  }

  // What leaves here: "delay 20ms", "loss 10%".
  static bool netem(const std::string& how) {
    return shell("tc qdisc replace dev va root netem " + how);
  }

 private:
  static bool shell(const std::string& command) { return std::system(command.c_str()) == 0; }

  Fd namespace_;
  bool ok_ = false;
};

// RetransSegs of the calling thread's network namespace.
inline std::uint64_t retransmitted_segments() {
  std::ifstream file("/proc/thread-self/net/snmp");
  std::string line;
  std::vector<std::string> names;
  while (std::getline(file, line)) {
    if (!line.starts_with("Tcp:")) continue;
    std::istringstream words(line);
    std::vector<std::string> fields{std::istream_iterator<std::string>(words), {}};
    if (names.empty()) {
      names = fields;
      continue;
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == "RetransSegs") return std::stoull(fields.at(i));
    }
  }
  ADD_FAILURE() << "/proc/net/snmp has no RetransSegs";
  return 0;
}

inline tcp_info info_of(const Fd& socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  EXPECT_EQ(::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  return info;
}

}  // namespace rezolus::live
