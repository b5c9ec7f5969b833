// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The commands of `rezolus-recording`: a table of options each, and what they print. Part of the program: they print and choose exit codes.

#include <functional>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "recording/parquet/exit_codes.h"

namespace rezolus {

// Prints what went wrong and returns the exit code for it: 2 where the error is one of usage.
int fail(const Error& cause, int exit_code = kExitRuntime);

// A command as it is to be run once the line is parsed.
struct Command {
  CLI::App* parser = nullptr;
  std::function<int()> run;
};

Command add_info(CLI::App& app);
Command add_summary(CLI::App& app);
Command add_diff(CLI::App& app);
Command add_convert(CLI::App& app);
Command add_recover(CLI::App& app);
Command add_upload(CLI::App& app);

}  // namespace rezolus
