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

constexpr std::string_view kUnixPrefix = "unix:";

struct CurlUrlDeleter {
  void operator()(CURLU* url) const { ::curl_url_cleanup(url); }
};

// A part of a parsed address; empty when it has none.
std::string url_part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (::curl_url_get(url, part, &text, flags) != CURLUE_OK || text == nullptr) return {};
  std::string value(text);
  ::curl_free(text);
  return value;
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

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

std::string Url::display() const {
  const std::string shown = unix_socket.empty() ? origin : fmt::format("unix:{}", unix_socket);
  return path == "/" ? shown : shown + path;
}

Url Url::at(std::string_view other_path) const {
  Url other = *this;
  other.path = other_path;
  return other;
}

bool looks_like_url(std::string_view text) {
  if (text.find("://") != std::string_view::npos || text.starts_with(kUnixPrefix)) return true;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view port = text.substr(colon + 1, text.find('/', colon) - colon - 1);
  return !port.empty() && std::all_of(port.begin(), port.end(), [](unsigned char c) {
    return std::isdigit(c) != 0;
  }) && text.substr(0, colon).find('/') == std::string_view::npos;
}

Result<Url> parse_url(std::string_view text) {
  Url url;
  if (text.starts_with(kUnixPrefix)) {
    std::string_view path = text.substr(kUnixPrefix.size());
    if (path.starts_with("//")) path.remove_prefix(2);
    if (path.empty() || path.front() != '/') {
      return usage_error("'{}': a Unix socket is written unix:/path/to/socket", text);
    }
    while (path.starts_with("//")) path.remove_prefix(1);  // else it reads as another when displayed
    url.origin = "http://localhost";
    url.unix_socket = path;
    url.loopback = true;
    return url;
  }
  std::string full(text);
  if (full.find("://") == std::string::npos) full = "http://" + full;
  const std::unique_ptr<CURLU, CurlUrlDeleter> parsed(::curl_url());
  const CURLUcode code = ::curl_url_set(parsed.get(), CURLUPART_URL, full.c_str(), 0);
  if (code != CURLUE_OK) {
    return usage_error("'{}' is not an address ({}); write http://HOST:PORT", shown_url(text),
                       ::curl_url_strerror(code));
  }
  const std::string scheme = url_part(parsed.get(), CURLUPART_SCHEME);
  const std::string host = url_part(parsed.get(), CURLUPART_HOST);
  if (scheme != "http" && scheme != "https") {
    return usage_error("'{}': the scheme {} is not supported; write http://HOST:PORT",
                       shown_url(text), scheme);
  }
  url.access.username = url_part(parsed.get(), CURLUPART_USER, CURLU_URLDECODE);
  url.access.password = url_part(parsed.get(), CURLUPART_PASSWORD, CURLU_URLDECODE);
  if (url.access.username.empty() && !url.access.password.empty()) {
    return usage_error("'{}': a password without a name before it; write NAME:PASSWORD@",
                       shown_url(text));
  }
  url.loopback = is_loopback(host);
  const std::string port = url_part(parsed.get(), CURLUPART_PORT);
  const std::string query = url_part(parsed.get(), CURLUPART_QUERY);
  url.origin = scheme + "://" + host + (port.empty() ? "" : ":" + port);
  url.path = url_part(parsed.get(), CURLUPART_PATH);
  if (url.path.empty()) url.path = "/";
  if (!query.empty()) url.path += "?" + query;
  return url;
}

Result<Url> parse_url(std::string_view text, const HttpAccess& access) {
  const bool wants_tls = access.tls != HttpTls{};
  std::string full(text);
  if (wants_tls && full.find("://") == std::string::npos && !full.starts_with(kUnixPrefix)) {
    full = "https://" + full;
  }
  const bool named = !access.username.empty() || !access.bearer_token_file.empty();
  auto url = parse_url(full);
  // Secrets leave this host in the clear only where it is written that they shall.
  if (url && named && !url->loopback && url->unix_socket.empty() &&
      full.find("://") == std::string::npos) {
    url = parse_url("https://" + full);
  }
  if (!url) return url;
  if (wants_tls && !url->origin.starts_with("https:")) {
    return usage_error("'{}' speaks no TLS, and so ca_file and its like are for nothing; write https://",
                       shown_url(text));
  }
  if (!url->access.username.empty() && named) {
    return usage_error(
        "'{}': its name and password stand beside those of the options; leave one of them out",
        shown_url(text));
  }
  const HttpAccess of_address = std::exchange(url->access, access);
  if (named) return url;
  url->access.username = of_address.username;
  url->access.password = of_address.password;
  return url;
}

std::string shown_url(std::string_view text) {
  const std::size_t scheme = text.find("://");
  const std::size_t begin = scheme == std::string_view::npos ? 0 : scheme + 3;
  // The last, wherever it stands: a password may have a slash in it, which belongs there escaped.
  const std::size_t at = text.rfind('@');
  if (text.starts_with(kUnixPrefix) || at == std::string_view::npos || at < begin) {
    return std::string(text);
  }
  return std::string(text.substr(0, begin)) + std::string(text.substr(at + 1));
}

Result<std::string> read_secret(const std::string& path) {
  constexpr std::size_t kSecretSizeBytesMax = 64u << 10;
  auto text = read_file(path, kSecretSizeBytesMax);
  if (!text) return usage_error("cannot read the secret: {}", text.error().message);
  std::string secret = text->substr(0, text->find('\n'));
  while (!secret.empty() && std::isspace(static_cast<unsigned char>(secret.back())) != 0) {
    secret.pop_back();
  }
  if (secret.empty()) return usage_error("{} is empty; its first line is the secret", path);
  return secret;
}

Result<void> check_access(const HttpAccess& access) {
  if (access.tls.cert_file.empty() != access.tls.key_file.empty()) {
    return usage_error("cert_file and key_file belong together");
  }
  if (!access.username.empty() && !access.bearer_token_file.empty()) {
    return usage_error("either username and password_file or bearer_token_file");
  }
  if (!access.password_file.empty() && access.username.empty()) {
    return usage_error("password_file needs username");
  }
  if (!access.username.empty() && access.password_file.empty() && access.password.empty()) {
    return usage_error("username needs password_file");
  }
  for (const std::string* path : {&access.password_file, &access.bearer_token_file}) {
    if (path->empty()) continue;
    if (auto secret = read_secret(*path); !secret) return std::unexpected(secret.error());
  }
  for (const std::string* path : {&access.tls.ca_file, &access.tls.cert_file, &access.tls.key_file}) {
    if (!path->empty() && ::access(path->c_str(), R_OK) != 0) {
      return usage_error("cannot read {}: {}", *path, std::strerror(errno));
    }
  }
  return {};
}

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
