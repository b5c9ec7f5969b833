// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/server.h"

#include <algorithm>
#include <ctime>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <netinet/tcp.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "http/compression.h"
#include "http/listen_address.h"
#include "http/listener.h"
#include "http/stream_writer.h"

namespace rezolus::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using asio::ip::tcp;
using unix_stream = asio::local::stream_protocol;
using Socket = asio::generic::stream_protocol::socket;
using ErrorCode = boost::system::error_code;

class Session;

// What the server thread owns. Outlives every session; a Responder holds it weakly.
class ServerCore : public std::enable_shared_from_this<ServerCore> {
 public:
  ServerCore(ServerConfig config, std::vector<Route> routes)
      : config_(std::move(config)), routes_(std::move(routes)) {}

  Result<void> bind_all();
  void run();
  void stop();
  void remove_unix_sockets();

  [[nodiscard]] const ServerLimits& limits() const { return config_.limits; }
  [[nodiscard]] const Route* find_route(std::string_view path) const;
  [[nodiscard]] bool host_allowed(std::string_view host, std::string_view local_address) const;
  void set_allowed_hosts(std::vector<std::string> names);
  void forget(const std::shared_ptr<Session>& session);

  asio::io_context io{1};
  ServerCounters counters;
  std::vector<std::string> endpoints;
  bool stopping = false;  // server thread only

 private:
  template <typename Acceptor>
  void accept(Acceptor& acceptor);
  void admit(Socket socket, std::string local_address);
  void begin_stop();

  ServerConfig config_;
  std::vector<Route> routes_;
  mutable std::mutex mutex_;  // guards config_.allowed_hosts
  std::vector<std::unique_ptr<tcp::acceptor>> tcp_acceptors_;
  std::vector<std::unique_ptr<unix_stream::acceptor>> unix_acceptors_;
  std::vector<std::string> unix_paths_;
  std::unordered_set<std::shared_ptr<Session>> sessions_;
  asio::steady_timer accept_retry_{io};
  asio::steady_timer stop_timer_{io};
  std::thread thread_;
};

namespace {

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm fields{};
  ::gmtime_r(&now, &fields);
  char text[64];
  const std::size_t length = std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &fields);
  return {text, length};
}

Response plain(unsigned status, std::string sentence) {
  Response response;
  response.status = status;
  if (!sentence.empty()) {
    response.body = std::make_shared<const std::string>(std::move(sentence) + "\n");
  }
  return response;
}

// The path and query of a request target; "http://host/path" is accepted as well as "/path".
Request parse_target(std::string_view target) {
  if (target.starts_with("http://")) {
    const std::size_t slash = target.find('/', 7);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  Request request;
  const std::size_t question = target.find('?');
  request.path = std::string(target.substr(0, question));
  if (question != std::string_view::npos) request.query = std::string(target.substr(question + 1));
  return request;
}

}  // namespace

