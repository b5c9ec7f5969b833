// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/client.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <mutex>
#include <utility>

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

namespace rezolus {
namespace {

std::string lower_media_type(const char* content_type) {
  if (content_type == nullptr) return {};
  std::string_view text(content_type);
  text = text.substr(0, text.find(';'));
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

std::size_t append_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& body = *static_cast<std::string*>(user);
  if (body.size() + size * count > kHttpBodySizeBytesMax) return 0;  // ends the transfer
  body.append(data, size * count);
  return size * count;
}

// Not for the programs that this one starts: they would keep a connection open that we end.
curl_socket_t open_socket(void* /*user*/, curlsocktype /*purpose*/, curl_sockaddr* address) {
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

void initialise_curl() {
  static std::once_flag once;
  std::call_once(once, [] { ::curl_global_init(CURL_GLOBAL_DEFAULT); });
}

// What every transfer to url sets; libcurl copies the texts.
void set_address(CURL* curl, const Url& url) {
  const std::string address = url.origin + url.path;
  ::curl_easy_setopt(curl, CURLOPT_URL, address.c_str());
  ::curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  ::curl_easy_setopt(curl, CURLOPT_USERAGENT, "rezolus");
  ::curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  if (url.loopback) ::curl_easy_setopt(curl, CURLOPT_PROXY, "");
  if (!url.unix_socket.empty()) {
    ::curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, url.unix_socket.c_str());
  }
}

int ask_cancel(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto* cancel = static_cast<const std::atomic<bool>*>(user);
  return cancel != nullptr && cancel->load(std::memory_order_relaxed) ? 1 : 0;
}

Error transfer_error(CURLcode code, long system_errno, const Url& url, const char* detail,
                     std::uint64_t timeout_ms, std::string_view peer = "agent") {
  const std::string where = url.display();
  const auto make = [&](std::string message) {
    return Error{std::move(message), static_cast<int>(system_errno)};
  };
  switch (code) {
    case CURLE_COULDNT_CONNECT:
      if (system_errno == ECONNREFUSED || system_errno == 0) {
        return make(
            fmt::format("cannot reach {}: connection refused; is the {} running?", where, peer));
      }
      return make(fmt::format("cannot reach {}: {}; is the {} running?", where,
                              std::strerror(static_cast<int>(system_errno)), peer));
    case CURLE_COULDNT_RESOLVE_HOST:
      return make(fmt::format("cannot reach {}: the host name does not resolve; check its spelling",
                              where));
    case CURLE_OPERATION_TIMEDOUT:
      return make(
          fmt::format("cannot reach {}: no complete answer within {} ms", where, timeout_ms));
    case CURLE_WRITE_ERROR:
      return make(fmt::format("{} answered with more than {} MiB, which is not taken", where,
                              kHttpBodySizeBytesMax >> 20));
    case CURLE_ABORTED_BY_CALLBACK:
      return make(fmt::format("reading from {} was interrupted", where));
    case CURLE_PEER_FAILED_VERIFICATION:
      return make(fmt::format("{}: its certificate is not trusted ({}); name who signed it with "
                              "ca_file",
                              where, detail));
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return make(fmt::format("cannot ask {}: {}; look at ca_file, cert_file and key_file", where,
                              detail));
    case CURLE_SSL_CONNECT_ERROR:
      return make(fmt::format("no TLS with {}: {}; is it a port for https, and does it want a "
                              "certificate (cert_file)?",
                              where, detail));
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
      if (url.origin.starts_with("https:") && detail[0] != '\0') {
        return make(fmt::format("{} closed the connection without an answer: {}", where, detail));
      }
      return make(fmt::format("{} closed the connection without an answer", where));
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
      return make(fmt::format("{} does not speak HTTP", where));
    default:
      return make(fmt::format("cannot read from {}: {}", where,
                              detail[0] != '\0' ? detail : ::curl_easy_strerror(code)));
  }
}

}  // namespace

std::unexpected<Error> status_error(const Url& url, int status) {
  if (status == 401) {
    const bool given = !url.access.username.empty() || !url.access.bearer_token_file.empty();
    return error("{} {}", url.display(),
                 given ? "does not take these credentials (401)"
                       : "wants credentials (401); give username and password_file, or "
                         "bearer_token_file");
  }
  return error("{} answered with status {}", url.display(), status);
}

struct HttpClient::Connection {
  CURL* curl = nullptr;
  const std::atomic<bool>* cancel = nullptr;
};

HttpClient::HttpClient(const std::atomic<bool>* cancel)
    : connection_(std::make_unique<Connection>()) {
  initialise_curl();
  connection_->curl = ::curl_easy_init();
  connection_->cancel = cancel;
  CHECK(connection_->curl != nullptr, "libcurl gives a handle");
}

HttpClient::~HttpClient() { ::curl_easy_cleanup(connection_->curl); }

namespace {

void set_tls(CURL* curl, const HttpTls& tls) {
  const auto set = [&](CURLoption option, const std::string& text) {
    if (!text.empty()) ::curl_easy_setopt(curl, option, text.c_str());
  };
  set(CURLOPT_CAINFO, tls.ca_file);
  set(CURLOPT_SSLCERT, tls.cert_file);
  set(CURLOPT_SSLKEY, tls.key_file);
  if (!tls.insecure_skip_verify) return;
  ::curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
  ::curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
}

void set_basic(CURL* curl, const std::string& username, const std::string& password) {
  ::curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
  ::curl_easy_setopt(curl, CURLOPT_USERNAME, username.c_str());
  ::curl_easy_setopt(curl, CURLOPT_PASSWORD, password.c_str());
}

Result<void> set_access(CURL* curl, const HttpAccess& access) {
  set_tls(curl, access.tls);
  if (!access.bearer_token_file.empty()) {
    auto token = read_secret(access.bearer_token_file);
    if (!token) return std::unexpected(std::move(token.error()));
    ::curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    ::curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, token->c_str());
  } else if (!access.username.empty()) {
    Result<std::string> password = access.password;
    if (!access.password_file.empty()) password = read_secret(access.password_file);
    if (!password) return std::unexpected(std::move(password.error()));
    set_basic(curl, access.username, *password);
  }
  return {};
}

// body: of a POST; null: a GET. more: what only HttpClient::post() has.
Result<HttpResponse> transfer(CURL* curl, const Url& url, const std::vector<std::string>& headers,
                              const std::string* body, std::uint64_t timeout_ms,
                              const std::atomic<bool>* cancel, const HttpPost* more = nullptr) {
  ::curl_easy_reset(curl);  // options only: the connection stays open
  if (auto set = set_access(curl, url.access); !set) return std::unexpected(std::move(set.error()));
  HttpResponse response;
  char detail[CURL_ERROR_SIZE] = "";
  curl_slist* lines = nullptr;
  for (const std::string& header : headers) lines = ::curl_slist_append(lines, header.c_str());

  set_address(curl, url);
  if (body != nullptr) {
    ::curl_easy_setopt(curl, CURLOPT_POST, 1L);
    ::curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
    ::curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->c_str());
  }
  if (more != nullptr) {
    set_tls(curl, more->tls);
    if (!more->username.empty()) set_basic(curl, more->username, more->password);
  }
  ::curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lines);
  ::curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
  ::curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  ::curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append_body);
  ::curl_easy_setopt(curl, CURLOPT_WRITEDATA, &response.body);
  ::curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  ::curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, ask_cancel);
  ::curl_easy_setopt(curl, CURLOPT_XFERINFODATA,
                     const_cast<std::atomic<bool>*>(cancel));

  const CURLcode code = ::curl_easy_perform(curl);
  ::curl_slist_free_all(lines);
  if (code != CURLE_OK) {
    long system_errno = 0;
    ::curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &system_errno);
    return std::unexpected(transfer_error(code, system_errno, url, detail, timeout_ms,
                                          more != nullptr ? "receiver" : "agent"));
  }
  curl_off_t retry_after = 0;
  ::curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
  response.retry_after_seconds = static_cast<std::uint64_t>(std::max<curl_off_t>(retry_after, 0));
  for (std::size_t i = 0; more != nullptr && i < more->wanted_headers.size(); ++i) {
    const std::string& name = more->wanted_headers[i];
    curl_header* header = nullptr;
    if (::curl_easy_header(curl, name.c_str(), 0, CURLH_HEADER, -1, &header) == CURLHE_OK) {
      response.headers.emplace(name, header->value);
    }
  }
  long status = 0;
  char* content_type = nullptr;
  ::curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  ::curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &content_type);
  response.status = static_cast<int>(status);
  response.content_type = lower_media_type(content_type);
  return response;
}

}  // namespace

