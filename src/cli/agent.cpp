// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus agent [CONFIG]`, and `rezolus CONFIG`.

#include "agent/agent.h"

#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/logging.h"
#include "cli/subcommand.h"

namespace rezolus::cli {
namespace {

constexpr const char* kDefaultPath = "/etc/rezolus/agent.toml";

int fail(const Error& cause) {
  fmt::print(stderr, "rezolus agent: {}\n", cause.message);
  return cause.kind == ErrorKind::kUsage ? kExitUsage : kExitRuntime;
}

}  // namespace

int run_agent(std::span<const std::string> arguments) {
  CLI::App app("Collect, and serve what was collected over HTTP, until stopped", "rezolus agent");
  std::string path;
  app.add_option("config", path,
                 "Configuration file (default: /etc/rezolus/agent.toml when it exists, else none: "
                 "every sampler, 127.0.0.1:4241)");
  app.footer("SIGTERM and SIGINT stop it, SIGHUP reads the configuration again.\n"
             "`rezolus check FILE` checks a configuration, `rezolus status` shows what runs.");
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& wrong) {
    fmt::print(stderr, "rezolus agent: {}; see rezolus agent --help\n", wrong.what());
    return kExitUsage;
  }
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
