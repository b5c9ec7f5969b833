// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/interrupt/lines.h"

#include <charconv>
#include <set>
#include <string>

#include "base/fd.h"

namespace rezolus {
namespace {

// On a host with many queues the lines are thousands; reading each costs some 10 us.
constexpr std::size_t kLinesRead = 1024;

std::set<std::uint32_t> line_numbers(const std::vector<std::string>& names) {
  std::set<std::uint32_t> numbers;
  for (const std::string& name : names) {
    std::uint32_t number = 0;
    const auto [rest, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc{} && rest == name.data() + name.size()) numbers.insert(number);
    if (numbers.size() >= kLinesRead) break;
  }
  return numbers;
}

}  // namespace

Result<std::vector<Device>> list_interrupt_lines(const Host& host) {
  const std::string folder = host.path("sys/kernel/irq");
  const auto names = folder_names(folder);
  if (!names) return std::unexpected(names.error());
  std::vector<Device> lines;
  for (const std::uint32_t number : line_numbers(*names)) {
    const std::string text = std::to_string(number);
    auto actions = read_file(folder + "/" + text + "/actions", 4096);
    if (!actions) continue;
    while (actions->ends_with('\n')) actions->pop_back();
    if (actions->empty()) continue;
    lines.push_back({.key = number, .labels = {{"irq", text}, {"name", std::move(*actions)}}});
  }
  return lines;
}

}  // namespace rezolus
