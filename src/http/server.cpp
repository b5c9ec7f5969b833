// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/server.h"

#include <algorithm>
#include <exception>
#include <unordered_map>
#include <utility>

#include <boost/asio.hpp>
#include <netinet/tcp.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/listen_address.h"
#include "http/listener.h"
#include "http/server_core.h"
#include "http/session.h"

namespace rezolus::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using unix_stream = asio::local::stream_protocol;
using ErrorCode = boost::system::error_code;

namespace {

// An IPv4 address that came to an IPv6 socket is one of IPv4.
std::string address_text(asio::ip::address address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  return address.to_string();
}

}  // namespace

Result<void> ServerCore::bind_all() {
  if (config_.listen.empty()) return usage_error("there is no listen address");
  for (const std::string& text : config_.listen) {
    auto address = parse_listen_address(text);
    if (!address) return std::unexpected(address.error());
    if (address->unix_path.empty()) {
      auto acceptor = listen_tcp(io, *address, config_.listen.size() > 1);
      if (!acceptor) return std::unexpected(acceptor.error());
      tcp_acceptors_.push_back(std::make_unique<tcp::acceptor>(std::move(*acceptor)));
      endpoints.push_back(endpoint_text(*tcp_acceptors_.back()));
      config_.allowed_hosts.push_back(address->host);
    } else {
      auto acceptor = listen_unix(io, *address, config_.unix_socket_mode);
      if (!acceptor) return std::unexpected(acceptor.error());
      unix_acceptors_.push_back(std::make_unique<unix_stream::acceptor>(std::move(*acceptor)));
      unix_paths_.push_back(address->unix_path);
      endpoints.push_back(address->text);
    }
  }
  return {};
}

void ServerCore::remove_unix_sockets() {
  for (const std::string& path : unix_paths_) ::unlink(path.c_str());
  unix_paths_.clear();
}

template <typename Acceptor>
void ServerCore::accept(Acceptor& acceptor) {
  acceptor.async_accept([this, &acceptor](ErrorCode ec, auto socket) {
    if (stopping || ec == asio::error::operation_aborted) return;
    if (ec) {
      // Out of descriptors or of memory: what is waiting is taken later.
      accept_retry_.expires_after(std::chrono::milliseconds(100));
      accept_retry_.async_wait([this, &acceptor](ErrorCode cancelled) {
        if (!cancelled && !stopping) accept(acceptor);
      });
      return;
    }
    std::string local_address;
    std::string peer_address;
    if constexpr (std::is_same_v<decltype(socket), tcp::socket>) {
      ErrorCode ignored;
      local_address = address_text(socket.local_endpoint(ignored).address());
      peer_address = address_text(socket.remote_endpoint(ignored).address());
      socket.set_option(tcp::no_delay(true), ignored);
      // A peer that is gone is noticed while the kernel still buffers for it.
      const int timeout_ms = static_cast<int>(limits().write_timeout.count());
      ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
                   sizeof timeout_ms);
    }
    admit(Socket(std::move(socket)), std::move(local_address), std::move(peer_address));
    accept(acceptor);
  });
}

void ServerCore::admit(Socket socket, std::string local_address, std::string peer_address) {
  ++counters.connections;
  if (sessions_.size() >= limits().connections_max) {
    if (const auto waiting = one_to_shed()) {
      ++counters.connections_shed;
      waiting->close();
    }
  }
  if (sessions_.size() >= limits().connections_max) {
    ++counters.connections_refused;
    constexpr std::string_view kRefusal =
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    ErrorCode ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(kRefusal), ignored);
    socket.shutdown(Socket::shutdown_both, ignored);
    return;
  }
  const auto session = std::make_shared<Session>(*this, std::move(socket), std::move(local_address),
                                                 std::move(peer_address));
  sessions_.insert(session);
  counters.connections_open = sessions_.size();
  session->start();
}

// Clients that hold many connections and send or take nothing, or next to nothing, so lose their own. One
// that has sent its request is safe while it is answered, and takes the answer.
std::shared_ptr<Session> ServerCore::one_to_shed() const {
  std::unordered_map<std::string_view, std::size_t> count_by_peer;
  for (const auto& session : sessions_) ++count_by_peer[session->peer_group()];
  std::shared_ptr<Session> chosen;
  std::pair<std::size_t, std::chrono::steady_clock::duration> most{};
  const auto now = std::chrono::steady_clock::now();
  for (const auto& session : sessions_) {
    const auto since = session->waits_since(now);
    if (!since) continue;
    const std::pair rank{count_by_peer[session->peer_group()], now - *since};
    if (chosen != nullptr && rank <= most) continue;
    chosen = session;
    most = rank;
  }
  return chosen;
}

std::pair<const Route*, bool> ServerCore::find_route(std::string_view path, bool post) const {
  bool other = false;
  for (const Route& route : routes_) {
    if (route.path != path) continue;
    if (route.post == post) return {&route, other};
    other = true;
  }
  return {nullptr, other};
}

bool ServerCore::host_allowed(std::string_view host, std::string_view local_address) const {
  const std::lock_guard lock(mutex_);
  return is_allowed_host(host, local_address, config_.allowed_hosts);
}

