// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the commands of `rezolus-recording` do once their options are read. Part of the program: they
// print and choose exit codes.

#include "base/result.h"
#include "recording/parquet/definitions.h"
#include "recording/parquet/exit_codes.h"

namespace rezolus {

// Prints what went wrong and returns the exit code for it: 2 where the error is one of usage.
int fail(const Error& cause, int exit_code = kExitRuntime);

int run_info(const InfoOptions& options);
int run_summary(const SummaryOptions& options);
int run_diff(const DiffOptions& options);
int run_convert(const ConvertOptions& options);
int run_recover(const RecoverOptions& options);
int run_upload(const UploadOptions& options);

}  // namespace rezolus
