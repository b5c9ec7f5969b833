// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What stands before a server's routes: certificates, credentials and headers as the files of `[web]`
// have them now. It has a thread, where there are any, that notices files that changed and hashes
// passwords. Includes Asio: for the server's own files only.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/ssl/context.hpp>

#include "base/result.h"
#include "http/credentials.h"
#include "http/server.h"
#include "http/web_config.h"
#include "http/web_options.h"

namespace rezolus::http {

// One reading of the files; immutable, but for what Credentials remembers.
struct WebState {
  std::shared_ptr<boost::asio::ssl::context> tls;  // null: plain HTTP
  std::vector<std::pair<std::string, std::string>> headers;
  std::shared_ptr<const Credentials> credentials;
  std::vector<std::string> excluded_paths;  // of credentials
  RateLimit rate_limit;
};
using WebStateRef = std::shared_ptr<const WebState>;

// Reads everything that the options name. Errors say what to do.
Result<WebStateRef> read_web_state(const WebOptions& options);

class WebGate {
 public:
  // counters: what it counts there is on Server::counters().
  explicit WebGate(ServerCounters& counters);
  ~WebGate();
  WebGate(const WebGate&) = delete;
  WebGate& operator=(const WebGate&) = delete;

  // Reads the files, and follows these from now on. An error leaves everything as it was.
  Result<void> open(WebOptions options);
  // Ends the thread; what waits to be hashed gets no answer.
  void stop();

  // Any thread.
  [[nodiscard]] WebStateRef state() const;

  // Hashes what credentials did not know, in the thread, and calls done there. False: too many wait,
  // in all or of this peer.
  bool verify(std::shared_ptr<const Credentials> credentials, std::string header, std::string peer,
              std::function<void(bool)> done);

 private:
  struct Job {
    std::shared_ptr<const Credentials> credentials;
    std::string header;
    std::string peer;
    std::function<void(bool)> done;
  };
  void run();
  void follow_files();
  // Requires: mutex_ is held.
  void take(WebStateRef state);

  ServerCounters& counters_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  WebOptions options_;
  WebStateRef state_;
  std::vector<std::string> files_;  // that state_ depends on
  std::string stamps_;              // of these
  std::deque<Job> jobs_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace rezolus::http
