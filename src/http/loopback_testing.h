// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Where the test servers of the clients listen.

#include <cstdint>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "http/client.h"

namespace rezolus {

// A listening TCP socket on 127.0.0.1, on a port that the kernel chooses.
class LoopbackListener {
 public:
  explicit LoopbackListener(int backlog) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(fd_.get(), backlog), 0);
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  // The next connection; -1 after shut_down().
  [[nodiscard]] int accept() const {
    return ::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC);
  }
  void shut_down() const { ::shutdown(fd_.get(), SHUT_RDWR); }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] Url url() const { return parse_url(fmt::format("127.0.0.1:{}", port_)).value(); }

 private:
  Fd fd_;
  std::uint16_t port_ = 0;
};

}  // namespace rezolus