Result<HttpResponse> HttpClient::get(const Url& url, const std::vector<std::string>& headers,
                                     std::uint64_t timeout_ms) {
  return transfer(connection_->curl, url, headers, nullptr, timeout_ms, connection_->cancel);
}

Result<HttpResponse> HttpClient::post(const Url& url, const std::string& body,
                                      const HttpPost& options) {
  return transfer(connection_->curl, url, options.headers, &body, options.timeout_ms,
                  connection_->cancel, &options);
}

Result<HttpResponse> http_post(const Url& url, const std::vector<std::string>& headers,
                               const std::string& body, std::uint64_t timeout_ms) {
  initialise_curl();
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(::curl_easy_init(), ::curl_easy_cleanup);
  CHECK(curl != nullptr, "libcurl gives a handle");
  return transfer(curl.get(), url, headers, &body, timeout_ms, nullptr);
}

struct HttpStream::Transfer {
  Transfer() : multi(::curl_multi_init()), curl(::curl_easy_init()) {
    CHECK(multi != nullptr && curl != nullptr, "libcurl gives handles");
  }
  ~Transfer() {
    ::curl_multi_remove_handle(multi, curl);
    ::curl_easy_cleanup(curl);
    ::curl_multi_cleanup(multi);
    ::curl_slist_free_all(lines);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // Until there are bytes, the end is reached or the time is up.
  Result<void> advance(std::uint64_t deadline_ns);

  CURLM* multi;
  CURL* curl;
  curl_slist* lines = nullptr;
  const std::atomic<bool>* cancel = nullptr;
  Url url;
  char detail[CURL_ERROR_SIZE] = "";
  std::string received;  // not handed over yet
  bool ended = false;
};

Result<void> HttpStream::Transfer::advance(std::uint64_t deadline_ns) {
  while (true) {
    int running = 0;
    ::curl_multi_perform(multi, &running);
    int left = 0;
    while (const CURLMsg* message = ::curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      ended = true;
      if (message->data.result == CURLE_OK || !received.empty()) continue;
      long system_errno = 0;
      ::curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &system_errno);
      return std::unexpected(transfer_error(message->data.result, system_errno, url, detail, 0));
    }
    if (!received.empty() || ended) return {};
    if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) {
      return error("reading from {} was interrupted", url.display());
    }
    const std::uint64_t now_ns = monotonic_ns();
    if (now_ns >= deadline_ns) return {};
    // In steps, since nothing else wakes it when it is to be cancelled.
    const std::uint64_t left_ms = (deadline_ns - now_ns + kNsPerMs - 1) / kNsPerMs;
    ::curl_multi_poll(multi, nullptr, 0, static_cast<int>(std::min<std::uint64_t>(left_ms, 50)),
                      nullptr);
  }
}