void ServerCore::set_allowed_hosts(std::vector<std::string> names) {
  for (const std::string& text : config_.listen) {
    if (auto address = parse_listen_address(text); address && !address->host.empty()) {
      names.push_back(address->host);
    }
  }
  const std::lock_guard lock(mutex_);
  config_.allowed_hosts = std::move(names);
}

void ServerCore::queue_handshake(const std::shared_ptr<Session>& session,
                                 HandshakeQueue::Call begin) {
  const auto refuse = [this, weak = std::weak_ptr(session)] {
    ++counters.handshakes_refused;
    if (const auto refused = weak.lock()) refused->close();
  };
  // One that fails, for want of memory, keeps nobody from having a turn.
  const auto guarded = [weak = std::weak_ptr(session), begin = std::move(begin)] {
    try {
      begin();
    } catch (const std::exception& failure) {
      const auto failed = weak.lock();
      if (!failed) return;
      spdlog::warn("server: TLS with {}: {}", failed->peer_group(), failure.what());
      failed->close();
    }
  };
  run_handshakes_in(
      handshakes_.add(session.get(), session->peer_group(), guarded, refuse, monotonic_ns()));
}

void ServerCore::run_handshakes_in(std::optional<std::uint64_t> wait_ns) {
  if (!wait_ns) return;
  handshake_timer_.expires_after(std::chrono::nanoseconds(*wait_ns));
  handshake_timer_.async_wait([this](ErrorCode cancelled) {
    if (!cancelled && !stopping) run_handshakes_in(handshakes_.run(monotonic_ns()));
  });
}

void ServerCore::forget(const std::shared_ptr<Session>& session) {
  sessions_.erase(session);
  handshakes_.remove(session.get());
  counters.connections_open = sessions_.size();
  if (stopping && sessions_.empty()) stop_timer_.cancel();
}

void ServerCore::run() {
  for (auto& acceptor : tcp_acceptors_) accept(*acceptor);
  for (auto& acceptor : unix_acceptors_) accept(*acceptor);
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "server");
    while (true) {
      try {
        io.run();
        return;
      } catch (const std::exception& failure) {
        // Only memory can be short here; one connection is lost, the others go on.
        spdlog::error("server: {}", failure.what());
      }
    }
  });
}

void ServerCore::begin_stop() {
  stopping = true;
  ErrorCode ignored;
  for (auto& acceptor : tcp_acceptors_) acceptor->close(ignored);
  for (auto& acceptor : unix_acceptors_) acceptor->close(ignored);
  accept_retry_.cancel();
  handshake_timer_.cancel();
  const auto finish_all = [this](void (Session::*end)()) {
    const auto sessions = sessions_;  // forget() changes the set
    for (const auto& session : sessions) ((*session).*end)();
  };
  finish_all(&Session::finish);
  if (sessions_.empty()) return;
  stop_timer_.expires_after(limits().stop_timeout);
  stop_timer_.async_wait([finish_all](ErrorCode ec) {
    if (!ec) finish_all(&Session::close);
  });
}

void ServerCore::stop() {
  if (!thread_.joinable()) return;
  asio::post(io, [this] { begin_stop(); });
  thread_.join();
  gate_.stop();
  remove_unix_sockets();
}

bool ServerCore::take_rate(const RateLimit& limit) {
  if (limit.interval_ns == 0) return true;
  const std::uint64_t now_ns = monotonic_ns();
  const double filled = rate_filled_ns_ == 0 ? static_cast<double>(limit.burst)
                                             : static_cast<double>(now_ns - rate_filled_ns_) /
                                                   static_cast<double>(limit.interval_ns);
  rate_tokens_ = std::min(rate_tokens_ + filled, static_cast<double>(limit.burst));
  rate_filled_ns_ = now_ns;
  if (rate_tokens_ < 1) return false;
  rate_tokens_ -= 1;
  return true;
}

Result<void> check_web(const WebOptions& options) {
  auto state = read_web_state(options);
  if (!state) return std::unexpected(std::move(state.error()));
  return {};
}

Response make_response(std::string content_type, std::string body) {
  return {.status = 200,
          .content_type = std::move(content_type),
          .body = std::make_shared<const std::string>(std::move(body))};
}

void Responder::send(Response response) const {
  deliver_([response = std::move(response)] { return response; });
}

void Responder::send(std::function<Response()> build) const { deliver_(std::move(build)); }

Server::Server(std::shared_ptr<ServerCore> core)
    : core_(std::move(core)), endpoints_(core_->endpoints) {}

Server::~Server() { stop(); }

Result<std::unique_ptr<Server>> Server::start(ServerConfig config, std::vector<Route> routes) {
  WebOptions web = std::exchange(config.web, {});
  auto core = std::make_shared<ServerCore>(std::move(config), std::move(routes));
  if (auto opened = core->gate().open(std::move(web)); !opened) {
    return std::unexpected(std::move(opened.error()));
  }
  if (auto bound = core->bind_all(); !bound) {
    core->remove_unix_sockets();
    return std::unexpected(bound.error());
  }
  core->run();
  return std::unique_ptr<Server>(new Server(std::move(core)));
}

void Server::stop() { core_->stop(); }

void Server::set_allowed_hosts(std::vector<std::string> names) {
  core_->set_allowed_hosts(std::move(names));
}

Result<void> Server::set_web(WebOptions options) { return core_->gate().open(std::move(options)); }

const ServerCounters& Server::counters() const { return core_->counters; }

}  // namespace rezolus::http
