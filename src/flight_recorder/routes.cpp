// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/routes.h"

#include <memory>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/part_names.h"
#include "base/version.h"
#include "flight_recorder/snapshot_query.h"
#include "http/file_body.h"
#include "http/landing_page.h"

namespace rezolus {
namespace {

using nlohmann::json;

constexpr const char* kTextType = "text/plain; charset=utf-8";
constexpr const char* kJsonType = "application/json";
// The time that comes after the trigger, those that wait, and a converter at the lowest priority.
constexpr std::chrono::milliseconds kSnapshotTimeout = std::chrono::minutes(30);

http::Response answer(unsigned status, std::string type, std::string text) {
  http::Response response = http::make_response(std::move(type), std::move(text));
  response.status = status;
  if (status == 503) response.headers.emplace_back("Retry-After", "5");
  return response;
}

http::Response text_answer(unsigned status, const std::string& sentence) {
  return answer(status, kTextType, sentence + "\n");
}

http::Response json_answer(unsigned status, const json& page) {
  return answer(status, kJsonType, page.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

json time_range(const SnapshotReport& report) {
  return {{"start", report.from_ns / kNsPerSecond}, {"end", report.to_ns / kNsPerSecond}};
}

// Failures of POST /dump/file have the keys of its success.
http::Response file_refusal(unsigned status, const std::string& sentence, bool dump) {
  if (!dump) return json_answer(status, {{"error", sentence}});
  return json_answer(status,
                     {{"path", ""}, {"bytes", 0}, {"time_range", json()}, {"error", sentence}});
}

http::Response file_answer(const SnapshotRequest& request, const SnapshotReport& report,
                           bool dump) {
  if (dump) {
    return json_answer(
        200,
        {{"path", report.path}, {"bytes", report.size_bytes}, {"time_range", time_range(report)}});
  }
  return json_answer(200, {{"path", report.path},
                           {"bytes", report.size_bytes},
                           {"from", format_utc(report.from_ns)},
                           {"to", format_utc(report.to_ns)},
                           {"trigger", request.trigger},
                           {"reason", request.reason},
                           {"gaps", report.gap_count},
                           {"seconds", static_cast<double>(report.took_ns) * 1e-9}});
}

// Removes the file when nobody has use for it any more; who reads it has it open.
struct PrivateFile {
  std::string path;
  ~PrivateFile() { remove_with_parts(path); }
};

// Whether nothing at all can be in the buffer from that time.
bool out_of_range(const BufferState& state, const SnapshotRequest& request) {
  if (state.oldest_ns == 0) return true;
  return request.to_ns != 0 && request.to_ns < state.oldest_ns;
}

http::Route get_route(std::string path, auto make) {
  return {.path = std::move(path),
          .handle = [make](const http::Request& request, const http::Responder& responder) {
            responder.send([make, request] { return make(request); });
          }};
}

}  // namespace

FlightRoutes::FlightRoutes(const FlightOptions& options, const FlightBuffer& buffer,
                           SnapshotQueue& snapshots, const Uploads* uploads,
                           const RuleThread* rules, SnapshotHistory& history)
    : options_(options),
      buffer_(buffer),
      snapshots_(snapshots),
      uploads_(uploads),
      rules_(rules),
      history_(history),
      has_credentials_(!options.token_file.empty() || !options.web.bearer_token_file.empty() ||
                       !options.web.config_file.empty()),
      started_realtime_ns_(realtime_ns()),
      cooldown_(std::make_shared<AlertCooldown>(options.alert_cooldown_ns)) {
  const std::uint64_t now_ns = realtime_ns();
  for (const std::string& fingerprint : history.names(SnapshotHistory::Kind::kAlert)) {
    const auto ages_ns = history.ages(SnapshotHistory::Kind::kAlert, fingerprint, now_ns);
    if (!ages_ns.empty()) cooldown_->resume(fingerprint, ages_ns.back(), monotonic_ns());
  }
}

FlightFacts FlightRoutes::facts() const {
  FlightFacts facts;
  facts.buffer = buffer_.state();
  facts.snapshots = snapshots_.counts();
  facts.snapshots_waiting = snapshots_.waiting_count();
  if (uploads_ != nullptr) facts.uploads = uploads_->state();
  if (rules_ != nullptr) facts.rules = rules_->state();
  facts.started_realtime_ns = started_realtime_ns_;
  if (const http::Server* server = server_.load()) {
    facts.listen = server->endpoints();
    facts.http = http::counts_of(server->counters());
  }
  return facts;
}

http::Response FlightRoutes::metrics(const http::Request& request) {
  Snapshot nothing;
  nothing.schema = SchemaBuilder().publish();
  const std::vector<ExtraFamily> families = flight_families(options_, facts());
  PrometheusOptions options;
  options.format = negotiate_prometheus(request.accept, options.naming);
  options.extra = families;
  std::string page = prometheus_.encode(nothing, options);
  return http::make_response(std::string(prometheus_content_type(options.format)), std::move(page));
}

void FlightRoutes::make_file(const http::Request& request, const http::Responder& responder,
                             bool dump) {
  if (auto refused = refuse(request, has_credentials_, Trust::kHostOrCredentials)) {
    return responder.send(std::move(*refused));
  }
  auto asked = parse_snapshot_query(request.query, realtime_ns());
  if (!asked) return responder.send(file_refusal(400, asked.error().message, dump));
  asked->trigger = request.over_unix_socket ? "command" : "http";
  if (asked->reason.empty()) asked->reason = asked->trigger;
  const auto done = [responder, dump, asked = *asked](const Result<SnapshotReport>& report) {
    responder.send(report ? file_answer(asked, *report, dump)
                          : file_refusal(500, report.error().message, dump));
  };
  if (auto taken = snapshots_.submit(std::move(*asked), done); !taken) {
    responder.send(file_refusal(503, taken.error().message, dump));
  }
}

void FlightRoutes::stream_file(const http::Request& request, const http::Responder& responder,
                               bool dump) {
  if (auto refused = refuse(request, has_credentials_, Trust::kHostOrCredentials)) {
    return responder.send(std::move(*refused));
  }
  auto asked = parse_snapshot_query(request.query, realtime_ns());
  if (!asked) return responder.send(text_answer(400, asked.error().message));
  if (out_of_range(buffer_.state(), *asked)) {
    return responder.send(text_answer(404, "There is nothing in the buffer from that time."));
  }
  const char* type = dump || options_.format != OutputFormat::kParquet
                         ? "application/octet-stream"
                         : "application/vnd.apache.parquet";
  // No snapshot for who wants to know the header only.
  if (request.head) return responder.send(answer(200, type, ""));
  asked->trigger = "http";
  if (asked->reason.empty()) asked->reason = "http";
  const std::string name = fmt::format("{}{}", dump ? "dump" : "snapshot", format_suffix(options_.format));
  const auto file = std::make_shared<PrivateFile>(fmt::format(
      "{}/snapshot-http-{}{}", buffer_.folder(), ++stream_index_, format_suffix(options_.format)));
  asked->private_path = file->path;
  const auto done = [responder, file, name, type](const Result<SnapshotReport>& report) {
    if (!report) return responder.send(text_answer(500, report.error().message));
    if (report->part_count > 1) {
      return responder.send(text_answer(
          500, fmt::format("This would be {} files, as it has so many series; ask for less time, or "
                           "make a snapshot on that host.",
                           report->part_count)));
    }
    responder.send([file, name, type]() -> http::Response {
      auto response = http::file_response(file->path, name, type);
      return response ? std::move(*response) : text_answer(500, response.error().message);
    });
  };
  if (auto taken = snapshots_.submit(std::move(*asked), done); !taken) {
    responder.send(text_answer(503, taken.error().message));
  }
}

// Answers at once. What could not be taken gets 503, which makes Alertmanager ask again; what was
// taken is cooling by then.
void FlightRoutes::take_alerts(const http::Request& request, const http::Responder& responder) {
  if (auto refused = refuse(request, has_credentials_, Trust::kCredentialsOnly)) {
    return responder.send(std::move(*refused));
  }
  auto asked = parse_snapshot_query(request.query, realtime_ns());
  if (!asked) return responder.send(text_answer(400, asked.error().message));
  auto alerts = parse_firing_alerts(request.body);
  if (!alerts) return responder.send(text_answer(400, alerts.error().message));
  std::size_t taken_count = 0;
  std::size_t cooling_count = 0;
  std::string refusal;
  for (Alert& alert : *alerts) {
    const auto verdict = cooldown_->take(alert.fingerprint, monotonic_ns());
    if (verdict == AlertCooldown::Verdict::kCooling) {
      ++cooling_count;
      continue;
    }
    if (verdict == AlertCooldown::Verdict::kFull) {
      refusal = "Too many alerts are cooling down.";
      continue;
    }
    SnapshotRequest snapshot = *asked;
    snapshot.trigger = "alertmanager";
    snapshot.reason = alert.name.empty() ? "alert" : alert.name;
    snapshot.details = std::move(alert.details);
    const auto done = [cooldown = cooldown_, fingerprint = alert.fingerprint, &history = history_,
                       asked_ns = snapshot.asked_ns](const auto& report) {
      if (!report) return cooldown->give_back(fingerprint);
      history.note(SnapshotHistory::Kind::kAlert, fingerprint, asked_ns);
    };
    if (auto taken = snapshots_.submit(std::move(snapshot), done); taken) {
      ++taken_count;
    } else {
      cooldown_->give_back(alert.fingerprint);
      refusal = taken.error().message;
    }
  }
  if (!refusal.empty()) return responder.send(text_answer(503, refusal));
  responder.send(json_answer(200, {{"snapshots", taken_count}, {"cooling", cooling_count}}));
}

std::vector<http::Route> FlightRoutes::routes() {
  const auto snapshot_route = [this](std::string path, bool post, bool dump) {
    return http::Route{
        .path = std::move(path),
        .handle =
            [this, post, dump](const http::Request& request, const http::Responder& responder) {
              post ? make_file(request, responder, dump) : stream_file(request, responder, dump);
            },
        .post = post,
        .answer_timeout = kSnapshotTimeout};
  };
  return {
      get_route("/",
                [](const http::Request& request) {
                  return http::landing_page(request,
                                            fmt::format("Rezolus {} Flight Recorder", kVersion),
                                            flight_banner_page(),
                                            {{"/status", "the buffer, snapshots, rules, limits"},
                                             {"/metrics", "the recorder's own, for Prometheus"},
                                             {"/healthz", "alive"},
                                             {"/readyz", "recording"}});
                }),
      get_route("/healthz", [](const auto&) { return text_answer(200, "ok"); }),
      get_route("/readyz",
                [this](const auto&) {
                  const BufferState state = buffer_.state();
                  if (!state.problem.empty()) return text_answer(503, state.problem);
                  return state.newest_ns == 0 ? text_answer(503, "Nothing is recorded yet.")
                                              : text_answer(200, "ready");
                }),
      get_route("/status",
                [this](const auto&) {
                  return answer(200, kJsonType, flight_status_page(options_, facts()));
                }),
      get_route("/metrics", [this](const http::Request& request) { return metrics(request); }),
      snapshot_route("/snapshot", true, false),
      snapshot_route("/snapshot", false, false),
      snapshot_route("/dump", false, true),
      snapshot_route("/dump/file", true, true),
      {.path = "/alertmanager",
       .handle = [this](const auto& request,
                        const auto& responder) { take_alerts(request, responder); },
       .post = true},
  };
}

}  // namespace rezolus
