// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "agent/agent.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <memory>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "agent/agent_push.h"
#include "agent/instance_lock.h"
#include "agent/pages.h"
#include "agent/stream.h"
#include "base/capabilities.h"
#include "base/logging.h"
#include "base/service_manager.h"
#include "base/system_info.h"
#include "base/version.h"
#include "http/landing_page.h"
#include "http/server.h"
#include "recording/frame/frame.h"
#include "samplers/status_json.h"
#include "wire/json.h"
#include "wire/msgpack.h"

namespace rezolus {
namespace {

constexpr const char* kJsonType = "application/json";

sigset_t handled_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, number);
  return set;
}

// What the routes share. The encoders belong to the server thread.
class Agent {
 public:
  // counting_since_ns: CLOCK_REALTIME before the collector was made, when its programs began to count.
  Agent(const AgentConfig& config, const Collector& collector,
        std::unique_ptr<SamplingThread> sampling, std::string system_info,
        std::uint64_t counting_since_ns)
      : config_(config),
        full_detail_(config.full_detail),
        upstream_names_(config.upstream_names),
        created_lines_(config.created_lines),
        counting_since_ns_(counting_since_ns),
        counting_samplers_(bpf_sampler_names()),
        collector_(collector),
        system_info_(std::make_shared<const std::string>(std::move(system_info))),
        metadata_{{"source", "rezolus"}, {"version", std::string(kVersion)}},
        started_ns_(monotonic_ns()),
        started_realtime_ns_(realtime_ns()),
        remote_budget_(static_cast<double>(config.stream_cpu_percent_max) / 100),
        loopback_budget_(static_cast<double>(config.stream_loopback_cpu_percent_max) / 100),
        sampling_(std::move(sampling)) {}

  std::vector<http::Route> routes();
  void set_server(const http::Server* server) { server_ = server; }
  // Null: there is none, or it is about to go.
  void set_push(const AgentPush* push) { push_ = push; }
  Result<std::unique_ptr<AgentPush>> start_push(const Host& host);
  void set_page(const AgentConfig& config) {
    full_detail_ = config.full_detail;
    upstream_names_ = config.upstream_names;
    created_lines_ = config.created_lines;
  }

 private:
  using Encode = std::function<http::Response(const SnapshotRef&)>;

  // A route that is a function of a fresh snapshot, computed on the server thread.
  void answer(const http::Responder& responder, Encode encode) {
    sampling_->request([responder, encode = std::move(encode)](SnapshotRef snapshot) {
      responder.send([encode, snapshot = std::move(snapshot)] { return encode(snapshot); });
    });
  }
  http::Response binary(const SnapshotRef& snapshot, bool frame);
  http::Response metrics(const SnapshotRef& snapshot, std::string_view accept);
  http::Response stream(const http::Request& request);
  [[nodiscard]] PrometheusOptions page() const;
  [[nodiscard]] std::vector<ExtraFamily> own_families() const;
  [[nodiscard]] AgentFacts facts(StatusDetail detail) const;

  const AgentConfig& config_;
  std::atomic<bool> full_detail_;
  std::atomic<bool> upstream_names_;
  std::atomic<bool> created_lines_;
  const std::uint64_t counting_since_ns_;
  const std::vector<std::string_view> counting_samplers_;
  const Collector& collector_;
  const std::shared_ptr<const std::string> system_info_;
  const SourceMetadata metadata_;
  const std::uint64_t started_ns_;
  const std::uint64_t started_realtime_ns_;
  std::atomic<const http::Server*> server_ = nullptr;
  std::atomic<const AgentPush*> push_ = nullptr;
  StreamCounters streams_;
  StreamBudget remote_budget_;
  StreamBudget loopback_budget_;
  // Owned by the server thread:
  MsgpackEncoder msgpack_;
  PrometheusEncoder prometheus_;

  // Last: nothing may be called back when it is gone.
  const std::unique_ptr<SamplingThread> sampling_;
};