// One connection: reads a request, waits for its answer, writes it, and starts again. At any time it
// holds at most one request and one answer, and one deadline runs.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(ServerCore& core, Socket socket, std::string local_address)
      : core_(core),
        socket_(std::move(socket)),
        deadline_(core.io),
        buffer_(core.limits().header_bytes_max + 4096),
        local_address_(std::move(local_address)) {}

  void start() { wait_for_request(core_.limits().read_timeout); }

  // The server stops: an answer in flight is the connection's last.
  void finish() {
    if (state_ == State::kWaiting || state_ == State::kReading) close();
    if (state_ == State::kStreaming) writer_->finish();
  }

  void close() {
    if (state_ == State::kClosed) return;
    state_ = State::kClosed;
    deadline_.cancel();
    if (writer_) writer_->close();
    ErrorCode ignored;
    socket_.close(ignored);
    core_.forget(shared_from_this());
  }

 private:
  enum class State { kWaiting, kReading, kAnswering, kWriting, kStreaming, kLingering, kClosed };

  void arm(std::chrono::milliseconds timeout) {
    deadline_.expires_after(timeout);
    deadline_.async_wait([weak = weak_from_this()](ErrorCode ec) {
      const auto self = weak.lock();
      if (ec || !self || self->deadline_.expiry() > asio::steady_timer::clock_type::now()) return;
      self->on_deadline();
    });
  }

  void on_deadline() {
    if (state_ == State::kAnswering) {
      keep_alive_ = false;
      write(plain(503, "The answer took too long to prepare; see /status."));
      return;
    }
    // Idle and lingering connections may be closed without blame.
    if (state_ == State::kReading || state_ == State::kWriting) ++core_.counters.timeouts;
    close();
  }

  void wait_for_request(std::chrono::milliseconds timeout) {
    if (buffer_.size() > 0) {  // pipelined
      read_request();
      return;
    }
    state_ = State::kWaiting;
    arm(timeout);
    socket_.async_wait(Socket::wait_read, [self = shared_from_this()](ErrorCode ec) {
      if (self->state_ != State::kWaiting) return;
      if (ec) {
        self->close();
      } else {
        self->read_request();
      }
    });
  }

  void read_request() {
    state_ = State::kReading;
    arm(core_.limits().read_timeout);
    parser_.emplace();
    parser_->header_limit(core_.limits().header_bytes_max);
    parser_->body_limit(core_.limits().body_bytes_max);
    bhttp::async_read(socket_, buffer_, *parser_,
                      [self = shared_from_this()](ErrorCode ec, std::size_t) {
                        if (self->state_ != State::kReading) return;
                        if (ec) {
                          self->on_read_error(ec);
                        } else {
                          self->on_request();
                        }
                      });
  }

  void on_read_error(ErrorCode ec) {
    keep_alive_ = false;
    head_ = false;
    accept_encoding_.clear();
    if (ec == bhttp::error::header_limit || ec == bhttp::error::buffer_overflow) {
      write(plain(431, fmt::format("The request's headers exceed {} bytes.",
                                   core_.limits().header_bytes_max)));
    } else if (ec == bhttp::error::body_limit) {
      write(plain(413, fmt::format("The request's body exceeds {} bytes; none is needed.",
                                   core_.limits().body_bytes_max)));
    } else if (ec == bhttp::error::end_of_stream || ec == bhttp::error::partial_message ||
               ec.category() != bhttp::make_error_code(bhttp::error::bad_method).category()) {
      close();  // the client is gone
    } else {
      write(plain(400, fmt::format("Not an HTTP/1.1 request: {}.", ec.message())));
    }
  }

  void on_request() {
    ++core_.counters.requests;
    const auto& message = parser_->get();
    keep_alive_ = message.keep_alive();
    chunked_ = message.version() >= 11;
    head_ = message.method() == bhttp::verb::head;
    accept_encoding_ = std::string(message[bhttp::field::accept_encoding]);
    Request request = parse_target({message.target().data(), message.target().size()});
    request.accept = std::string(message[bhttp::field::accept]);
    request.over_unix_socket = local_address_.empty();
    request.over_loopback = local_address_.starts_with("127.") || local_address_ == "::1";
    const std::string host(message[bhttp::field::host]);
    const bool get = head_ || message.method() == bhttp::verb::get;
    const bool host_sent = message.count(bhttp::field::host) > 0;
    const bool host_needed = message.version() >= 11;
    parser_.reset();

    // A Unix socket's clients are local and no web page reaches them.
    if (!local_address_.empty() && (host_sent || host_needed)) {
      if (!host_sent) return write(plain(400, "HTTP/1.1 needs a Host header."));
      if (!core_.host_allowed(host, local_address_)) {
        return write(plain(421, fmt::format("'{}' is not a name of this server; add it to "
                                            "[web] allowed_hosts to use it.", host)));
      }
    }
    const Route* route = core_.find_route(request.path);
    if (route == nullptr) return write(plain(404, ""));
    if (!get) return write(plain(405, ""));
    answer(*route, request);
  }

  void answer(const Route& route, const Request& request) {
    state_ = State::kAnswering;
    arm(core_.limits().answer_timeout);
    Responder responder;
    responder.deliver_ = [core = core_.weak_from_this(), session = weak_from_this(),
                          index = ++request_index_](std::function<Response()> build) {
      const auto alive = core.lock();
      if (!alive) return;
      asio::post(alive->io, [session, index, build = std::move(build)] {
        const auto self = session.lock();
        if (!self || self->state_ != State::kAnswering || self->request_index_ != index) return;
        self->write(build());
      });
    };
    route.handle(request, std::move(responder));
  }

  void write(Response response) {
    if (response.stream && !head_ && !core_.stopping) return write_stream(std::move(response));
    state_ = State::kWriting;
    arm(core_.limits().write_timeout);
    if (core_.stopping) keep_alive_ = false;
    body_ = response.body ? std::move(response.body) : std::make_shared<const std::string>();

    bhttp::response<bhttp::span_body<const char>> message;
    message.result(response.status);
    message.version(11);
    message.set(bhttp::field::date, http_date());
    message.set(bhttp::field::server, "rezolus");
    if (!body_->empty()) message.set(bhttp::field::content_type, response.content_type);
    if (response.status == 405) message.set(bhttp::field::allow, "GET, HEAD");
    if (body_->size() >= kCompressedBodyBytesMin && response.status == 200) {
      message.set(bhttp::field::vary, "accept-encoding");
      const Coding coding = select_coding(accept_encoding_);
      if (coding != Coding::kIdentity) {
        if (auto compressed = compress(coding, *body_)) {
          body_ = std::make_shared<const std::string>(std::move(*compressed));
          message.set(bhttp::field::content_encoding, coding_name(coding));
        }
      }
    }
    message.keep_alive(keep_alive_);
    message.content_length(body_->size());
    send(std::move(message));
  }

  void write_stream(Response response) {
    state_ = State::kStreaming;
    deadline_.cancel();
    std::string header = fmt::format(
        "HTTP/1.1 200 OK\r\nDate: {}\r\nServer: rezolus\r\nContent-Type: {}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n{}\r\n",
        http_date(), response.content_type, chunked_ ? "Transfer-Encoding: chunked\r\n" : "");
    const ServerLimits& limits = core_.limits();
    writer_ = std::make_shared<StreamWriter>(
        core_.io, std::move(socket_), std::move(response.stream),
        StreamWriter::Config{limits.write_timeout, limits.keep_alive, chunked_},
        [weak = weak_from_this()](bool timed_out) {
          const auto self = weak.lock();
          if (!self || self->state_ == State::kClosed) return;
          if (timed_out) ++self->core_.counters.timeouts;
          self->close();
        });
    writer_->start(std::move(header), [core = core_.weak_from_this()](std::function<void()> call) {
      if (const auto alive = core.lock()) asio::post(alive->io, std::move(call));
    });
  }

  void send(bhttp::response<bhttp::span_body<const char>> message) {
    const auto done = [self = shared_from_this()](ErrorCode ec, std::size_t) {
      if (self->state_ != State::kWriting) return;
      self->body_.reset();
      if (ec) {
        self->close();
      } else if (self->keep_alive_ && !self->core_.stopping) {
        self->wait_for_request(self->core_.limits().idle_timeout);
      } else {
        self->linger();
      }
    };
    if (head_) {
      bhttp::response<bhttp::empty_body> header(std::move(message.base()));
      beast::async_write(socket_, bhttp::message_generator(std::move(header)), done);
      return;
    }
    message.body() = beast::span<const char>(body_->data(), body_->size());
    beast::async_write(socket_, bhttp::message_generator(std::move(message)), done);
  }

  // Closing while the client still sends would reset the connection and lose our answer; so what
  // comes is read for a moment, and thrown away.
  void linger() {
    if (state_ != State::kLingering) {
      state_ = State::kLingering;
      ErrorCode ignored;
      socket_.shutdown(Socket::shutdown_send, ignored);
      arm(std::chrono::milliseconds(500));
    }
    buffer_.consume(buffer_.size());
    socket_.async_read_some(buffer_.prepare(4096),
                            [self = shared_from_this()](ErrorCode ec, std::size_t) {
                              if (self->state_ != State::kLingering) return;
                              if (ec) {
                                self->close();
                              } else {
                                self->linger();
                              }
                            });
  }

  ServerCore& core_;
  Socket socket_;
  asio::steady_timer deadline_;
  beast::flat_buffer buffer_;
  std::string local_address_;  // the literal that the client connected to; empty: a Unix socket
  std::optional<bhttp::request_parser<bhttp::string_body>> parser_;
  State state_ = State::kWaiting;
  std::shared_ptr<const std::string> body_;  // what is being written
  std::shared_ptr<StreamWriter> writer_;     // has the socket, once a stream is what is written
  std::string accept_encoding_;
  std::uint64_t request_index_ = 0;
  bool keep_alive_ = true;
  bool chunked_ = true;
  bool head_ = false;
};

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
    if constexpr (std::is_same_v<decltype(socket), tcp::socket>) {
      ErrorCode ignored;
      auto address = socket.local_endpoint(ignored).address();
      if (address.is_v6() && address.to_v6().is_v4_mapped()) {
        address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
      }
      local_address = address.to_string();
      socket.set_option(tcp::no_delay(true), ignored);
      // A peer that is gone is noticed while the kernel still buffers for it.
      const int timeout_ms = static_cast<int>(limits().write_timeout.count());
      ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
                   sizeof timeout_ms);
    }
    admit(Socket(std::move(socket)), std::move(local_address));
    accept(acceptor);
  });
}

void ServerCore::admit(Socket socket, std::string local_address) {
  ++counters.connections;
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
  const auto session = std::make_shared<Session>(*this, std::move(socket), std::move(local_address));
  sessions_.insert(session);
  session->start();
}

const Route* ServerCore::find_route(std::string_view path) const {
  const auto found = std::find_if(routes_.begin(), routes_.end(),
                                  [&](const Route& route) { return route.path == path; });
  return found == routes_.end() ? nullptr : &*found;
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

void ServerCore::forget(const std::shared_ptr<Session>& session) {
  sessions_.erase(session);
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
  remove_unix_sockets();
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
  auto core = std::make_shared<ServerCore>(std::move(config), std::move(routes));
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

const ServerCounters& Server::counters() const { return core_->counters; }

}  // namespace rezolus::http
