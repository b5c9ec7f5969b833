// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus-manual FOLDER`, run by the build: writes manual pages and completion scripts as they are
// installed below share/. Their date is SOURCE_DATE_EPOCH, where it is given, so that builds can be
// repeated.

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/chrono.h>
#include <fmt/core.h>

#include "base/version.h"
#include "cli/subcommand.h"
#include "command_line/completion.h"
#include "command_line/manual_page.h"

namespace rezolus::cli {
namespace {

std::string date() {
  const char* given = std::getenv("SOURCE_DATE_EPOCH");
  const std::time_t seconds = given != nullptr ? std::atoll(given) : std::time(nullptr);
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(seconds));
}

bool write(const std::filesystem::path& path, const std::string& text) {
  std::error_code ignored;
  std::filesystem::create_directories(path.parent_path(), ignored);
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) fmt::print(stderr, "rezolus-manual: cannot write {}\n", path.string());
  return static_cast<bool>(file);
}

int write_all(const std::filesystem::path& share) {
  const command_line::CommandDescription program = describe_program();
  bool ok = true;
  for (const auto& page : command_line::manual_pages(program, kVersion, date())) {
    ok = write(share / "man/man1" / page.file_name, page.text) && ok;
  }
  // bash and fish look for a file of the program that is completed; zsh reads for which a file is.
  for (const std::string name : {"rezolus", "rezolus-recording"}) {
    ok = write(share / "bash-completion/completions" / name,
               command_line::bash_completion(program)) &&
         ok;
    ok = write(share / "fish/vendor_completions.d" / (name + ".fish"),
               command_line::fish_completion(program)) &&
         ok;
  }
  ok = write(share / "zsh/site-functions/_rezolus", command_line::zsh_completion(program)) && ok;
  return ok ? kExitOk : kExitRuntime;
}

}  // namespace
}  // namespace rezolus::cli

int main(int argc, char** argv) {
  if (argc == 2) return rezolus::cli::write_all(argv[1]);
  fmt::print(stderr, "usage: rezolus-manual FOLDER\n");
  return rezolus::cli::kExitUsage;
}
