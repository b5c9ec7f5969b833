// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// For live tests: ways to send known packets. A veth pair from the caller's network namespace into a
// fresh one, with addresses, fixed link addresses and known neighbours, so that nothing but what a
// test sends passes it; a TAP device; a TCP connection.

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "live/live.h"

namespace rezolus::live {

// Whether a shell command ended well.
inline bool run(const std::string& command) { return std::system(command.c_str()) == 0; }

class VethPair {
 public:
  static constexpr const char* kAddress = "10.77.31.1";
  static constexpr const char* kPeerAddress = "10.77.31.2";
  static constexpr const char* kNobody = "10.77.31.99";

  VethPair() {
    run("modprobe -q veth");
    ok_ = run("ip netns add " + space_) &&
          run(fmt::format("ip link add {} address 02:00:00:00:77:01 type veth peer name {} "
                          "address 02:00:00:00:77:02 netns {}",
                          name_, name_, space_)) &&
          set_up("", kAddress, kPeerAddress, "02:00:00:00:77:02") &&
          set_up("ip netns exec " + space_ + " ", kPeerAddress, kAddress, "02:00:00:00:77:01");
  }
  ~VethPair() {
    run("ip link del " + name_);
    run("ip netns del " + space_);
  }
  VethPair(const VethPair&) = delete;
  VethPair& operator=(const VethPair&) = delete;

  [[nodiscard]] bool ok() const { return ok_; }
  // Of the end on this side; the other one has the same name in its namespace.
  [[nodiscard]] const std::string& name() const { return name_; }

  // socket(2) of the other side.
  [[nodiscard]] int peer_socket(int family, int type, int protocol) const {
    const int here = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    const int there = ::open(("/run/netns/" + space_).c_str(), O_RDONLY | O_CLOEXEC);
    int result = -1;
    if (::setns(there, CLONE_NEWNET) == 0) {
      result = ::socket(family, type, protocol);
      if (::setns(here, CLONE_NEWNET) != 0) std::abort();
    }
    ::close(here);
    ::close(there);
    return result;
  }

 private:
  [[nodiscard]] bool set_up(const std::string& in, const char* own, const char* peer,
                            const char* peer_link) const {
    // IPv6 would announce itself.
    run(fmt::format("{}sh -c 'echo 1 >/proc/sys/net/ipv6/conf/{}/disable_ipv6' 2>/dev/null", in,
                    name_));
    return run(fmt::format("{}ip addr add {}/24 dev {}", in, own, name_)) &&
           run(fmt::format("{}ip link set {} up", in, name_)) &&
           run(fmt::format("{}ip neigh add {} lladdr {} dev {} nud permanent", in, peer, peer_link,
                           name_));
  }

  // The kernel takes its time to remove what an earlier pair left.
  static inline int made_ = 0;
  std::string name_ = fmt::format("rzl{}x{}", ::getpid(), made_++);
  std::string space_ = name_;
  bool ok_ = false;
};

// A pair, or the test ends: skipped where the host has none, failed in a VM.
#define REZOLUS_VETH_PAIR(pair)                                        \
  const VethPair pair;                                                 \
  if (!(pair).ok() && in_vm()) FAIL() << "no veth pair could be made"; \
  if (!(pair).ok()) GTEST_SKIP() << "this host makes no veth pair for us"

inline sockaddr_in address_of(const char* text, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

inline void send_to(int socket, const sockaddr_in& address, std::size_t size_bytes, int count) {
  const std::vector<char> bytes(size_bytes, 'x');
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(::sendto(socket, bytes.data(), bytes.size(), 0,
                       reinterpret_cast<const sockaddr*>(&address), sizeof address),
              static_cast<ssize_t>(bytes.size()))
        << std::strerror(errno);
  }
}

// Bound to a free port of the address, which it returns.
inline std::uint16_t bind_to(int socket, const char* text) {
  sockaddr_in address = address_of(text, 0);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

inline void sleep_ms(int duration_ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(duration_ms));
}

// A TAP device whose other end is the descriptor.
struct Tap {
  Fd fd;
  std::string name;
};

inline std::optional<Tap> make_tap() {
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
inline void send_frames(const std::string& device, std::size_t frame_bytes, int count) {
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

// A TCP connection from this side of the pair to the other.
struct Connection {
  Fd client;
  Fd server;
};

inline Connection connect_over(const VethPair& pair) {
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

}  // namespace rezolus::live
