// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/session.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include <fmt/format.h>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/core/detect_ssl.hpp>
#include <boost/beast/http.hpp>
#include <spdlog/spdlog.h>

#include "http/compression.h"
#include "http/peer_group.h"

namespace rezolus::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using ErrorCode = boost::system::error_code;

namespace {

// What is read after the last answer, at most, from a client that does not stop sending.
constexpr std::size_t kDrainedBytesMax = 1u << 20;

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm fields{};
  ::gmtime_r(&now, &fields);
  char text[64];
  const std::size_t length =
      std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &fields);
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
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const std::size_t slash = target.find('/', scheme.size());
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
    break;
  }
  Request request;
  const std::size_t question = target.find('?');
  request.path = std::string(target.substr(0, question));
  if (question != std::string_view::npos) request.query = std::string(target.substr(question + 1));
  return request;
}

bool excluded(const WebState& web, const std::string& path) {
  return std::ranges::find(web.excluded_paths, path) != web.excluded_paths.end();
}

}  // namespace

Session::Session(ServerCore& core, Socket socket, std::string local_address,
                 std::string peer_address)
    : core_(core),
      channel_(std::make_unique<Channel>(std::move(socket))),
      deadline_(core.io),
      buffer_(core.limits().header_bytes_max + 4096),
      local_address_(std::move(local_address)),
      peer_address_(std::move(peer_address)),
      peer_group_(http::peer_group(peer_address_)) {}

void Session::start() {
  const WebStateRef web = core_.gate().state();
  if (web->tls && !local_address_.empty()) return detect_tls(web);
  wait_for_request(core_.limits().read_timeout);
}

void Session::finish() {
  if (state_ == State::kHandshake || state_ == State::kWaiting || state_ == State::kReading) close();
  if (state_ == State::kStreaming) writer_->finish();
}

void Session::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  deadline_.cancel();
  if (writer_) writer_->close();
  if (channel_) channel_->close();
  core_.forget(shared_from_this());
}

std::optional<std::chrono::steady_clock::time_point> Session::waits_since(
    std::chrono::steady_clock::time_point now) const {
  switch (state_) {
    case State::kHandshake:
    case State::kWaiting:
    case State::kReading:
    case State::kLingering:
      return state_since_;
    case State::kWriting:
      return patience_.over_since(channel_->acknowledged_bytes(), now, core_.limits());
    case State::kStreaming:
      return writer_->waits_since(now, core_.limits());
    default:
      return std::nullopt;
  }
}

// Each state begins with its deadline.
void Session::arm(std::chrono::milliseconds timeout) {
  state_since_ = std::chrono::steady_clock::now();
  deadline_.expires_after(timeout);
  deadline_.async_wait([weak = weak_from_this()](ErrorCode ec) {
    const auto self = weak.lock();
    if (ec || !self || self->deadline_.expiry() > asio::steady_timer::clock_type::now()) return;
    self->on_deadline();
  });
}

void Session::on_deadline() {
  if (state_ == State::kAnswering) {
    keep_alive_ = false;
    write(plain(503, "The answer took too long to prepare; see /status."));
    return;
  }
  // Idle and lingering connections may be closed without blame.
  if (state_ == State::kHandshake && core_.leave_queue(*this)) {
    ++core_.counters.handshakes_refused;  // the client is not to blame
  } else if (state_ == State::kHandshake || state_ == State::kReading ||
             state_ == State::kWriting) {
    ++core_.counters.timeouts;
  }
  close();
}

// Nothing is spent on TLS before its first bytes are there.
void Session::detect_tls(WebStateRef web) {
  state_ = State::kHandshake;
  arm(core_.limits().handshake_timeout);
  beast::async_detect_ssl(
      channel_->socket(), buffer_,
      [self = shared_from_this(), web = std::move(web)](ErrorCode ec, bool is_tls) mutable {
        if (self->state_ != State::kHandshake) return;
        if (ec) return self->close();
        if (is_tls) return self->wait_for_turn(std::move(web));
        ++self->core_.counters.handshakes_failed;
        self->keep_alive_ = false;
        self->write(plain(400, "This port speaks TLS; write https:// instead of http://."));
      });
}

