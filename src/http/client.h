// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The HTTP client of whatever asks an agent or a receiver: one kept-alive connection over libcurl, with a
// limit on time and on the body, and errors that a person can act on.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/url.h"

namespace rezolus {

inline constexpr std::size_t kHttpBodySizeBytesMax = 64u << 20;

struct HttpResponse {
  int status = 0;
  std::string content_type;  // lower case, without parameters
  std::string body;
  std::uint64_t retry_after_seconds = 0;  // Retry-After, a date included; 0: it did not say
  std::map<std::string, std::string> headers;  // those of HttpPost::wanted_headers that came
};

// An error for an answer with this status, other than 200; says what to do where that is known.
std::unexpected<Error> status_error(const Url& url, int status);

// A POST, beyond its body. What stands here goes before what url.access has.
struct HttpPost {
  std::vector<std::string> headers;
  std::vector<std::string> wanted_headers;  // of the answer
  std::string username;  // basic authentication; empty: none
  std::string password;
  HttpTls tls;
  std::uint64_t timeout_ms = 0;
};

// One thread at a time.
class HttpClient {
 public:
  // cancel, when given, outlives the client; a transfer ends soon after it becomes true.
  explicit HttpClient(const std::atomic<bool>* cancel = nullptr);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // headers: whole lines, "Accept: text/plain". Follows no redirect. Any status that the server
  // answers is a response; an Error means that there was none, or that its body was too large.
  Result<HttpResponse> get(const Url& url, const std::vector<std::string>& headers,
                           std::uint64_t timeout_ms);
  // The same for a POST.
  Result<HttpResponse> post(const Url& url, const std::string& body, const HttpPost& options);

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
};

// An answer without an end, read as it comes. One thread at a time.
class HttpStream {
 public:
  // Waits for the first bytes of the body, or for its end. Any status is a stream. cancel: as in
  // HttpClient.
  static Result<HttpStream> open(const Url& url, const std::vector<std::string>& headers,
                                 std::uint64_t timeout_ms, const std::atomic<bool>* cancel);
  HttpStream(HttpStream&&) noexcept;
  HttpStream& operator=(HttpStream&&) noexcept;
  ~HttpStream();

  [[nodiscard]] int status() const;
  [[nodiscard]] std::string content_type() const;  // as in HttpResponse

  // Appends what has come, waiting for it until CLOCK_MONOTONIC reaches deadline_ns at most. An error
  // when the other side has ended it, all of its bytes having been read.
  Result<void> read(std::string& out, std::uint64_t deadline_ns);

 private:
  struct Transfer;
  explicit HttpStream(std::unique_ptr<Transfer> transfer);
  std::unique_ptr<Transfer> transfer_;
};

}  // namespace rezolus
