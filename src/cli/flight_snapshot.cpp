// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus flight-recorder snapshot`: asks the flight recorder that runs for a snapshot, over its
// Unix socket, and prints the file's path.

#include <cerrno>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <sys/stat.h>
#include <nlohmann/json.hpp>

#include "base/store_url.h"
#include "cli/subcommand.h"
#include "flight_recorder/options.h"
#include "http/post.h"
#include "http/query_text.h"

namespace rezolus::cli {
namespace {

constexpr const char* kServiceSocket = "/run/rezolus-flight-recorder/flight-recorder.sock";
constexpr std::uint64_t kTimeoutMs = 30 * 60 * 1000;

struct Arguments {
  std::string place;
  std::string socket;
  std::string last;
  std::string start;
  std::string end;
  std::string post;
  std::string reason;
};

Result<std::string> find_socket(const Arguments& given) {
  if (!given.socket.empty()) return given.socket;
  if (given.place.empty()) return kServiceSocket;
  if (is_store_url(given.place)) {
    return usage_error(
        "the URL of an output does not say where the recorder's socket is; name its configuration, "
        "or the file `socket` in its buffer with --socket");
  }
  FlightOptions options;
  if (given.place.ends_with(".toml") || is_flight_config(given.place)) {
    auto read = read_flight_config(given.place);
    if (!read) return std::unexpected(std::move(read.error()));
    options = std::move(*read);
  } else {
    options.output = given.place;
  }
  auto whole = complete(std::move(options));
  if (!whole) return std::unexpected(std::move(whole.error()));
  if (whole->socket->empty()) {
    return usage_error("{} says that there is no socket; set socket, or send SIGUSR2", given.place);
  }
  return *whole->socket;
}

std::string query_of(const Arguments& given) {
  std::string query;
  const auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    query +=
        fmt::format("{}{}={}", query.empty() ? '?' : '&', name, http::encode_query_value(value));
  };
  add("last", given.last);
  add("start", given.start);
  add("end", given.end);
  add("post", given.post);
  add("reason", given.reason);
  return query;
}

Result<std::string> ask(const Arguments& given) {
  auto socket = find_socket(given);
  if (!socket) return std::unexpected(std::move(socket.error()));
  struct stat status{};
  if (::stat(socket->c_str(), &status) != 0) {
    return error(
        "no flight recorder has the socket {} ({}); is it running? Name its configuration, "
        "its output or its --socket",
        *socket, std::strerror(errno));
  }
  auto url = parse_url("unix:" + *socket);
  if (!url) return std::unexpected(std::move(url.error()));
  auto response = http_post(url->at("/snapshot" + query_of(given)),
                            {"Content-Type: application/json"}, "", kTimeoutMs);
  if (!response) return std::unexpected(std::move(response.error()));
  const auto page = nlohmann::json::parse(response->body, nullptr, false);
  if (response->status == 200 && page.is_object() && page.contains("path")) {
    return page["path"].get<std::string>();
  }
  const std::string said = page.is_object() ? page.value("error", "") : response->body;
  if (response->status == 400) return usage_error("{}", said);
  return error("{}", said.empty() ? fmt::format("it answers {}", response->status) : said);
}

class SnapshotParser : public command_line::Parser {
 public:
  SnapshotParser()
      : Parser("rezolus flight-recorder snapshot",
               "Ask the flight recorder that runs for a snapshot, and print the file's path",
               {.text = "Waits until the file is complete. Without options it holds all of the "
                        "buffer, up to now.",
                .examples =
                    {{"rezolus flight-recorder snapshot", "of the service, as root"},
                     {"rezolus flight-recorder snapshot incident.parquet --last 5m --post 10s", ""},
                     {"rezolus flight-recorder snapshot flight-recorder.toml --reason slow-login",
                      ""}},
                .exit_codes = {{"0", "ok"},
                               {"1", "failed, or no flight recorder runs"},
                               {"2", "wrong usage"}},
                .files = {{kServiceSocket, "The service's socket, where no PLACE is named."}},
                .see_also = {"rezolus-flight-recorder(1)"}}) {
    add_option("PLACE", given.place,
               "The flight recorder's configuration or output; else the service's")
        ->type_name(command_line::kFileValue);
    add_option("--socket", given.socket, "Its Unix socket, instead of PLACE")
        ->type_name(command_line::kFileValue);
    add_option("--last", given.last, "From so long ago, as 5m (default: all of the buffer)")
        ->type_name("DURATION");
    add_option("--start", given.start,
               "From this time, 2026-11-26T02:00:00Z or seconds since 1970 (default: all)")
        ->type_name("TIME");
    add_option("--end", given.end, "Up to this time (default: now)")->type_name("TIME");
    add_option("--post", given.post, "Up to so long after now, as 10s; waits for it")
        ->type_name("DURATION");
    add_option("--reason", given.reason, "A text for the file's name and metadata")->type_name("TEXT");
  }
  Arguments given;
};

}  // namespace

command_line::CommandDescription describe_flight_snapshot() {
  return command_line::describe(SnapshotParser());
}

int run_flight_snapshot(std::span<const std::string> arguments) {
  SnapshotParser parser;
  if (const auto ended = parse(parser, arguments)) return *ended;
  const auto path = ask(parser.given);
  if (path) {
    fmt::print("{}\n", *path);
    return kExitOk;
  }
  fmt::print(stderr, "rezolus flight-recorder snapshot: {}\n", path.error().message);
  return path.error().kind == ErrorKind::kUsage ? kExitUsage : kExitRuntime;
}

}  // namespace rezolus::cli
