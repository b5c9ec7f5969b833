// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/flight_recorder.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <memory>
#include <thread>

#include <fcntl.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include "base/fd.h"
#include "base/host.h"
#include "base/service_manager.h"
#include "base/store_url.h"
#include "base/version.h"
#include "flight_recorder/buffer.h"
#include "flight_recorder/observed_source.h"
#include "flight_recorder/routes.h"
#include "flight_recorder/rule_thread.h"
#include "flight_recorder/snapshot_history.h"
#include "flight_recorder/snapshot_queue.h"
#include "flight_recorder/uploads.h"
#include "recorder/endpoint.h"
#include "recorder/interrupt.h"
#include "recorder/recording.h"
#include "recorder/stream_source.h"

namespace rezolus {
namespace {

constexpr std::uint64_t kTimeoutMsMin = 2000;
constexpr std::uint64_t kTimeoutMsMax = 10'000;
// At the end, for what can be uploaded; systemd's limit is for the last snapshot, too.
constexpr std::uint64_t kLastUploadsNs = 20 * kNsPerSecond;

sigset_t handled_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR2}) ::sigaddset(&set, number);
  return set;
}

bool has_terminal() { return Fd::open("/dev/tty", O_RDONLY | O_NOCTTY).has_value(); }

std::string signal_reason(int number) {
  switch (number) {
    case SIGINT:
      return "sigint";
    case SIGTERM:
      return "sigterm";
    case SIGHUP:
      return "sighup";
    default:
      return "sigusr2";
  }
}

// Takes the signals in a thread of its own.
class SignalThread {
 public:
  SignalThread(const FlightOptions& options, SnapshotQueue& snapshots)
      : options_(options),
        snapshots_(snapshots),
        had_terminal_(has_terminal()),
        thread_([this] { run(); }) {}
  ~SignalThread() {
    ending_ = true;
    ::pthread_kill(thread_.native_handle(), SIGUSR2);
    thread_.join();
  }
  // Whether nothing more is to be waited for.
  [[nodiscard]] const std::atomic<bool>& hurry() const { return hurry_; }
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

 private:
  void run() {
    ::pthread_setname_np(::pthread_self(), "signals");
    const sigset_t signals = handled_signals();
    while (!ending_) {
      siginfo_t info{};
      const int number = ::sigwaitinfo(&signals, &info);
      if (number < 0 || ending_) continue;
      const bool hung_up =
          number == SIGHUP && had_terminal_ && (info.si_code == SI_KERNEL || !has_terminal());
      if (number == SIGINT || number == SIGTERM || hung_up) {
        stop(number);
      } else {
        snapshot("signal", number, {});
      }
    }
  }

  // The first makes the last snapshot, and ends the recording after it; the second does not wait.
  void stop(int number) {
    if (std::exchange(stopping_, true) || !options_.snapshot_on_exit) {
      hurry_ = true;
      return Interrupt::request();
    }
    spdlog::info("a last snapshot, then the end; a second signal ends it at once");
    snapshot("exit", number, [](const auto&) { Interrupt::request(); });
  }

  void snapshot(const char* trigger, int number, SnapshotQueue::Done done) {
    SnapshotRequest request;
    request.trigger = trigger;
    request.reason = signal_reason(number);
    request.asked_ns = realtime_ns();
    const bool last = done != nullptr;
    request.last = last;
    if (auto taken = snapshots_.submit(std::move(request), std::move(done)); !taken) {
      spdlog::warn("no snapshot: {}", taken.error().message);
      if (last) Interrupt::request();
    }
  }

  const FlightOptions& options_;
  SnapshotQueue& snapshots_;
  const bool had_terminal_;
  bool stopping_ = false;
  std::atomic<bool> ending_ = false;
  std::atomic<bool> hurry_ = false;
  std::thread thread_;
};

