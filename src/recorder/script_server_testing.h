// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// For tests: a small HTTP server that answers each request as a test says, well or badly.

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/fd.h"
#include "http/client.h"
#include "http/loopback_testing.h"
#include "recording/frame/frame.h"

namespace rezolus {

class ScriptServer {
 public:
  // One connection, which is closed when the handler returns.
  class Peer {
   public:
    Peer(int fd, const std::atomic<bool>& ending) : fd_(fd), ending_(ending) {}
    // False: the client is gone.
    bool send(std::string_view bytes) const {
      while (!bytes.empty()) {
        const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      }
      return true;
    }
    bool answer(int status, std::string_view type, std::string_view body) const {
      return send(
          fmt::format("HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {}\r\n"
                      "Connection: close\r\n\r\n{}",
                      status, type, body.size(), body));
    }
    // An answer without an end: the body is what is sent afterwards.
    bool begin_stream(std::string_view type = kFrameMediaType) const {
      return send(fmt::format("HTTP/1.0 200 OK\r\nContent-Type: {}\r\n\r\n", type));
    }
    // Says nothing until the time is over, the client goes away or the server ends. True: go on.
    [[nodiscard]] bool wait(std::uint64_t ns = 3600 * kNsPerSecond) const {
      const std::uint64_t until_ns = monotonic_ns() + ns;
      while (monotonic_ns() < until_ns) {
        if (ending_) return false;
        const std::uint64_t left_ns = until_ns - monotonic_ns();
        pollfd event{.fd = fd_, .events = POLLRDHUP, .revents = 0};
        const auto wait_ms = std::min<std::uint64_t>(left_ns / kNsPerMs, 20);
        if (::poll(&event, 1, static_cast<int>(wait_ms)) > 0) return false;
        if (wait_ms == 0) sleep_until_monotonic(until_ns);
      }
      return true;
    }

   private:
    const int fd_;
    const std::atomic<bool>& ending_;
  };
  using Handler = std::function<void(const std::string& path, const Peer& peer)>;

  explicit ScriptServer(Handler handler) : handler_(std::move(handler)) {
    thread_ = std::thread([this] { accept_all(); });
  }
  ~ScriptServer() {
    ending_ = true;
    listener_.shut_down();
    thread_.join();
    for (std::thread& peer : peers_) peer.join();
  }
  ScriptServer(const ScriptServer&) = delete;
  ScriptServer& operator=(const ScriptServer&) = delete;
  [[nodiscard]] Url url() const { return listener_.url(); }

 private:
  void accept_all() {
    while (true) {
      const int fd = listener_.accept();
      if (fd < 0) return;
      peers_.emplace_back([this, fd] {
        const Fd closing(fd);
        std::string request;
        char buffer[4096];
        while (request.find("\r\n\r\n") == request.npos) {
          const ssize_t n = ::read(fd, buffer, sizeof(buffer));
          if (n <= 0) return;
          request.append(buffer, static_cast<std::size_t>(n));
        }
        const std::size_t begin = request.find(' ') + 1;
        handler_(request.substr(begin, request.find(' ', begin) - begin), Peer(fd, ending_));
      });
    }
  }

  const Handler handler_;
  std::atomic<bool> ending_ = false;
  LoopbackListener listener_{64};
  std::list<std::thread> peers_;
  std::thread thread_;  // after what it uses
};

}  // namespace rezolus
