// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus check FILE…`: are these configuration files right?

#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include "agent/config.h"
#include "cli/subcommand.h"

namespace rezolus::cli {

int run_check(std::span<const std::string> arguments) {
  CLI::App app("Check configuration files without running anything", "rezolus check");
  std::vector<std::string> files;
  bool samplers = false;
  app.add_option("files", files, "Configuration files of the agent");
  app.add_flag("--samplers", samplers, "List the samplers that [samplers.NAME] knows");
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& wrong) {
    fmt::print(stderr, "rezolus check: {}; see rezolus check --help\n", wrong.what());
    return kExitUsage;
  }
  if (samplers) {
    for (const SamplerName& sampler : sampler_names()) {
      fmt::print("{:<24} {}{}\n", sampler.name, sampler.description,
                 sampler.on_by_default ? "" : " (off by default)");
    }
    if (files.empty()) return kExitOk;
  }
  if (files.empty()) {
    fmt::print(stderr, "rezolus check: name the files to check; see rezolus check --help\n");
    return kExitUsage;
  }
  int code = kExitOk;
  for (const std::string& file : files) {
    const auto config = read_agent_config(file);
    if (config) {
      fmt::print("{}: ok\n", file);
      for (const std::string& note : config->notes) fmt::print("{}: note: {}\n", file, note);
    } else {
      fmt::print(stderr, "{}\n", config.error().message);
      code = kExitUsage;
    }
  }
  return code;
}

}  // namespace rezolus::cli
