// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus completion SHELL`: prints a script for bash, zsh or fish.

#include "command_line/completion.h"

#include <array>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "cli/subcommand.h"

namespace rezolus::cli {
namespace {

constexpr std::array<std::string_view, 3> kShells = {"bash", "zsh", "fish"};

class CompletionParser : public command_line::Parser {
 public:
  CompletionParser()
      : Parser(
            "rezolus completion", "Print a script that completes command lines in a shell",
            {.text = "The script completes commands, options, their values, names of samplers and "
                     "paths. `cmake --install` puts it where shells look for it; without that, a "
                     "shell can read it when it starts.",
             .examples = {{"eval \"$(rezolus completion bash)\"",
                           "in this bash, or for all in ~/.bashrc"},
                          {"source <(rezolus completion zsh)",
                           "in this zsh, or in ~/.zshrc after compinit"},
                          {"rezolus completion fish | source", "in this fish"},
                          {"rezolus completion fish >~/.config/fish/completions/rezolus.fish",
                           "for all"}},
             .exit_codes = {{"0", "ok"}, {"2", "wrong usage"}},
             .see_also = {"rezolus(1)"}}) {
    command_line::one_of(add_option("SHELL", shell, "bash, zsh or fish")->required(), kShells);
  }
  std::string shell;
};

}  // namespace

command_line::CommandDescription describe_completion() {
  return command_line::describe(CompletionParser());
}

int run_completion(std::span<const std::string> arguments) {
  CompletionParser parser;
  if (const auto ended = parse(parser, arguments)) return *ended;
  const command_line::CommandDescription program = describe_program();
  fmt::print("{}", parser.shell == "bash"  ? command_line::bash_completion(program)
                   : parser.shell == "zsh" ? command_line::zsh_completion(program)
                                           : command_line::fish_completion(program));
  return kExitOk;
}

}  // namespace rezolus::cli