Result<std::unique_ptr<SnapshotSource>> open_flight_source(const FlightOptions& options) {
  if (options.url) {
    auto url = parse_url(*options.url, options.access);
    if (!url) return std::unexpected(std::move(url.error()));
    const std::uint64_t timeout_ms =
        std::clamp(2 * options.interval_ns / kNsPerMs, kTimeoutMsMin, kTimeoutMsMax);
    if (url->path != "/") {
      return std::make_unique<EndpointSource>(Endpoint{.url = std::move(*url)}, timeout_ms,
                                              &Interrupt::flag());
    }
    return std::make_unique<StreamSource>(std::move(*url), timeout_ms, &Interrupt::flag());
  }
  auto host = read_host();
  if (!host) return context("read this host", std::move(host.error()));
  auto embedded = EmbeddedSource::create(*host, {});
  if (!embedded) return context("the samplers cannot run in this process", embedded.error());
  if (const std::string limits = (*embedded)->limitations(); !limits.empty()) {
    spdlog::warn("{}", limits);
  }
  return std::move(*embedded);
}

SourceMetadata known_facts(const FlightOptions& options, SourceMetadata facts) {
  facts[std::string(kMetaSamplingIntervalMs)] = std::to_string(options.interval_ns / kNsPerMs);
  return facts;
}

// The path of a Unix socket is short, and who cannot have it has the signals.
constexpr std::size_t kSocketPathBytesMax = 107;

Result<std::unique_ptr<http::Server>> serve(const FlightOptions& options, FlightRoutes& routes) {
  http::ServerConfig config;
  config.listen = options.listen;
  config.limits.body_bytes_max = 1u << 20;
  config.unix_socket_mode = 0600;
  config.web = options.web;
  // It opens the rest as well, for who needs credentials there.
  if (!options.token_file.empty()) config.web.further_token_files = {options.token_file};
  if (const auto host = read_host()) config.allowed_hosts.push_back(host->hostname);
  std::ranges::copy(options.allowed_hosts, std::back_inserter(config.allowed_hosts));
  const std::string socket = options.socket.value_or("");
  if (socket.size() > kSocketPathBytesMax) {
    spdlog::warn(
        "no socket for `rezolus flight-recorder snapshot`: {} is longer than {} bytes; "
        "name another with socket",
        socket, kSocketPathBytesMax);
  } else if (!socket.empty()) {
    config.listen.push_back("unix:" + socket);
  }
  if (config.listen.empty()) return nullptr;
  auto server = http::Server::start(std::move(config), routes.routes());
  if (!server) return std::unexpected(std::move(server.error()));
  routes.set_server(server->get());
  for (const std::string& endpoint : (*server)->endpoints()) {
    spdlog::info("listening on {}", endpoint);
  }
  return server;
}

// One snapshot for what newly fires. False: too many wait already.
bool take_firing(SnapshotQueue& snapshots, SnapshotHistory& history, const Rule& rule,
                 const Firing& firing, RuleThread::Failed failed) {
  SnapshotRequest request;
  request.trigger = "rule";
  request.reason = rule.name;
  request.details = firing_details(rule, firing);
  request.asked_ns = realtime_ns();
  if (rule.pre_ns != 0) request.from_ns = firing.since_realtime_ns - rule.pre_ns;
  request.to_ns = request.asked_ns + rule.post_ns;
  request.exec = rule.exec;
  auto done = [&history, name = rule.name, asked_ns = request.asked_ns,
               failed = std::move(failed)](const auto& report) {
    if (!report) return failed();
    history.note(SnapshotHistory::Kind::kRule, name, asked_ns);
  };
  auto taken = snapshots.submit(std::move(request), std::move(done));
  if (!taken) return false;
  spdlog::info("the rule {} fires: {}", rule.name, firing_text(firing));
  return true;
}

SnapshotHistory open_history(const FlightOptions& options) {
  constexpr std::uint64_t kDayNs = 24 * 3600 * kNsPerSecond;
  std::uint64_t keep_ns = std::max(kDayNs, options.alert_cooldown_ns);
  for (const Rule& rule : options.rules) keep_ns = std::max(keep_ns, rule.cooldown_ns);
  SnapshotHistory history(options.buffer + "/history.json", keep_ns);
  if (!history.problem().empty()) {
    spdlog::warn("{}; cooldowns begin anew", history.problem());
  }
  return history;
}