HttpStream::HttpStream(std::unique_ptr<Transfer> transfer) : transfer_(std::move(transfer)) {}
HttpStream::HttpStream(HttpStream&&) noexcept = default;
HttpStream& HttpStream::operator=(HttpStream&&) noexcept = default;
HttpStream::~HttpStream() = default;

Result<HttpStream> HttpStream::open(const Url& url, const std::vector<std::string>& headers,
                                    std::uint64_t timeout_ms, const std::atomic<bool>* cancel) {
  initialise_curl();
  auto transfer = std::make_unique<Transfer>();
  transfer->cancel = cancel;
  transfer->url = url;
  for (const std::string& header : headers) {
    transfer->lines = ::curl_slist_append(transfer->lines, header.c_str());
  }
  CURL* curl = transfer->curl;
  if (auto set = set_access(curl, url.access); !set) return std::unexpected(std::move(set.error()));
  set_address(curl, url);
  ::curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer->lines);
  ::curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->detail);
  ::curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append_body);
  ::curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer->received);
  ::curl_multi_add_handle(transfer->multi, curl);
  if (auto begun = transfer->advance(monotonic_ns() + timeout_ms * kNsPerMs); !begun) {
    return std::unexpected(std::move(begun.error()));
  }
  if (transfer->received.empty() && !transfer->ended) {
    return error("cannot reach {}: no answer within {} ms", url.display(), timeout_ms);
  }
  return HttpStream(std::move(transfer));
}

int HttpStream::status() const {
  long status = 0;
  ::curl_easy_getinfo(transfer_->curl, CURLINFO_RESPONSE_CODE, &status);
  return static_cast<int>(status);
}

std::string HttpStream::content_type() const {
  char* content_type = nullptr;
  ::curl_easy_getinfo(transfer_->curl, CURLINFO_CONTENT_TYPE, &content_type);
  return lower_media_type(content_type);
}

Result<void> HttpStream::read(std::string& out, std::uint64_t deadline_ns) {
  Transfer& transfer = *transfer_;
  if (transfer.received.empty() && !transfer.ended) {
    if (auto advanced = transfer.advance(deadline_ns); !advanced) return advanced;
  }
  if (transfer.received.empty() && transfer.ended) {
    return error("{} ended the stream", transfer.url.display());
  }
  out += transfer.received;
  transfer.received.clear();
  return {};
}

}  // namespace rezolus
