// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "exporter/exporter.h"

#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/host.h"
#include "base/logging.h"
#include "base/service_manager.h"
#include "base/version.h"
#include "exporter/puller.h"
#include "http/landing_page.h"
#include "http/server.h"
#include "http/server_families.h"
#include "push/push.h"
#include "push/push_status.h"
#include "samplers/collector.h"
#include "wire/json.h"
#include "wire/msgpack.h"
#include "wire/process_families.h"

namespace rezolus {
namespace {

constexpr const char* kTextType = "text/plain; charset=utf-8";
constexpr const char* kJsonType = "application/json";

// How long an answer may take: as long as the interval, but never so long that a page would show
// what is long past.
constexpr std::uint64_t kTimeoutMinMs = 500;
constexpr std::uint64_t kTimeoutMaxMs = 10'000;

http::Response unavailable(const PulledState& state) {
  return {503,
          kTextType,
          std::make_shared<const std::string>(
              fmt::format("the source does not answer: {}\n",
                          state.error.empty() ? "it was not asked yet" : state.error)),
          {}};
}

// What the routes share. The encoders belong to the server thread.
class Exporter {
 public:
  Exporter(const ExporterConfig& config, std::uint64_t started_realtime_ns)
      : config_(config), started_realtime_ns_(started_realtime_ns) {}
  // Before routes() are asked. push: null where there is none.
  void set_sources(const Puller& puller, const Push* push) {
    push_ = push;
    puller_ = &puller;
  }

  std::vector<http::Route> routes();
  void set_server(const http::Server* server) { server_ = server; }
  // Of the page, and of this process. Any thread.
  [[nodiscard]] PrometheusOptions options() const;
  [[nodiscard]] std::vector<ExtraFamily> own_families() const;

 private:
  [[nodiscard]] PulledState pulled() const;
  [[nodiscard]] std::string metrics(std::string_view accept, PrometheusFormat& format);
  [[nodiscard]] std::string status(const PulledState& state) const;

