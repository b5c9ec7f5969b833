// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Sends a BodyStream over one connection, in HTTP chunks, until either side ends it. Server thread
// only, but for the wake that it hands to the stream. Includes Asio: for session.h only.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "http/channel.h"
#include "http/server.h"
#include "http/write_patience.h"

namespace rezolus::http {

class StreamWriter : public std::enable_shared_from_this<StreamWriter> {
 public:
  // Runs a function on the server thread, if there still is one.
  using Post = std::function<void(std::function<void()>)>;

  struct Config {
    std::chrono::milliseconds write_timeout{};
    std::chrono::milliseconds keep_alive{};
    bool chunked = true;  // false for HTTP/1.0: the body ends with the connection
  };

  // on_closed: called once, when the connection is closed.
  StreamWriter(boost::asio::io_context& io, std::unique_ptr<Channel> channel,
               std::shared_ptr<BodyStream> stream, Config config, std::function<void(bool timed_out)> on_closed);

  // header: the answer's, complete.
  void start(std::string header, const Post& post);
  // Sends what there is and the stream's last words, then closes.
  void finish();
  void close(bool timed_out = false);
  // As Session's.
  [[nodiscard]] std::optional<WritePatience::Clock::time_point> waits_since(
      WritePatience::Clock::time_point now, const ServerLimits& limits) const;

 private:
  void on_wake();
  void fill();
  void arm(std::chrono::milliseconds timeout);
  void on_deadline();
  void write_pending();
  void write();
  void account(std::uint64_t begin_ns);
  void on_written(bool ok);
  void watch_for_end();
  void say_goodbye();

  std::unique_ptr<Channel> channel_;
  boost::asio::steady_timer deadline_;
  std::shared_ptr<BodyStream> stream_;
  const Config config_;
  std::function<void(bool)> on_closed_;
  std::string pending_;  // of the body; waits for what is being written
  std::string writing_;  // as it goes over the wire
  std::string chunk_;    // the body of writing_; kept for its memory
  char ignored_[256];    // what the client says while it listens
  WritePatience patience_;
  bool busy_ = false;
  bool finishing_ = false;
  bool ended_ = false;  // the last chunk is being written
  bool leaving_ = false;  // with TLS: the other side is told that this is all
  bool closed_ = false;
  std::atomic<bool> woken_ = false;
};

}  // namespace rezolus::http