void Session::wait_for_turn(WebStateRef web) {
  core_.queue_handshake(shared_from_this(), [weak = weak_from_this(), web = std::move(web)] {
    if (const auto self = weak.lock()) self->make_tls(web);
  });
}

void Session::make_tls(const WebStateRef& web) {
  tls_ = web->tls;
  channel_->async_handshake(
      web->tls, buffer_.data(),
      [self = shared_from_this()](ErrorCode ec, std::size_t used_bytes) {
        if (self->state_ != State::kHandshake) return;
        if (ec) {
          ++self->core_.counters.handshakes_failed;
          spdlog::debug("server: TLS with {}: {}", self->peer_address_, ec.message());
          return self->close();
        }
        self->buffer_.consume(used_bytes);
        self->wait_for_request(self->core_.limits().read_timeout);
      });
}

void Session::wait_for_request(std::chrono::milliseconds timeout) {
  if (buffer_.size() > 0) {  // pipelined
    read_request();
    return;
  }
  state_ = State::kWaiting;
  arm(timeout);
  // TLS may have what comes next already, where the socket would not tell.
  if (channel_->secure()) {
    channel_->async_read_some(buffer_.prepare(4096),
                              [self = shared_from_this()](ErrorCode ec, std::size_t byte_count) {
                                self->on_readable(ec, byte_count);
                              });
    return;
  }
  channel_->socket().async_wait(
      Socket::wait_read, [self = shared_from_this()](ErrorCode ec) { self->on_readable(ec, 0); });
}

void Session::on_readable(ErrorCode ec, std::size_t byte_count) {
  if (state_ != State::kWaiting) return;
  if (ec) return close();
  buffer_.commit(byte_count);
  read_request();
}

void Session::read_request() {
  state_ = State::kReading;
  arm(core_.limits().read_timeout);
  parser_.emplace();
  parser_->header_limit(core_.limits().header_bytes_max);
  parser_->body_limit(core_.limits().body_bytes_max);
  bhttp::async_read(*channel_, buffer_, *parser_,
                    [self = shared_from_this()](ErrorCode ec, std::size_t) {
                      if (self->state_ != State::kReading) return;
                      if (ec) {
                        self->on_read_error(ec);
                      } else {
                        self->on_request();
                      }
                    });
}

void Session::on_read_error(ErrorCode ec) {
  keep_alive_ = false;
  head_ = false;
  accept_encoding_.clear();
  if (ec == bhttp::error::header_limit || ec == bhttp::error::buffer_overflow ||
      ec == bhttp::error::body_limit) {
    ++core_.counters.too_large;
  }
  if (ec == bhttp::error::header_limit || ec == bhttp::error::buffer_overflow) {
    write(plain(431, fmt::format("The request's headers exceed {} bytes.",
                                 core_.limits().header_bytes_max)));
  } else if (ec == bhttp::error::body_limit) {
    write(plain(413, fmt::format("The request's body exceeds {} bytes.",
                                 core_.limits().body_bytes_max)));
  } else if (ec == bhttp::error::end_of_stream || ec == bhttp::error::partial_message ||
             ec.category() != bhttp::make_error_code(bhttp::error::bad_method).category()) {
    close();  // the client is gone
  } else {
    write(plain(400, fmt::format("Not an HTTP/1.1 request: {}.", ec.message())));
  }
}

void Session::on_request() {
  // Made before the certificates or the clients' authorities changed: who asks connects again.
  if (!local_address_.empty() && core_.gate().state()->tls != tls_) return close();
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
  request.head = head_;
  request.post = message.method() == bhttp::verb::post;
  known_method_ = head_ || request.post || message.method() == bhttp::verb::get;
  describe_sender(request);
  host_ = std::string(message[bhttp::field::host]);
  const bool host_sent = message.count(bhttp::field::host) > 0;
  host_known_ = host_sent ? core_.host_allowed(host_, local_address_) : message.version() < 11;
  parser_.reset();

  // A Unix socket's clients are local, have its permissions, and no web page reaches them.
  if (local_address_.empty()) {
    const auto known = core_.gate().state()->credentials->known(request.authorization);
    request.authenticated = known.value_or(false);
    return route(request);
  }
  if (!host_sent && !host_known_) return write(plain(400, "HTTP/1.1 needs a Host header."));
  check_credentials(std::move(request));
}

