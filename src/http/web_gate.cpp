// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/web_gate.h"

#include <algorithm>
#include <chrono>

#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include "http/server_tls.h"

namespace rezolus::http {
namespace {

constexpr std::chrono::seconds kFollowInterval{2};
constexpr std::size_t kJobsMax = 32;
constexpr std::size_t kJobsOfPeerMax = 4;

// Another text when one of them changed, or became another file of that name.
std::string stamps_of(const std::vector<std::string>& files) {
  std::string stamps;
  for (const std::string& file : files) {
    struct stat status{};
    if (::stat(file.c_str(), &status) != 0) {
      stamps += "-;";
      continue;
    }
    stamps += fmt::format("{}:{}:{}:{}.{}:{}.{};", status.st_dev, status.st_ino, status.st_size,
                          status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                          status.st_ctim.tv_nsec);
  }
  return stamps;
}

// What is read once for a state: the web configuration, and every file that the state depends on, as far
// as can be told. Their stamps are older than what is read of them: what changes meanwhile is seen.
struct WebFiles {
  Result<WebConfig> config;
  std::vector<std::string> files;
  std::string stamps;
};

WebFiles read_files(const WebOptions& options) {
  std::vector<std::string> files = {options.config_file, options.bearer_token_file};
  std::ranges::copy(options.further_token_files, std::back_inserter(files));
  std::erase(files, "");
  WebFiles read{.config = WebConfig(), .files = std::move(files), .stamps = {}};
  read.stamps = stamps_of(read.files);
  if (!options.config_file.empty()) read.config = read_web_config(options.config_file);
  if (!read.config || !read.config->tls) return read;
  const TlsServerConfig& tls = *read.config->tls;
  std::vector<std::string> named = {tls.certificate.file, tls.key.file, tls.client_ca.file};
  std::erase(named, "");
  read.stamps += stamps_of(named);
  std::ranges::move(named, std::back_inserter(read.files));
  return read;
}

WebStateRef open_state() {
  auto state = std::make_shared<WebState>();
  state->credentials = std::make_shared<const Credentials>(std::map<std::string, std::string>{},
                                                           std::vector<std::string>{}, false);
  return state;
}

// A file that is being written, or that a full disk left empty, is no wish to be open to everybody.
Result<void> check_still_guarded(const WebState& now, const WebState& next) {
  const bool opens = (now.tls && !next.tls) ||
                     (now.credentials->required() && !next.credentials->required());
  if (!opens) return {};
  return usage_error("{} would be switched off; that takes a restart, or SIGHUP where it reloads",
                     now.tls && !next.tls ? "TLS" : "passwords and tokens");
}

Result<WebStateRef> make_state(const WebOptions& options, Result<WebConfig> read) {
  if (!read) return std::unexpected(std::move(read.error()));
  WebConfig& web = *read;
  auto state = std::make_shared<WebState>();
  if (web.tls) {
    auto tls = make_server_tls(*web.tls);
    if (!tls) return context(options.config_file, std::move(tls.error()));
    state->tls = std::move(*tls);
  }
  std::vector<std::string> tokens;
  const auto add_token = [&](const std::string& path, std::string_view key) -> Result<void> {
    auto token = read_token(path, key);
    if (!token) return std::unexpected(std::move(token.error()));
    tokens.push_back(std::move(*token));
    return {};
  };
  if (!options.bearer_token_file.empty()) {
    auto added = add_token(options.bearer_token_file, "bearer_token_file");
    if (!added) return std::unexpected(std::move(added.error()));
  }
  const bool required = !web.users.empty() || !options.bearer_token_file.empty();
  for (const std::string& path : options.further_token_files) {
    auto added = add_token(path, "token_file");
    if (!added) return std::unexpected(std::move(added.error()));
  }
  state->headers = std::move(web.headers);
  state->rate_limit = web.rate_limit;
  state->excluded_paths = options.auth_excluded_paths;
  state->credentials =
      std::make_shared<const Credentials>(std::move(web.users), std::move(tokens), required);
  return state;
}

}  // namespace

Result<WebStateRef> read_web_state(const WebOptions& options) {
  return make_state(options, read_files(options).config);
}

WebGate::WebGate(ServerCounters& counters) : counters_(counters), state_(open_state()) {}

WebGate::~WebGate() { stop(); }

Result<void> WebGate::open(WebOptions options) {
  WebFiles read = read_files(options);
  auto state = make_state(options, std::move(read.config));
  if (!state) return std::unexpected(std::move(state.error()));
  const std::lock_guard lock(mutex_);
  options_ = std::move(options);
  take(std::move(*state));
  files_ = std::move(read.files);
  stamps_ = std::move(read.stamps);
  if (!files_.empty() && !thread_.joinable() && !stop_) thread_ = std::thread([this] { run(); });
  return {};
}

void WebGate::take(WebStateRef state) {
  state_ = std::move(state);
  counters_.web_refused = false;
  counters_.certificate_expires_s = state_->tls ? certificate_expiry_s(*state_->tls) : 0;
}

void WebGate::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

WebStateRef WebGate::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

bool WebGate::verify(std::shared_ptr<const Credentials> credentials, std::string header,
                     std::string peer, std::function<void(bool)> done) {
  {
    const std::lock_guard lock(mutex_);
    const auto of_peer = static_cast<std::size_t>(
        std::ranges::count_if(jobs_, [&](const Job& job) { return job.peer == peer; }));
    if (stop_ || jobs_.size() >= kJobsMax || of_peer >= kJobsOfPeerMax) return false;
    jobs_.push_back({std::move(credentials), std::move(header), std::move(peer), std::move(done)});
  }
  wake_.notify_all();
  return true;
}

void WebGate::run() {
  ::pthread_setname_np(::pthread_self(), "web");
  auto next_look = std::chrono::steady_clock::now() + kFollowInterval;
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (!jobs_.empty()) {
      const Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job.done(job.credentials->hash_and_compare(job.header));
      lock.lock();
    }
    if (std::chrono::steady_clock::now() >= next_look) {
      lock.unlock();
      follow_files();
      next_look = std::chrono::steady_clock::now() + kFollowInterval;
      lock.lock();
    }
    wake_.wait_until(lock, next_look, [this] { return stop_ || !jobs_.empty(); });
  }
}

// One that is wrong is said once: its stamps are kept, and the next change is looked at again.
void WebGate::follow_files() {
  WebOptions options;
  WebStateRef current;
  std::vector<std::string> files;
  std::string before;
  {
    const std::lock_guard lock(mutex_);
    options = options_;
    current = state_;
    files = files_;
    before = stamps_;
  }
  // Without the lock, which the server's thread takes: a file system may not answer.
  if (stamps_of(files) == before) return;
  WebFiles read = read_files(options);
  auto state = make_state(options, std::move(read.config));
  if (state) {
    if (auto kept = check_still_guarded(*current, **state); !kept) {
      state = std::unexpected(std::move(kept.error()));
    }
  }
  if (state) {
    spdlog::info("the files of [web] changed and were read again");
  } else {
    spdlog::error("the files of [web] changed and are wrong, what was read before stays: {}",
                  state.error().message);
  }
  const std::lock_guard lock(mutex_);
  if (stamps_ != before) return;  // opened anew meanwhile
  files_ = std::move(read.files);
  stamps_ = std::move(read.stamps);
  if (state) {
    take(std::move(*state));
    ++counters_.web_reloads;
  } else {
    counters_.web_refused = true;
    ++counters_.web_reloads_failed;
  }
}

}  // namespace rezolus::http