  const ExporterConfig& config_;
  std::atomic<const Puller*> puller_ = nullptr;
  std::atomic<const Push*> push_ = nullptr;
  const std::uint64_t started_realtime_ns_;
  const SourceMetadata metadata_{{"source", "rezolus"}, {"version", std::string(kVersion)}};
  std::atomic<const http::Server*> server_ = nullptr;
  PrometheusEncoder prometheus_;
  MsgpackEncoder msgpack_;
  std::shared_ptr<const Snapshot> nothing_ = [] {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->schema = SchemaBuilder().publish();
    return snapshot;
  }();
};

PulledState Exporter::pulled() const {
  const Puller* puller = puller_.load();
  return puller != nullptr ? puller->state() : PulledState{};
}

PrometheusOptions Exporter::options() const {
  PrometheusOptions options;
  options.full = config_.full_detail;
  options.naming = config_.naming;
  options.folds = upstream_label_folds();
  options.histograms = config_.histograms;
  options.quantiles = config_.quantiles;
  return options;
}

std::vector<ExtraFamily> Exporter::own_families() const {
  const PulledState state = pulled();
  std::vector<ExtraFamily> families = process_families(process_usage(), started_realtime_ns_);
  const Labels source = {{"source", config_.source_url.display()}};
  const auto add = [&](std::string name, std::string type, std::string help, double value) {
    families.push_back({std::move(name), std::move(type), std::move(help), {{source, value}}});
  };
  add("rezolus_exporter_source_up", "gauge",
      "Whether the source answered last time; its series are absent while it does not.",
      state.current != nullptr ? 1 : 0);
  add("rezolus_exporter_source_answers_total", "counter", "Answers of the source.",
      static_cast<double>(state.answers));
  add("rezolus_exporter_source_failures_total", "counter",
      "Requests to the source that failed, or whose answer could not be read.",
      static_cast<double>(state.failures));
  add("rezolus_exporter_missed_ticks_total", "counter",
      "Ticks without a request, because the one before took longer than the interval.",
      static_cast<double>(state.missed_ticks));
  add("rezolus_exporter_source_duration_seconds", "gauge", "How long the last request took.",
      state.duration_seconds);
  if (const http::Server* server = server_.load()) {
    const http::ServerCounts counts = http::counts_of(server->counters());
    for (ExtraFamily& family : http::server_families("rezolus_exporter_http_", counts)) {
      families.push_back(std::move(family));
    }
  }
  if (const Push* push = push_.load()) {
    for (ExtraFamily& family : push->families()) families.push_back(std::move(family));
  }
  return families;
}

std::string Exporter::metrics(std::string_view accept, PrometheusFormat& format) {
  const PulledState state = pulled();
  const std::vector<ExtraFamily> extra = own_families();
  PrometheusOptions options = this->options();
  options.format = format = negotiate_prometheus(accept, config_.naming);
  options.extra = extra;
  options.previous = state.previous.get();
  return prometheus_.encode(state.current != nullptr ? *state.current : *nothing_, options);
}

std::string Exporter::status(const PulledState& state) const {
  nlohmann::ordered_json page = {
      {"version", kVersion},
      {"source", config_.source_url.display()},
      {"up", state.current != nullptr},
      {"error", state.error},
      {"interval_ms", config_.interval_ns / kNsPerMs},
      {"answers", state.answers},
      {"failures", state.failures},
      {"missed_ticks", state.missed_ticks},
      {"duration_seconds", state.duration_seconds},
  };
  if (const Push* push = push_.load()) {
    page["push"] = push_status_json(push->states());
  }
  if (const http::Server* server = server_.load()) {
    page["listen"] = server->endpoints();
    page["http"] = http::server_json(http::counts_of(server->counters()));
  }
  return page.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::vector<http::Route> Exporter::routes() {
  const auto route = [](std::string path, auto answer) {
    return http::Route{std::move(path),
                       [answer](const http::Request& request, const http::Responder& responder) {
                         responder.send([answer, request] { return answer(request); });
                       }};
  };
  return {
      route("/",
            [](const http::Request& request) {
              return http::landing_page(
                  request, fmt::format("Rezolus {} Exporter", kVersion),
                  fmt::format("Rezolus {} Exporter\nFor metrics, see /metrics, "
                              "/metrics/binary and /metrics/json; for the source, /status\n",
                              kVersion),
                  {{"/metrics", "for Prometheus"},
                   {"/status", "the source, pushes, limits"},
                   {"/metrics/json", "the last answer"},
                   {"/healthz", "alive"},
                   {"/readyz", "whether the source answers"}});
            }),
      route("/healthz",
            [](const http::Request&) { return http::make_response(kTextType, "ok\n"); }),
      route("/readyz",
            [this](const http::Request&) {
              const PulledState state = pulled();
              return state.current != nullptr ? http::make_response(kTextType, "ready\n")
                                              : unavailable(state);
            }),
      route("/metrics",
            [this](const http::Request& request) {
              PrometheusFormat format{};
              std::string page = metrics(request.accept, format);
              return http::make_response(std::string(prometheus_content_type(format)),
                                         std::move(page));
            }),
      route("/metrics/binary",
            [this](const http::Request&) {
              const PulledState state = pulled();
              if (state.current == nullptr) return unavailable(state);
              return http::make_response(std::string(kMsgpackContentType),
                                         msgpack_.encode_v2(*state.answer, metadata_));
            }),
      route("/metrics/json",
            [this](const http::Request&) {
              const PulledState state = pulled();
              if (state.current == nullptr) return unavailable(state);
              return http::make_response(std::string(kJsonContentType),
                                         encode_json(*state.answer, metadata_));
            }),
      route("/status",
            [this](const http::Request&) {
              return http::make_response(kJsonType, status(pulled()));
            }),
  };
}

sigset_t handled_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, number);
  return set;
}

// SIGHUP: the new configuration, when it is a right one; a wrong one is said, and nothing changes.
std::optional<ExporterConfig> read_again(const std::string& path) {
  if (path.empty()) {
    spdlog::info("no configuration file to read again");
    return std::nullopt;
  }
  auto read = read_exporter_config(path);
  if (read) {
    if (auto right = http::check_web(read->web); !right) {
      read = std::unexpected(std::move(right.error()));
    }
  }
  if (!read) {
    spdlog::error("the configuration stays as it is: {}", read.error().message);
    return std::nullopt;
  }
  spdlog::info("read {} again", path);
  return std::move(*read);
}

// Serves until a signal ends it. What comes next; nothing: the end.
Result<std::optional<ExporterConfig>> serve(const ExporterConfig& config, const std::string& path,
                                            std::uint64_t started_realtime_ns,
                                            const sigset_t& signals) {
  auto host = read_host();
  if (!host) return std::unexpected(host.error());
  std::atomic<bool> cancel = false;
  const std::uint64_t timeout_ms =
      std::clamp(config.interval_ns / kNsPerMs, kTimeoutMinMs, kTimeoutMaxMs);
  Exporter exporter(config, started_realtime_ns);
  std::unique_ptr<Push> push;
  if (!config.push.targets.empty()) {
    auto started = Push::start(config.push, exporter.options(),
                               push_identity(*host, &config.source_url), config.interval_ns,
                               "rezolus_exporter_push",
                               [&exporter] { return exporter.own_families(); });
    if (!started) return std::unexpected(std::move(started.error()));
    push = std::move(*started);
  }
  Puller puller(std::make_unique<AgentSource>(config.source_url, timeout_ms, &cancel),
                config.interval_ns, cancel, [&push](const PulledState& state) {
                  if (push != nullptr) push->put(state.current, state.error);
                });
  exporter.set_sources(puller, push.get());
  // Each asks the other while it runs.
  struct Stop {
    Puller& puller;
    std::unique_ptr<Push>& push;
    ~Stop() {
      puller.stop();
      push.reset();
    }
  } const stop{puller, push};
  http::ServerConfig server_config;
  server_config.listen = config.listen;
  server_config.allowed_hosts = config.allowed_hosts;
  server_config.allowed_hosts.push_back(host->hostname);
  server_config.web = config.web;
  auto server = http::Server::start(server_config, exporter.routes());
  if (!server) return std::unexpected(server.error());
  exporter.set_server(server->get());
  std::string endpoints;
  for (const std::string& endpoint : (*server)->endpoints()) endpoints += " " + endpoint;
  for (const std::string& note : config.notes) spdlog::info("configuration: {}", note);
  spdlog::info("rezolus exporter {}: the agent at {}, every {} ms, listening on{}", kVersion,
               config.source_url.display(), config.interval_ns / kNsPerMs, endpoints);
  for (const PushTarget& target : config.push.targets) {
    spdlog::info("pushing to {}; what it does not take waits in {}", target.url.display(),
                 config.push.queue_folder);
  }
  notify_service_manager("READY=1");
  std::optional<ExporterConfig> next;
  while (!next) {
    const int number = ::sigwaitinfo(&signals, nullptr);
    if (number < 0 && errno == EINTR) continue;
    if (number != SIGHUP) break;
    next = read_again(path);
  }
  exporter.set_server(nullptr);
  (*server)->stop();
  return next;
}

}  // namespace

Result<void> run_exporter(const ExporterConfig& config, const std::string& path) {
  // Blocked in every thread: only the loop in serve() takes them.
  const sigset_t signals = handled_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  const std::uint64_t started_realtime_ns = realtime_ns();
  ExporterConfig running = config;
  std::optional<ExporterConfig> before;  // to go back to
  while (true) {
    auto next = serve(running, path, started_realtime_ns, signals);
    if (!next && before) {
      spdlog::error("back to the configuration before: {}", next.error().message);
      running = *std::exchange(before, std::nullopt);
      continue;
    }
    if (!next) return std::unexpected(next.error());
    if (!*next) break;
    before = std::exchange(running, std::move(**next));
    spdlog::set_level(spdlog::level::from_str(running.logging_level));
  }
  notify_service_manager("STOPPING=1");
  spdlog::info("stopping");
  return {};
}

}  // namespace rezolus