// Null without rules.
Result<std::unique_ptr<RuleThread>> start_rules(const FlightOptions& options,
                                                SnapshotQueue& snapshots,
                                                SnapshotHistory& history) {
  if (options.rules.empty()) return nullptr;
  auto rules = RuleSet::create(options.rules, options.rule_interval_ns);
  if (!rules) return std::unexpected(std::move(rules.error()));
  const std::uint64_t now_ns = realtime_ns();
  for (const Rule& rule : options.rules) {
    rules->resume(rule.name, history.ages(SnapshotHistory::Kind::kRule, rule.name, now_ns));
  }
  spdlog::info("{} rules, evaluated every {}", options.rules.size(),
               format_duration(options.rule_interval_ns));
  const auto take = [&snapshots, &history](const Rule& rule, const Firing& firing,
                                           RuleThread::Failed failed) {
    return take_firing(snapshots, history, rule, firing, std::move(failed));
  };
  return std::make_unique<RuleThread>(std::move(*rules), options.rule_interval_ns, take);
}

Result<void> check_output(const FlightOptions& options) {
  if (is_store_url(options.output)) return {};
  const std::filesystem::path folder = std::filesystem::path(options.output).parent_path();
  if (folder.empty()) return {};
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) return system_error("create folder " + folder.string(), failure.value());
  return {};
}

}  // namespace

Result<void> run_flight_recorder(const FlightOptions& options) {
  // Blocked in every thread: only the one below takes them.
  const sigset_t signals = handled_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);
  if (auto possible = check_output(options); !possible) return possible;
  Interrupt interrupt;
  auto buffer = FlightBuffer::open(options);
  if (!buffer) return std::unexpected(std::move(buffer.error()));
  remove_leftovers(options);
  Result<std::unique_ptr<Uploads>> uploads = nullptr;
  if (is_store_url(options.output)) uploads = open_uploads(options);
  if (!uploads) return std::unexpected(std::move(uploads.error()));
  auto source = open_flight_source(options);
  if (!source) return std::unexpected(std::move(source.error()));
  FlightBuffer& log = **buffer;
  log.set_metadata(known_facts(options, {}));
  SnapshotHistory history = open_history(options);
  SnapshotQueue snapshots(options, log, uploads->get());
  auto rules = start_rules(options, snapshots, history);
  if (!rules) return std::unexpected(std::move(rules.error()));
  SnapshotSource& observed = **source;
  ObservedSource watched(observed, {.on_snapshot =
                                        [&](const SnapshotRef& snapshot, bool after_outage) {
                                          if (*rules) (*rules)->offer(snapshot);
                                          // The one that answers may be another than before.
                                          if (!after_outage) return;
                                          log.set_metadata(known_facts(options, observed.facts()));
                                        },
                                    .on_gap =
                                        [&] {
                                          if (*rules) (*rules)->offer_gap();
                                        }});
  spdlog::info("rezolus {}: the last {} at {} of {} in {}, snapshots go to {}", kVersion,
               format_duration(options.duration_ns), format_duration(options.interval_ns),
               observed.description(), options.buffer, shown_store_url(options.output));
  FlightRoutes routes(options, log, snapshots, uploads->get(), rules->get(), history);
  auto server = serve(options, routes);
  if (!server) return std::unexpected(std::move(server.error()));
  const SignalThread signal_thread(options, snapshots);
  notify_service_manager("READY=1");
  RecordingListener listener;
  listener.message = [](const std::string& sentence) { spdlog::warn("{}", sentence); };
  (void)run_recording({.interval_ns = options.interval_ns}, watched, log, interrupt, listener);
  notify_service_manager("STOPPING=1");
  snapshots.stop();  // who waits for an answer gets it before the server ends
  if (*uploads) (*uploads)->drain(kLastUploadsNs, signal_thread.hurry());
  spdlog::info("stopped; the buffer {} is kept", options.buffer);
  return {};
}

}  // namespace rezolus
