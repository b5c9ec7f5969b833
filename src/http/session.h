// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// One connection of the server, for its thread only. Includes Asio and Beast: for server.cpp and
// session.cpp only.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/span.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/string_body.hpp>

#include "http/channel.h"
#include "http/server_core.h"
#include "http/stream_writer.h"
#include "http/write_patience.h"

namespace rezolus::http {

// Makes TLS where there is any, reads a request, waits for its answer, writes it, and starts again. At
// any time it holds at most one request and one answer, and one deadline runs.
class Session : public std::enable_shared_from_this<Session> {
 public:
  using Socket = ServerCore::Socket;

  // local_address: the literal that the client connected to; empty: a Unix socket. peer_address: of
  // the client.
  Session(ServerCore& core, Socket socket, std::string local_address, std::string peer_address);
  void start();

  // The server stops: an answer in flight is the connection's last.
  void finish();
  void close();

  // Since when its client is waited for; nothing: the client waits for us, or keeps up with what it is sent.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> waits_since(
      std::chrono::steady_clock::time_point now) const;
  [[nodiscard]] const std::string& peer_group() const { return peer_group_; }

 private:
  enum class State {
    kHandshake,
    kWaiting,
    kReading,
    kAnswering,
    kWriting,
    kStreaming,
    kLingering,
    kClosed
  };
  using Answer = boost::beast::http::response<boost::beast::http::span_body<const char>>;

  void arm(std::chrono::milliseconds timeout);
  void on_deadline();
  void detect_tls(WebStateRef web);
  void wait_for_turn(WebStateRef web);
  void make_tls(const WebStateRef& web);
  void wait_for_request(std::chrono::milliseconds timeout);
  void on_readable(boost::system::error_code ec, std::size_t byte_count);
  void read_request();
  void on_read_error(boost::system::error_code ec);
  void on_request();
  // Requires: parser_ has the message.
  void describe_sender(Request& request);
  void check_credentials(Request request);
  void on_verdict(Request request, bool right, const WebStateRef& web);
  [[nodiscard]] bool known_by_certificate(const Credentials& credentials) const;
  void refuse_host();
  void route(const Request& request);
  void answer(const Route& route, const Request& request);
  // Runs call on the server thread, if this request is still the one that is being answered.
  [[nodiscard]] std::function<void(std::function<void(Session&)>)> later();
  void write(Response response);
  void write_stream(Response response);
  void send(Answer message);

  // Closing while the client still sends would reset the connection and lose our answer; so what
  // comes is read for a moment, and thrown away.
  void linger();
  void drain();

  ServerCore& core_;
  std::unique_ptr<Channel> channel_;
  std::shared_ptr<boost::asio::ssl::context> tls_;  // by which it was made; null: plain
  boost::asio::steady_timer deadline_;
  boost::beast::flat_buffer buffer_;
  const std::string local_address_;
  const std::string peer_address_;
  const std::string peer_group_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  State state_ = State::kWaiting;
  std::chrono::steady_clock::time_point state_since_;
  WritePatience patience_;
  std::shared_ptr<const std::string> body_;  // what is being written
  std::shared_ptr<StreamWriter> writer_;     // has the channel, once a stream is what is written
  std::string accept_encoding_;
  std::string host_;  // of the request, as it was sent
  std::uint64_t request_index_ = 0;
  std::size_t drained_bytes_ = 0;
  bool known_method_ = false;
  bool host_known_ = false;
  bool keep_alive_ = true;
  bool chunked_ = true;
  bool head_ = false;
};

}  // namespace rezolus::http
