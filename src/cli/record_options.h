// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What `rezolus record` was asked for, understood from its command line.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/record_arguments.h"
#include "metrics/snapshot.h"
#include "recorder/endpoint.h"
#include "recorder/projection.h"
#include "recorder/recording.h"
#include "samplers/sampling_thread.h"

namespace rezolus::cli {

struct RecordOptions {
  std::optional<std::string> url;
  HttpAccess access;                // to it, or to the agent that is found
  std::vector<Endpoint> endpoints;  // joined; empty: the url, or what open_source() finds
  std::string output = "rezolus.parquet";
  OutputFormat format = OutputFormat::kParquet;
  std::string layout = "wide";  // of Parquet
  // Where the log lies beside: the output itself, or for an object store a file of the spool.
  std::string local_output = "rezolus.parquet";
  RecordingPlan plan;
  SourceMetadata metadata;
  SeriesChoice choice;
  SchedulerConfig scheduler;  // of samplers in this process
  std::vector<std::string> command;  // empty: none
  bool verbose = false;
};

// Reads arguments (without the command's name) into options. Nothing: help was printed. Errors are
// usage errors.
Result<std::optional<RecordOptions>> read_record_options(std::span<const std::string> arguments);

// Of --format, and where that is empty, of the output's name.
OutputFormat named_format(std::string_view format, std::string_view output);

// What the texts mean. Errors are usage errors.
Result<RecordOptions> understand(RecordArguments arguments);

}  // namespace rezolus::cli
