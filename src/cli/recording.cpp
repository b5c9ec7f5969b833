// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus recording`: runs the companion program, which has the tools for recordings and alone links
// Apache Arrow, in this process's place.

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <unistd.h>

#include "cli/subcommand.h"
#include "recorder/converter.h"
#include "recording/parquet/definitions.h"

namespace rezolus::cli {

command_line::CommandDescription describe_recording_tools() {
  return command_line::describe(RecordingParser());
}

int run_recording_tools(std::span<const std::string> arguments) {
  const auto companion = find_converter();
  if (!companion) {
    fmt::print(stderr, "rezolus recording: {}\n", companion.error().message);
    return kExitRuntime;
  }
  std::vector<std::string> texts = {*companion};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  if (texts.size() == 1) texts.emplace_back("--help");
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  ::execv(companion->c_str(), pointers.data());
  fmt::print(stderr, "rezolus recording: run {}: {}\n", *companion, std::strerror(errno));
  return kExitRuntime;
}

}  // namespace rezolus::cli