http::Response Agent::binary(const SnapshotRef& snapshot, bool frame) {
  if (frame) {
    std::string body;
    FrameEncoder encoder(metadata_);
    auto encoded = encoder.encode(*snapshot, body);
    if (!encoded)
      return {500,
              "text/plain; charset=utf-8",
              std::make_shared<std::string>(encoded.error().message + "\n"),
              {}};
    return http::make_response(std::string(kFrameMediaType), std::move(body));
  }
  return http::make_response(std::string(kMsgpackContentType),
                             config_.snapshot_format == SnapshotFormat::kV3
                                 ? msgpack_.encode_v3(*snapshot, metadata_)
                                 : msgpack_.encode_v2(*snapshot, metadata_));
}

PrometheusOptions Agent::page() const {
  PrometheusOptions options;
  options.full = full_detail_.load();
  options.naming =
      upstream_names_.load() ? PrometheusNaming::kUpstream : PrometheusNaming::kPrometheus;
  options.folds = upstream_label_folds();
  options.starts = {.counters_ns = counting_since_ns_,
                    .samplers = counting_samplers_,
                    .process_ns = started_realtime_ns_};
  options.created_lines = created_lines_.load();
  return options;
}

std::vector<ExtraFamily> Agent::own_families() const {
  std::vector<ExtraFamily> families = rezolus::own_families(facts(StatusDetail::kSamplers));
  if (const AgentPush* push = push_.load()) {
    for (ExtraFamily& family : push->families()) families.push_back(std::move(family));
  }
  return families;
}

Result<std::unique_ptr<AgentPush>> Agent::start_push(const Host& host) {
  if (config_.push.targets.empty()) return nullptr;
  return AgentPush::start(config_.push, config_.push_interval_ns, page(), host, *sampling_,
                          [this] { return own_families(); });
}

http::Response Agent::metrics(const SnapshotRef& snapshot, std::string_view accept) {
  const std::vector<ExtraFamily> extra = own_families();
  PrometheusOptions options = page();
  options.format = negotiate_prometheus(accept, options.naming);
  options.extra = extra;
  return http::make_response(std::string(prometheus_content_type(options.format)),
                             prometheus_.encode(*snapshot, options));
}

http::Response Agent::stream(const http::Request& request) {
  const auto refuse = [](unsigned status, const std::string& sentence) {
    return http::Response{status, "text/plain; charset=utf-8",
                          std::make_shared<const std::string>(sentence + "\n"), nullptr};
  };
  const auto query = parse_stream_query(request.query);
  if (!query) return refuse(400, query.error().message);
  if (streams_.listeners >= config_.stream_listeners_max) {
    ++streams_.refused;
    return refuse(503, fmt::format("{} clients listen already; raise [web] stream_listeners_max "
                                   "to allow more.",
                                   config_.stream_listeners_max));
  }
  // Who may open the Unix socket is known, and so is who has credentials.
  StreamBudget* const budget = request.over_unix_socket || request.authenticated ? nullptr
                               : request.over_loopback                           ? &loopback_budget_
                                                                                 : &remote_budget_;
  http::Response response;
  response.content_type = kFrameMediaType;
  response.stream =
      std::make_shared<StreamListener>(*sampling_, *query, metadata_, streams_, budget);
  return response;
}

AgentFacts Agent::facts(StatusDetail detail) const {
  AgentFacts facts;
  facts.uptime_seconds = (monotonic_ns() - started_ns_) / kNsPerSecond;
  facts.started_realtime_ns = started_realtime_ns_;
  facts.ttl_ns = config_.ttl_ns;
  facts.instance = config_.instance;
  facts.collector = collector_.status(detail);
  facts.scheduler_class = sampling_->scheduler_class();
  facts.scheduler_error = sampling_->scheduler_error();
  if (detail == StatusDetail::kAll) {  // walks all mappings, for /status alone
    if (auto memory = read_process_memory()) facts.memory = *memory;
  }
  if (const http::Server* server = server_.load()) {
    facts.listen = server->endpoints();
    facts.http = http::counts_of(server->counters());
  }
  if (const AgentPush* push = push_.load()) facts.push = push->states();
  facts.stream_listeners = streams_.listeners;
  facts.streams_opened = streams_.opened;
  facts.streams_refused = streams_.refused;
  facts.stream_missed_ticks = streams_.missed_ticks;
  facts.streams_slowed = remote_budget_.slowed_count() + loopback_budget_.slowed_count();
  facts.stream_cpu_share = remote_budget_.share();
  facts.stream_cpu_share_max = remote_budget_.share_max();
  facts.stream_loopback_cpu_share = loopback_budget_.share();
  facts.stream_loopback_cpu_share_max = loopback_budget_.share_max();
  return facts;
}

