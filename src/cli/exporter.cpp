// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus exporter [CONFIG]`.

#include "exporter/exporter.h"

#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/logging.h"
#include "cli/subcommand.h"

namespace rezolus::cli {
namespace {

constexpr const char* kDefaultPath = "/etc/rezolus/exporter.toml";

int fail(const Error& cause) {
  fmt::print(stderr, "rezolus exporter: {}\n", cause.message);
  return cause.kind == ErrorKind::kUsage ? kExitUsage : kExitRuntime;
}

}  // namespace

int run_exporter(std::span<const std::string> arguments) {
  CLI::App app("Ask an agent once a second, and serve it to Prometheus, until stopped",
               "rezolus exporter");
  std::string path;
  app.add_option("config", path,
                 "Configuration file (default: /etc/rezolus/exporter.toml when it exists, else "
                 "none: the agent at 127.0.0.1:4241, served on 127.0.0.1:4242)");
  app.footer(
      "Our agent has /metrics itself; the exporter is for agents that have none, for summaries\n"
      "over an interval, for hosts that cannot be scraped ([[push]] sends to receivers of remote\n"
      "write and OTLP), and where collecting and exporting are kept apart.\n"
      "SIGTERM and SIGINT stop it, SIGHUP reads the configuration again.\n"
      "`rezolus check FILE` checks a configuration; docs/prometheus.md and\n"
      "docs/opentelemetry.md tell more.");
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& wrong) {
    fmt::print(stderr, "rezolus exporter: {}; see rezolus exporter --help\n", wrong.what());
    return kExitUsage;
  }
  std::error_code ignored;
  if (path.empty() && std::filesystem::exists(kDefaultPath, ignored)) path = kDefaultPath;
  auto config = path.empty() ? parse_exporter_config("", "") : read_exporter_config(path);
  if (!config) return fail(config.error());
  if (auto set = set_up_logging(config->logging_level); !set) return fail(set.error());
  auto ran = rezolus::run_exporter(*config, path);
  return ran ? kExitOk : fail(ran.error());
}

}  // namespace rezolus::cli