// Credentials that are right make up for a name that is not ours, and so does a client's certificate: a
// web page that points its own name at us has none, since browsers keep passwords by name, and trust no
// certificate of ours for it.
void Session::check_credentials(Request request) {
  const WebStateRef web = core_.gate().state();
  const Credentials& credentials = *web->credentials;
  const bool given =
      !request.authorization.empty() && (credentials.has_users() || credentials.has_tokens());
  if (!given && !host_known_ && !known_by_certificate(credentials)) return refuse_host();
  if (!core_.take_rate(web->rate_limit)) {
    ++core_.counters.rate_limited;
    return write(plain(429, "Too many requests; rate_limit allows no more."));
  }
  if (!given) return on_verdict(std::move(request), false, web);
  if (const auto known = credentials.known(request.authorization)) {
    return on_verdict(std::move(request), *known, web);
  }
  state_ = State::kAnswering;
  arm(core_.limits().answer_timeout);
  std::string header = request.authorization;
  const bool taken = core_.gate().verify(
      web->credentials, std::move(header), peer_group_,
      [call = later(), request = std::move(request), web](bool right) {
        call([request, right, web](Session& session) { session.on_verdict(request, right, web); });
      });
  if (taken) return;
  Response busy = plain(503, "Too many passwords are being checked; try again.");
  busy.headers.emplace_back("Retry-After", "1");
  write(std::move(busy));
}

void Session::on_verdict(Request request, bool right, const WebStateRef& web) {
  const Credentials& credentials = *web->credentials;
  if (!right && !host_known_ && !known_by_certificate(credentials)) return refuse_host();
  if (!right && credentials.required() && !excluded(*web, request.path)) {
    ++core_.counters.unauthorized;
    Response refusal = plain(401, credentials.has_users()
                                      ? "This needs a user name and a password, or a token."
                                      : "This needs a token; send Authorization: Bearer TOKEN.");
    refusal.headers.emplace_back("WWW-Authenticate",
                                 credentials.has_users() ? "Basic realm=\"rezolus\"" : "Bearer");
    return write(std::move(refusal));
  }
  request.authenticated = right || known_by_certificate(credentials);
  route(request);
}

// Where nothing else is asked for.
bool Session::known_by_certificate(const Credentials& credentials) const {
  return !credentials.required() && channel_->has_verified_peer();
}

void Session::refuse_host() {
  write(plain(421, fmt::format("'{}' is not a name of this server; add it to "
                               "[web] allowed_hosts to use it.",
                               host_)));
}

void Session::route(const Request& request) {
  const auto [route, other] = core_.find_route(request.path, request.post);
  if (route != nullptr && known_method_) return answer(*route, request);
  if (route == nullptr && !other) return write(plain(404, ""));
  Response refusal = plain(405, "");
  const bool post = core_.find_route(request.path, true).first != nullptr;
  const bool get = core_.find_route(request.path, false).first != nullptr;
  refusal.headers.emplace_back("Allow", !post ? "GET, HEAD" : get ? "GET, HEAD, POST" : "POST");
  write(std::move(refusal));
}

void Session::describe_sender(Request& request) {
  auto& message = parser_->get();
  if (request.post) request.body = std::move(message.body());
  request.content_type = std::string(message[bhttp::field::content_type]);
  request.authorization = std::string(message[bhttp::field::authorization]);
  const auto site = message.find("Sec-Fetch-Site");
  request.from_web_page = message.count(bhttp::field::origin) > 0 ||
                          (site != message.end() && site->value() != "none");
}

