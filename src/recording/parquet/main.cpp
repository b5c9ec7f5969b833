// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus-recording`: the companion program that reads and writes Parquet, apart from `rezolus` so
// that Arrow's memory and failures are its own.

#include <array>
#include <exception>
#include <new>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <malloc.h>

#include "base/version.h"
#include "recording/parquet/commands.h"
#include "recording/parquet/output.h"

namespace rezolus {

int fail(const Error& cause, int exit_code) {
  fmt::print(stderr, "rezolus-recording: {}\n", cause.message);
  return cause.kind == ErrorKind::kUsage ? kExitUsage : exit_code;
}

namespace {

int run(int argc, char** argv) {
  CLI::App app("Look into recordings of Rezolus, compare and convert them", "rezolus recording");
  app.set_version_flag("--version", fmt::format("rezolus-recording {}", kVersion));
  app.require_subcommand(1);
  const std::array tools = {add_info(app), add_summary(app), add_diff(app), add_convert(app),
                            add_recover(app), add_upload(app)};
  app.footer("Each takes Parquet files of Rezolus (wide and long) and of the original, logs (.rezlog) and\n"
             "raw snapshots, also compressed by zstd.\n"
             "Exit codes: 0 ok, 1 failed, 2 wrong usage.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& wrong) {
    fmt::print(stderr, "rezolus-recording: {}; see rezolus-recording --help\n", wrong.what());
    return kExitUsage;
  }
  for (const Command& tool : tools) {
    if (tool.parser->parsed()) return tool.run();
  }
  return kExitUsage;
}

// Compressing a column takes some MiB for a moment. From the heap, their place would be taken by what
// stays, column by column.
constexpr int kMmapThresholdBytes = 128 << 10;

constexpr const char* kTooLittleMemory =
    "it needs more memory than this process may use; raise its limit (ulimit -d), name a folder of "
    "fewer hosts or fewer files at once, or choose metrics where there is --metrics";

}  // namespace
}  // namespace rezolus

int main(int argc, char** argv) {
  ::mallopt(M_MMAP_THRESHOLD, rezolus::kMmapThresholdBytes);
  try {
    const int exit_code = rezolus::run(argc, argv);
    rezolus::close_stores();
    return exit_code;
  } catch (const std::bad_alloc&) {
    return rezolus::fail({rezolus::kTooLittleMemory});
  } catch (const std::exception& unexpected) {
    return rezolus::fail({unexpected.what()});
  }
}
