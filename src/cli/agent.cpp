// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus agent [CONFIG]`, and `rezolus CONFIG`.

#include "agent/agent.h"

#include <filesystem>
#include <string>

#include "base/logging.h"
#include "cli/subcommand.h"

namespace rezolus::cli {
namespace {

constexpr const char* kDefaultPath = "/etc/rezolus/agent.toml";

int fail(const Error& cause) {
  fmt::print(stderr, "rezolus agent: {}\n", cause.message);
  return cause.kind == ErrorKind::kUsage ? kExitUsage : kExitRuntime;
}

class AgentParser : public command_line::Parser {
 public:
  AgentParser()
      : Parser(
            "rezolus agent", "Collect, and serve what was collected over HTTP, until stopped",
            {.text = "Listens on 127.0.0.1:4241 unless the configuration says otherwise. `rezolus "
                     "check FILE` checks a configuration, `rezolus status` shows what runs.",
             .examples = {{"rezolus agent", "with /etc/rezolus/agent.toml, or with defaults"},
                          {"rezolus agent config/agent.toml", ""},
                          {"curl localhost:4241/metrics", "what Prometheus sees"}},
             .signals = {{"SIGTERM, SIGINT", "end it"},
                         {"SIGHUP", "reads the configuration again; a wrong one changes nothing"}},
             .files = {{kDefaultPath, "Configuration, where none is named."},
                       {"conf.d/*.toml",
                        "Beside the configuration: read after it, in the order of their names."}},
             .environment = {{"OTEL_EXPORTER_OTLP_ENDPOINT and others of its kind",
                              "For [[push]] by OTLP, where the configuration says nothing."},
                             {"STATE_DIRECTORY",
                              "Where the queue of [[push]] is; else in /var/lib/rezolus."}},
             .see_also = {"rezolus(1)", "rezolus-check(1)", "rezolus-exporter(1)",
                          "rezolus-status(1)"}}) {
    add_option("CONFIG", path,
               "Configuration file (default: /etc/rezolus/agent.toml when it exists, else none: "
               "every sampler, 127.0.0.1:4241)")
        ->type_name(command_line::kFileValue);
  }
  std::string path;
};

}  // namespace

command_line::CommandDescription describe_agent() { return command_line::describe(AgentParser()); }

int run_agent(std::span<const std::string> arguments) {
  AgentParser parser;
  if (const auto ended = parse(parser, arguments)) return *ended;
  std::string& path = parser.path;
  std::error_code ignored;
  if (path.empty() && std::filesystem::exists(kDefaultPath, ignored)) path = kDefaultPath;
  AgentConfig config;
  if (!path.empty()) {
    auto read = read_agent_config(path);
    if (!read) return fail(read.error());
    config = std::move(*read);
  }
  if (auto set = set_up_logging(config.logging_level); !set) return fail(set.error());
  auto ran = rezolus::run_agent(config, path);
  return ran ? kExitOk : fail(ran.error());
}

}  // namespace rezolus::cli