void Session::answer(const Route& route, const Request& request) {
  state_ = State::kAnswering;
  const auto own = route.answer_timeout;
  arm(own.count() > 0 ? own : core_.limits().answer_timeout);
  Responder responder;
  responder.deliver_ = [call = later()](std::function<Response()> build) {
    call([build = std::move(build)](Session& session) { session.write(build()); });
  };
  route.handle(request, std::move(responder));
}

std::function<void(std::function<void(Session&)>)> Session::later() {
  return [core = core_.weak_from_this(), session = weak_from_this(),
          index = ++request_index_](std::function<void(Session&)> call) {
    const auto alive = core.lock();
    if (!alive) return;
    asio::post(alive->io, [session, index, call = std::move(call)] {
      const auto self = session.lock();
      if (!self || self->state_ != State::kAnswering || self->request_index_ != index) return;
      call(*self);
    });
  };
}

void Session::write(Response response) {
  if (response.stream && !head_ && !core_.stopping) return write_stream(std::move(response));
  state_ = State::kWriting;
  arm(core_.limits().write_timeout);
  patience_.begin(channel_->acknowledged_bytes(), state_since_);
  if (core_.stopping) keep_alive_ = false;
  body_ = response.body ? std::move(response.body) : std::make_shared<const std::string>();

  Answer message;
  message.result(response.status);
  message.version(11);
  message.set(bhttp::field::date, http_date());
  message.set(bhttp::field::server, "rezolus");
  if (!body_->empty()) message.set(bhttp::field::content_type, response.content_type);
  if (!local_address_.empty()) {
    for (const auto& [name, value] : core_.gate().state()->headers) message.set(name, value);
  }
  for (const auto& [name, value] : response.headers) message.set(name, value);
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

void Session::write_stream(Response response) {
  state_ = State::kStreaming;
  deadline_.cancel();
  const auto size_bytes = response.stream->size_bytes();
  if (size_bytes) chunked_ = false;
  std::string header = fmt::format(
      "HTTP/1.1 200 OK\r\nDate: {}\r\nServer: rezolus\r\nContent-Type: {}\r\n"
      "Cache-Control: no-store\r\nConnection: close\r\n{}",
      http_date(), response.content_type, chunked_ ? "Transfer-Encoding: chunked\r\n" : "");
  if (size_bytes) header += fmt::format("Content-Length: {}\r\n", *size_bytes);
  const WebStateRef web = core_.gate().state();
  if (!local_address_.empty()) {
    for (const auto& [name, value] : web->headers) header += name + ": " + value + "\r\n";
  }
  for (const auto& [name, value] : response.headers) header += name + ": " + value + "\r\n";
  header += "\r\n";
  const ServerLimits& limits = core_.limits();
  writer_ = std::make_shared<StreamWriter>(
      core_.io, std::move(channel_), std::move(response.stream),
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

void Session::send(Answer message) {
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
    beast::async_write(*channel_, bhttp::message_generator(std::move(header)), done);
    return;
  }
  message.body() = beast::span<const char>(body_->data(), body_->size());
  beast::async_write(*channel_, bhttp::message_generator(std::move(message)), done);
}

void Session::linger() {
  state_ = State::kLingering;
  arm(std::chrono::milliseconds(500));
  channel_->async_finish([self = shared_from_this()](ErrorCode ec) {
    if (self->state_ != State::kLingering) return;
    // With TLS, both sides have said that it is over; else it is not read any further.
    if (self->channel_->secure() && !ec) return self->close();
    ErrorCode ignored;
    self->channel_->socket().shutdown(Socket::shutdown_send, ignored);
    self->drain();
  });
}

void Session::drain() {
  if (drained_bytes_ > kDrainedBytesMax) return close();
  buffer_.consume(buffer_.size());
  channel_->socket().async_read_some(
      buffer_.prepare(4096), [self = shared_from_this()](ErrorCode ec, std::size_t byte_count) {
        if (self->state_ != State::kLingering) return;
        if (ec) return self->close();
        self->drained_bytes_ += byte_count;
        self->drain();
      });
}

}  // namespace rezolus::http
