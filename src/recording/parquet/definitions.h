// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The commands of `rezolus-recording` and their options. They need no Arrow: `rezolus` has them too,
// for completion and manual pages.

#include <string>
#include <vector>

#include "command_line/parser.h"

namespace rezolus {

struct InfoOptions {
  std::vector<std::string> files;
  bool json = false;
};

struct SummaryOptions {
  std::string file;
  std::vector<std::string> by;
  std::vector<std::string> metrics;
  bool json = false;
};

struct DiffOptions {
  std::string a;
  std::string b;
  std::vector<std::string> metrics;
  std::vector<std::string> by;
  std::string sort = "name";
  bool json = false;
};

struct ConvertOptions {
  std::vector<std::string> paths;  // the inputs, then the output
  std::string format;
  std::string layout = "wide";
  std::string interval;
  std::string from;
  std::string to;
  std::vector<std::string> metrics;
  std::vector<std::string> metadata;
};

struct RecoverOptions {
  std::string path;
  std::string output;
};

struct UploadOptions {
  std::string path;
  std::string url;
};

struct RecordingToolOptions {
  InfoOptions info;
  SummaryOptions summary;
  DiffOptions diff;
  ConvertOptions convert;
  RecoverOptions recover;
  UploadOptions upload;
};

// The program with all of its commands, one of which is required.
class RecordingParser : public command_line::Parser {
 public:
  RecordingParser();
  RecordingToolOptions given;  // once it has parsed a line
};

}  // namespace rezolus
