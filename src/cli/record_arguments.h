// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The settings of `rezolus record` as texts, from the command line or from a file, not yet
// understood. Empty: not given.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/client.h"

namespace rezolus::cli {

struct RecordArguments {
  std::string interval;
  std::string duration;
  std::string url;
  HttpAccess access;  // to it
  std::vector<std::string> endpoints;  // URL,source=…,role=…,protocol=…,ca_file=…
  std::string output;
  std::string format;
  std::string layout;
  std::string spool;
  std::string priority;
  std::vector<std::string> samplers;
  std::vector<std::string> metrics;
  std::vector<std::string> labels;    // key=value
  std::vector<std::string> metadata;  // key=value
  std::vector<std::string> positionals;
  std::string config;  // path of a file
  bool verbose = false;
};

// Reads a file with [record]; [recorder], and upstream's [recording] with [[endpoints]], are the
// same. No conf.d: a recording is one file's.
Result<RecordArguments> read_record_config(const std::string& path);

// The same for one text; path is for messages.
Result<RecordArguments> parse_record_config(std::string_view text, const std::string& path);

// Whether a file is one of `record` rather than of the agent.
bool is_record_config(const std::string& path);

// What the command line does not say is as in the file. Labels and metadata of both are taken; the
// command line's where both have the key.
void fill_in(RecordArguments& command_line, RecordArguments file);

}  // namespace rezolus::cli
