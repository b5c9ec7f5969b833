// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/session.h"

#include <ctime>
#include <utility>

#include <fmt/format.h>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "http/compression.h"

namespace rezolus::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using ErrorCode = boost::system::error_code;

namespace {

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

Session::Session(ServerCore& core, Socket socket, std::string local_address)
    : core_(core),
      socket_(std::move(socket)),
      deadline_(core.io),
      buffer_(core.limits().header_bytes_max + 4096),
      local_address_(std::move(local_address)) {}

void Session::start() { wait_for_request(core_.limits().read_timeout); }

void Session::finish() {
  if (state_ == State::kWaiting || state_ == State::kReading) close();
  if (state_ == State::kStreaming) writer_->finish();
}

void Session::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  deadline_.cancel();
  if (writer_) writer_->close();
  ErrorCode ignored;
  socket_.close(ignored);
  core_.forget(shared_from_this());
}

void Session::arm(std::chrono::milliseconds timeout) {
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
  if (state_ == State::kReading || state_ == State::kWriting) ++core_.counters.timeouts;
  close();
}

void Session::wait_for_request(std::chrono::milliseconds timeout) {
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

void Session::read_request() {
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

void Session::on_read_error(ErrorCode ec) {
  keep_alive_ = false;
  head_ = false;
  accept_encoding_.clear();
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
  request.head = head_;
  request.post = message.method() == bhttp::verb::post;
  const bool known = head_ || request.post || message.method() == bhttp::verb::get;
  describe_sender(request);
  const bool host_sent = message.count(bhttp::field::host) > 0;
  const bool host_needed = message.version() >= 11;
  parser_.reset();

  // A Unix socket's clients are local and no web page reaches them.
  if (!local_address_.empty() && (host_sent || host_needed)) {
    if (!host_sent) return write(plain(400, "HTTP/1.1 needs a Host header."));
    if (!core_.host_allowed(host, local_address_)) {
      return write(plain(421, fmt::format("'{}' is not a name of this server; add it to "
                                          "[web] allowed_hosts to use it.",
                                          host)));
    }
  }
  const auto [route, other] = core_.find_route(request.path, request.post);
  if (route != nullptr && known) return answer(*route, request);
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

void Session::write(Response response) {
  if (response.stream && !head_ && !core_.stopping) return write_stream(std::move(response));
  state_ = State::kWriting;
  arm(core_.limits().write_timeout);
  if (core_.stopping) keep_alive_ = false;
  body_ = response.body ? std::move(response.body) : std::make_shared<const std::string>();

  Answer message;
  message.result(response.status);
  message.version(11);
  message.set(bhttp::field::date, http_date());
  message.set(bhttp::field::server, "rezolus");
  if (!body_->empty()) message.set(bhttp::field::content_type, response.content_type);
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
  for (const auto& [name, value] : response.headers) header += name + ": " + value + "\r\n";
  header += "\r\n";
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
    beast::async_write(socket_, bhttp::message_generator(std::move(header)), done);
    return;
  }
  message.body() = beast::span<const char>(body_->data(), body_->size());
  beast::async_write(socket_, bhttp::message_generator(std::move(message)), done);
}

void Session::linger() {
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

}  // namespace rezolus::http
