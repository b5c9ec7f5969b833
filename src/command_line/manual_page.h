// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Manual pages, as input for groff and mandoc (man macros).

#include <string>
#include <string_view>
#include <vector>

#include "command_line/description.h"

namespace rezolus::command_line {

struct ManualPage {
  std::string file_name;  // "rezolus-record.1"
  std::string text;
};

// The program's page and one for each command and its aliases; what stands below a command is on the
// command's page. date: "2026-11-27".
std::vector<ManualPage> manual_pages(const CommandDescription& program, std::string_view version,
                                     std::string_view date);

}  // namespace rezolus::command_line
