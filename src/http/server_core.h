// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the server thread owns: listeners and connections. Includes Asio: for server.cpp and
// session.h only.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <vector>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/result.h"
#include "http/handshake_queue.h"
#include "http/server.h"
#include "http/web_gate.h"

namespace rezolus::http {

class Session;

// Outlives every session; a Responder holds it weakly.
class ServerCore : public std::enable_shared_from_this<ServerCore> {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;

  ServerCore(ServerConfig config, std::vector<Route> routes)
      : config_(std::move(config)), routes_(std::move(routes)) {}

  Result<void> bind_all();
  void run();
  void stop();
  void remove_unix_sockets();

  [[nodiscard]] const ServerLimits& limits() const { return config_.limits; }
  // The route of a path and method; else whether other methods have one.
  [[nodiscard]] std::pair<const Route*, bool> find_route(std::string_view path, bool post) const;
  [[nodiscard]] bool host_allowed(std::string_view host, std::string_view local_address) const;
  void set_allowed_hosts(std::vector<std::string> names);
  [[nodiscard]] WebGate& gate() { return gate_; }
  // One request more over TCP: whether rate_limit allows it now. Server thread.
  [[nodiscard]] bool take_rate(const RateLimit& limit);
  void forget(const std::shared_ptr<Session>& session);
  // Calls begin when it is the turn of its handshake; it may be refused, and closed, instead.
  void queue_handshake(const std::shared_ptr<Session>& session, HandshakeQueue::Call begin);
  // Whether it was waiting for its turn.
  bool leave_queue(const Session& session) { return handshakes_.remove(&session); }

  boost::asio::io_context io{1};
  ServerCounters counters;
  std::vector<std::string> endpoints;
  bool stopping = false;  // server thread only

 private:
  template <typename Acceptor>
  void accept(Acceptor& acceptor);
  void admit(Socket socket, std::string local_address, std::string peer_address);
  // Who is closed so that another connection finds room; null: nobody.
  [[nodiscard]] std::shared_ptr<Session> one_to_shed() const;
  // When the queue is to be run again, as it says itself.
  void run_handshakes_in(std::optional<std::uint64_t> wait_ns);
  void begin_stop();

  ServerConfig config_;
  std::vector<Route> routes_;
  WebGate gate_{counters};
  HandshakeQueue handshakes_{config_.limits.handshakes_per_s_max,
                             config_.limits.handshakes_waiting_max};
  double rate_tokens_ = 0;  // requests that rate_limit allows at once; server thread
  std::uint64_t rate_filled_ns_ = 0;
  mutable std::mutex mutex_;  // guards config_.allowed_hosts
  std::vector<std::unique_ptr<boost::asio::ip::tcp::acceptor>> tcp_acceptors_;
  std::vector<std::unique_ptr<boost::asio::local::stream_protocol::acceptor>> unix_acceptors_;
  std::vector<std::string> unix_paths_;
  std::unordered_set<std::shared_ptr<Session>> sessions_;
  boost::asio::steady_timer accept_retry_{io};
  boost::asio::steady_timer stop_timer_{io};
  boost::asio::steady_timer handshake_timer_{io};
  std::thread thread_;
};

}  // namespace rezolus::http
