// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus exporter [CONFIG]`.

#include "exporter/exporter.h"

#include <filesystem>
#include <string>

#include "base/logging.h"
#include "cli/subcommand.h"

namespace rezolus::cli {
namespace {

constexpr const char* kDefaultPath = "/etc/rezolus/exporter.toml";

int fail(const Error& cause) {
  fmt::print(stderr, "rezolus exporter: {}\n", cause.message);
  return cause.kind == ErrorKind::kUsage ? kExitUsage : kExitRuntime;
}

class ExporterParser : public command_line::Parser {
 public:
  ExporterParser()
      : Parser(
            "rezolus exporter",
            "Ask an agent once a second, and serve it to Prometheus, until stopped",
            {.text =
                 "Our agent has /metrics itself; the exporter is for agents that have none, for "
                 "summaries over an interval, for hosts that cannot be scraped ([[push]] sends to "
                 "receivers of remote write and OTLP), and where collecting and exporting are kept "
                 "apart. `rezolus check FILE` checks a configuration.",
             .examples = {{"rezolus exporter", "the agent on this host, on 127.0.0.1:4242"},
                          {"rezolus exporter config/exporter.toml", ""},
                          {"curl localhost:4242/metrics", "what Prometheus sees"}},
             .signals = {{"SIGTERM, SIGINT", "end it"},
                         {"SIGHUP", "reads the configuration again; a wrong one changes nothing"}},
             .files = {{kDefaultPath, "Configuration, where none is named."},
                       {"/var/lib/rezolus",
                        "The queue of [[push]], unless the configuration says otherwise."}},
             .environment = {{"OTEL_EXPORTER_OTLP_ENDPOINT and others of its kind",
                              "For [[push]] by OTLP, where the configuration says nothing."},
                             {"STATE_DIRECTORY",
                              "Where the queue of [[push]] is; else in /var/lib/rezolus."}},
             .see_also = {"rezolus(1)", "rezolus-agent(1)", "rezolus-check(1)",
                          "docs/prometheus.md", "docs/opentelemetry.md"}}) {
    add_option("CONFIG", path,
               "Configuration file (default: /etc/rezolus/exporter.toml when it exists, else none: "
               "the agent at 127.0.0.1:4241, served on 127.0.0.1:4242)")
        ->type_name(command_line::kFileValue);
  }
  std::string path;
};

}  // namespace

command_line::CommandDescription describe_exporter() {
  return command_line::describe(ExporterParser());
}

int run_exporter(std::span<const std::string> arguments) {
  ExporterParser parser;
  if (const auto ended = parse(parser, arguments)) return *ended;
  std::string& path = parser.path;
  std::error_code ignored;
  if (path.empty() && std::filesystem::exists(kDefaultPath, ignored)) path = kDefaultPath;
  auto config = path.empty() ? parse_exporter_config("", "") : read_exporter_config(path);
  if (!config) return fail(config.error());
  if (auto set = set_up_logging(config->logging_level); !set) return fail(set.error());
  auto ran = rezolus::run_exporter(*config, path);
  return ran ? kExitOk : fail(ran.error());
}

}  // namespace rezolus::cli
