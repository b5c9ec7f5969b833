// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The HTTP/1.1 server of every mode: one thread, a table of routes, and a limit on everything that
// a client can ask for. GET and HEAD, and POST where a route says so. Answers may be made ready by
// any thread; they are built, compressed and written by the server's own.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "http/web_options.h"

namespace rezolus::http {

struct ServerLimits {
  std::uint32_t header_bytes_max = 8 << 10;   // beyond: 431
  std::uint32_t body_bytes_max = 64 << 10;    // beyond: 413
  // Beyond: one that waits for its client is closed, the oldest of who has most; else 503.
  std::uint32_t connections_max = 128;
  std::chrono::milliseconds handshake_timeout{5'000};  // of TLS, from the connection on
  std::uint32_t handshakes_per_s_max =
      100;  // of TLS; those beyond wait, see http/handshake_queue.h
  std::uint32_t handshakes_waiting_max = 64;        // beyond: closed
  std::chrono::milliseconds read_timeout{10'000};   // a whole request, from its first byte
  std::chrono::milliseconds write_timeout{30'000};  // a whole answer
  // Who takes less of it, after so long and for each second beyond, makes room where room is wanted.
  std::chrono::milliseconds write_patience{1'000};
  std::uint32_t write_bytes_per_s_min = 256 << 10;
  std::chrono::milliseconds idle_timeout{60'000};   // between two requests
  std::chrono::milliseconds answer_timeout{10'000};  // for the handler; beyond: 503
  std::chrono::milliseconds stop_timeout{2'000};    // for answers in flight at stop()
  std::chrono::milliseconds keep_alive{5'000};      // the longest silence of a BodyStream
};

struct ServerConfig {
  std::vector<std::string> listen;         // see http/listen_address.h
  std::vector<std::string> allowed_hosts;  // names for the Host header, beyond those of the loopback
  ServerLimits limits;
  int unix_socket_mode = 0660;
  // Of TCP: who opens a Unix socket has the permissions of its file, and speaks plain HTTP.
  WebOptions web;
};

struct Request {
  std::string path;   // without the query
  std::string query;  // after '?', as it was sent
  std::string accept;  // the Accept header
  bool post = false;
  bool head = false;          // else GET
  std::string body;           // of a POST
  std::string content_type;   // as it was sent
  std::string authorization;  // the Authorization header
  bool over_unix_socket = false;
  bool over_loopback = false;  // a TCP client of this host
  // A script or a form of a web page sent it, as browsers say (Origin, Sec-Fetch-Site).
  bool from_web_page = false;
  // The password, the token or, where neither is asked for, the certificate that came with it is right.
  bool authenticated = false;
};

// A body that goes on until it ends, the client leaves or the server stops. The connection asks
// for more whenever something may have come, so the stream sees how far behind its client is.
class BodyStream {
 public:
  virtual ~BodyStream() = default;  // the connection is closed

  // Any thread; cheap; asks for fill(). May be kept longer than the connection lives.
  using Wake = std::function<void()>;

  // The rest is called on the server thread. First, once:
  virtual void begin(Wake wake) = 0;
  // Appends what there is to send. pending is what still waits to be sent, empty when the client
  // took everything: the stream keeps it bounded.
  virtual void fill(std::string& pending) = 0;
  // Nothing was sent for ServerLimits::keep_alive: appends something without meaning.
  virtual void keep_alive(std::string& pending) = 0;
  // The server stops: appends last words.
  virtual void end(std::string& pending) = 0;
  // Whether fill() has nothing more to give, ever.
  [[nodiscard]] virtual bool ended() const { return false; }
  // Known: the client is told, and sees where a body that ends early was cut off.
  [[nodiscard]] virtual std::optional<std::uint64_t> size_bytes() const { return std::nullopt; }
  // How much CPU time it took to fill and to send, after each time.
  virtual void spent(std::uint64_t /*cpu_ns*/) {}
};

struct Response {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::shared_ptr<const std::string> body;  // shared: a body can be cached; null is empty
  std::shared_ptr<BodyStream> stream;       // instead of a body; the connection ends with it
  // Beside those that are always there.
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// Whether a server would take these options: reads all that they name. Usage errors say what to do.
Result<void> check_web(const WebOptions& options);

Response make_response(std::string content_type, std::string body);

// Carries one answer back to the connection that asked. Cheap to copy, safe to keep longer than the
// connection or the server lives: a late answer goes nowhere. The first answer counts.
class Responder {
 public:
  // Any thread.
  void send(Response response) const;
  // The same; build runs on the server thread.
  void send(std::function<Response()> build) const;

 private:
  friend class Session;
  std::function<void(std::function<Response()>)> deliver_;
};

struct Route {
  std::string path;
  // Called on the server thread; must not block.
  std::function<void(const Request&, Responder)> handle;
  bool post = false;  // this method alone; a path may have a route for each
  std::chrono::milliseconds answer_timeout{0};  // instead of that of ServerLimits
};

struct ServerCounters {
  std::atomic<std::uint64_t> connections{0};          // accepted
  std::atomic<std::uint64_t> connections_open{0};     // now
  std::atomic<std::uint64_t> connections_refused{0};  // beyond connections_max
  std::atomic<std::uint64_t> connections_shed{0};     // closed while they waited, for others
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> timeouts{0};             // connections closed for being slow
  std::atomic<std::uint64_t> handshakes_failed{0};    // of TLS; plain HTTP on its port, too
  std::atomic<std::uint64_t> handshakes_refused{
      0};  // of TLS; for which it was too late or too full
  std::atomic<std::uint64_t> unauthorized{0};         // requests without the credentials they need
  std::atomic<std::uint64_t> rate_limited{0};         // requests beyond rate_limit
  std::atomic<std::uint64_t> too_large{0};            // requests with too long a header or body
  std::atomic<std::uint64_t> web_reloads{0};          // files of [web] that changed and were read
  std::atomic<std::uint64_t> web_reloads_failed{0};   // … and were wrong
  std::atomic<bool> web_refused{false};               // they are wrong now, those before are in use
  std::atomic<std::uint64_t> certificate_expires_s{0};  // since 1970; 0: no TLS
};

class ServerCore;

class Server {
 public:
  // Binds every address, then serves from a thread of its own. Errors say what to do.
  static Result<std::unique_ptr<Server>> start(ServerConfig config, std::vector<Route> routes);
  ~Server();

  // Closes the listeners, lets answers in flight finish for stop_timeout, joins the thread. No
  // handler runs after it. Not from the server thread.
  void stop();

  // Any thread. Takes effect with the next request.
  void set_allowed_hosts(std::vector<std::string> names);

  // Any thread. Reads the files of `[web]` now, and follows these from then on. An error leaves
  // everything as it was.
  Result<void> set_web(WebOptions options);

  // What is listened on, with the ports that the kernel chose: "127.0.0.1:4241", "unix:/run/x".
  [[nodiscard]] const std::vector<std::string>& endpoints() const { return endpoints_; }
  [[nodiscard]] const ServerCounters& counters() const;

 private:
  explicit Server(std::shared_ptr<ServerCore> core);

  std::shared_ptr<ServerCore> core_;
  std::vector<std::string> endpoints_;
};

}  // namespace rezolus::http
