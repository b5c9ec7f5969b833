// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/temporary_name.h"

#include <charconv>
#include <string_view>

#include <fmt/core.h>
#include <unistd.h>

namespace rezolus {
namespace {

constexpr std::string_view kInfix = ".tmp.";

}  // namespace

std::string temporary_name(const std::string& path) {
  return fmt::format("{}{}{}", path, kInfix, ::getpid());
}

std::optional<TemporaryName> parse_temporary_name(const std::string& name) {
  const std::size_t at = name.rfind(kInfix);
  if (at == std::string::npos) return std::nullopt;
  TemporaryName found{.target = name.substr(0, at)};
  const char* begin = name.data() + at + kInfix.size();
  const char* end = name.data() + name.size();
  const auto parsed = std::from_chars(begin, end, found.writer);
  if (parsed.ec != std::errc() || parsed.ptr != end || found.writer <= 0) return std::nullopt;
  return found;
}

}  // namespace rezolus