std::vector<http::Route> Agent::routes() {
  const auto page = [](std::string path, std::string type, std::function<std::string()> make) {
    return http::Route{std::move(path), [type = std::move(type), make = std::move(make)](
                                            const http::Request&, http::Responder responder) {
                         responder.send([type, make] { return http::make_response(type, make()); });
                       }};
  };
  return {
      {"/",
       [](const http::Request& request, http::Responder responder) {
         responder.send(http::landing_page(
             request, fmt::format("Rezolus {} Agent", kVersion), banner_page(),
             {{"/metrics", "for Prometheus"},
              {"/status", "what runs, and how; limits and losses"},
              {"/samplers", "the samplers alone"},
              {"/metrics/json", "all values"},
              {"/metrics/descriptions", "what they mean"},
              {"/systeminfo", "this host"},
              {"/healthz", "alive"},
              {"/readyz", "able to measure"}}));
       }},
      page("/healthz", "text/plain; charset=utf-8", [] { return std::string("ok\n"); }),
      {"/readyz",
       [this](const http::Request&, http::Responder responder) {
         // Ready is who can take a snapshot; a sampling thread that hangs runs into the time limit.
         answer(responder, [](const SnapshotRef&) {
           return http::make_response("text/plain; charset=utf-8", "ready\n");
         });
       }},
      {"/metrics",
       [this](const http::Request& request, http::Responder responder) {
         answer(responder, [this, accept = request.accept](const SnapshotRef& snapshot) {
           return metrics(snapshot, accept);
         });
       }},
      {"/metrics/binary",
       [this](const http::Request& request, http::Responder responder) {
         const bool frame = request.accept.find(kFrameMediaType) != std::string::npos;
         answer(responder,
                [this, frame](const SnapshotRef& snapshot) { return binary(snapshot, frame); });
       }},
      {"/metrics/json",
       [this](const http::Request&, http::Responder responder) {
         answer(responder, [this](const SnapshotRef& snapshot) {
           return http::make_response(std::string(kJsonContentType),
                                      encode_json(*snapshot, metadata_));
         });
       }},
      {"/stream", [this](const http::Request& request,
                         http::Responder responder) { responder.send(stream(request)); }},
      page("/metrics/descriptions", kJsonType, [] { return descriptions_json().dump(); }),
      {"/systeminfo",
       [this](const http::Request&, http::Responder responder) {
         responder.send(http::Response{200, kJsonType, system_info_, {}});
       }},
      page("/samplers", kJsonType,
           [this] { return samplers_json(collector_.status().samplers).dump(); }),
      page("/status", kJsonType, [this] { return status_page(facts(StatusDetail::kAll)); }),
  };
}

void log_start(const AgentConfig& config, const http::Server& server,
               const CollectorStatus& status) {
  std::size_t active = 0;
  for (const SamplerStatus& sampler : status.samplers) {
    if (sampler.state == SamplerState::kActive) ++active;
    if (sampler.state == SamplerState::kFailed || sampler.health == SamplerHealth::kDegraded) {
      spdlog::warn("sampler {} is {}: {}", sampler.name,
                   sampler.state == SamplerState::kActive ? "degraded" : "off", sampler.reason);
    } else if (sampler.health == SamplerHealth::kUnsupported) {
      spdlog::info("sampler {} is not supported by this kernel: {}", sampler.name, sampler.reason);
    }
  }
  for (const std::string& note : config.notes) spdlog::info("configuration: {}", note);
  std::string endpoints;
  for (const std::string& endpoint : server.endpoints()) endpoints += " " + endpoint;
  spdlog::info("rezolus {}: {} of {} samplers run, {} KiB of BPF maps, listening on{}", kVersion,
               active, status.samplers.size(), map_memory_bytes(status) / 1024, endpoints);
}

void give_up_capabilities() {
  auto dropped = drop_capabilities();
  if (!dropped) spdlog::warn("capabilities are kept: {}", dropped.error().message);
}

Result<void> check_something_runs(const CollectorStatus& status) {
  const bool any = std::ranges::any_of(status.samplers, [](const SamplerStatus& sampler) {
    return sampler.state == SamplerState::kActive;
  });
  if (any) return {};
  return error(
      "no sampler can run: switch some on in [samplers], and run as root or with CAP_BPF "
      "and CAP_PERFMON");
}

