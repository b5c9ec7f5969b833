// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Scripts that complete a program's command lines in a shell, as text for that shell to read. They
// need nothing but the shell: no other package, and the program is not run.

#include <string>
#include <string_view>

#include "command_line/description.h"

namespace rezolus::command_line {

// Each may be put where the shell looks for it, or be read by it right away (eval, source).
std::string bash_completion(const CommandDescription& program);
std::string zsh_completion(const CommandDescription& program);
std::string fish_completion(const CommandDescription& program);

}  // namespace rezolus::command_line
