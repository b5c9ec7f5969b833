// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus-recording`: the companion program that reads and writes Parquet, apart from `rezolus` so
// that Arrow's memory and failures are its own.

#include <exception>
#include <new>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <malloc.h>

#include "recording/parquet/commands.h"
#include "recording/parquet/output.h"

namespace rezolus {

int fail(const Error& cause, int exit_code) {
  fmt::print(stderr, "rezolus-recording: {}\n", cause.message);
  return cause.kind == ErrorKind::kUsage ? kExitUsage : exit_code;
}

namespace {

int run(int argc, char** argv) {
  RecordingParser app;
  const auto read = app.read(std::vector<std::string>(argv + 1, argv + argc));
  if (!read) {
    return fail(usage_error("{}; see rezolus-recording --help", read.error().message).error());
  }
  if (!*read) return kExitOk;
  const RecordingToolOptions& given = app.given;
  if (app.got_subcommand("info")) return run_info(given.info);
  if (app.got_subcommand("summary")) return run_summary(given.summary);
  if (app.got_subcommand("diff")) return run_diff(given.diff);
  if (app.got_subcommand("convert")) return run_convert(given.convert);
  if (app.got_subcommand("recover")) return run_recover(given.recover);
  return run_upload(given.upload);
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