void reload(const std::string& path, const AgentConfig& running, const std::string& hostname,
            Agent& agent, http::Server& server) {
  if (path.empty()) {
    spdlog::info("no configuration file to read again");
    return;
  }
  auto config = read_agent_config(path);
  if (!config) {
    spdlog::error("the configuration stays as it is: {}", config.error().message);
    return;
  }
  if (auto set = server.set_web(config->web); !set) {
    spdlog::error("the configuration stays as it is: {}", set.error().message);
    return;
  }
  agent.set_page(*config);
  config->allowed_hosts.push_back(hostname);
  server.set_allowed_hosts(config->allowed_hosts);
  spdlog::set_level(spdlog::level::from_str(config->logging_level));
  if (const std::string changes = changes_for_restart(running, *config); !changes.empty()) {
    spdlog::warn("what changed in {} takes effect with a restart", changes);
  }
  spdlog::info("read {} again", path);
}

}  // namespace

Result<void> run_agent(const AgentConfig& config, const std::string& config_path) {
  // Blocked in every thread: only the loop below takes them.
  const sigset_t signals = handled_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);

  auto lock = InstanceLock::take(config.instance);
  if (!lock) return std::unexpected(lock.error());
  auto host = read_host();
  if (!host) return std::unexpected(host.error());
  if (const std::string missing = missing_bpf_capabilities(); !missing.empty()) {
    spdlog::warn(
        "{} missing: no BPF program can be loaded, only samplers that read files run; "
        "run as root or give the service these capabilities",
        missing);
  }
  // Nobody who talks to us can have us use what we gave up. The sampling thread comes first, to ask for
  // its class, and gives up its own; nothing is collected before there is a server.
  std::unique_ptr<Collector> collector;
  auto sampling =
      std::make_unique<SamplingThread>([&collector] { return collector->collect(); }, config.ttl_ns,
                                       config.scheduler, give_up_capabilities);
  CollectorConfig collector_config = config.collector;
  collector_config.on_loaded = give_up_capabilities;
  const std::uint64_t counting_since_ns = realtime_ns();
  auto created = Collector::create(*host, collector_config);
  if (!created) return std::unexpected(created.error());
  collector = std::move(*created);
  const CollectorStatus status = collector->status();
  if (auto runs = check_something_runs(status); !runs) return runs;

  const std::string scheduler_class = sampling->scheduler_class();
  const std::string refused = sampling->scheduler_error();
  Agent agent(config, *collector, std::move(sampling), system_info_json(*host), counting_since_ns);
  http::ServerConfig server_config;
  server_config.listen = config.listen;
  server_config.allowed_hosts = config.allowed_hosts;
  server_config.allowed_hosts.push_back(host->hostname);
  server_config.web = config.web;
  // Its threads talk to other hosts, too.
  auto push = agent.start_push(*host);
  if (!push) return std::unexpected(std::move(push.error()));
  agent.set_push(push->get());
  // Its senders ask the agent for families, which ask for it.
  struct StopPush {
    Agent& agent;
    std::unique_ptr<AgentPush>& push;
    ~StopPush() {
      agent.set_push(nullptr);
      push.reset();
    }
  } const stop_push{agent, *push};
  auto server = http::Server::start(server_config, agent.routes());
  if (!server) return std::unexpected(server.error());
  agent.set_server(server->get());
  if (!refused.empty()) {
    spdlog::warn("the sampling thread's class stays {}: {}", scheduler_class, refused);
  }
  log_start(config, **server, status);
  for (const PushTarget& target : config.push.targets) {
    spdlog::info("pushing to {}; what it does not take waits in {}", target.url.display(),
                 config.push.queue_folder);
  }
  notify_service_manager("READY=1");

  while (true) {
    const int number = ::sigwaitinfo(&signals, nullptr);
    if (number < 0 && errno == EINTR) continue;
    if (number != SIGHUP) break;
    reload(config_path, config, host->hostname, agent, **server);
  }
  notify_service_manager("STOPPING=1");
  spdlog::info("stopping");
  agent.set_server(nullptr);
  (*server)->stop();
  return {};
}

}  // namespace rezolus
