// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// For live tests: a veth pair from the caller's network namespace into a fresh one, with addresses,
// fixed link addresses and known neighbours, so that nothing but what a test sends passes it.

#include <cstdlib>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <fmt/format.h>

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

}  // namespace rezolus::live
