// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/host.h"

#include <algorithm>
#include <charconv>

#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"

namespace rezolus {
namespace {

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

Result<std::uint32_t> parse_cpu_id(std::string_view text) {
  std::uint32_t id = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), id);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() ||
      id > 65535) {
    return error("'{}' is not a CPU number", text);
  }
  return id;
}

CpuTopology read_cpus(const Host& host) {
  CpuTopology cpus;
  const auto list = [&](const char* path) -> std::vector<std::uint32_t> {
    auto text = read_file(host.path(path));
    if (!text) return {};
    auto ids = parse_cpu_list(trimmed(*text));
    return ids ? *ids : std::vector<std::uint32_t>{};
  };
  cpus.online = list("sys/devices/system/cpu/online");
  const auto possible = list("sys/devices/system/cpu/possible");
  if (!possible.empty()) {
    cpus.possible_count = possible.back() + 1;
    cpus.source = "sys/devices/system/cpu/possible";
  } else {
    const long configured = ::sysconf(_SC_NPROCESSORS_CONF);
    cpus.possible_count = configured > 0 ? static_cast<std::uint32_t>(configured) : 1;
    cpus.source = "sysconf";
  }
  if (cpus.online.empty()) {
    for (std::uint32_t id = 0; id < cpus.possible_count; ++id) cpus.online.push_back(id);
  }
  return cpus;
}

std::uint64_t read_memory_total_bytes(const Host& host) {
  auto text = read_file(host.path("proc/meminfo"));
  if (!text) return 0;
  const std::size_t at = text->find("MemTotal:");
  if (at == std::string::npos) return 0;
  const std::size_t digits = text->find_first_of("0123456789", at);
  if (digits == std::string::npos) return 0;
  return std::strtoull(text->c_str() + digits, nullptr, 10) * 1024;
}

}  // namespace

Result<std::vector<std::uint32_t>> parse_cpu_list(std::string_view text) {
  std::vector<std::uint32_t> ids;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    const std::size_t dash = item.find('-');
    auto first = parse_cpu_id(item.substr(0, dash));
    auto last = dash == std::string_view::npos ? first : parse_cpu_id(item.substr(dash + 1));
    if (!first || !last || *last < *first) return error("'{}' is not a CPU list", text);
    for (std::uint32_t id = *first; id <= *last; ++id) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

Result<Host> read_host(std::string root) {
  Host host;
  if (root.empty() || root.back() != '/') root.push_back('/');
  host.root = std::move(root);
  utsname names{};
  if (::uname(&names) != 0) return error("uname failed");
  host.architecture = names.machine;
  const auto text_or = [&](const char* path, const char* fallback) {
    auto text = read_file(host.path(path));
    return text ? trimmed(*text) : std::string(fallback);
  };
  host.kernel_release = text_or("proc/sys/kernel/osrelease", names.release);
  host.hostname = text_or("proc/sys/kernel/hostname", names.nodename);
  host.cpus = read_cpus(host);
  host.memory_total_bytes = read_memory_total_bytes(host);
  const long user_hz = ::sysconf(_SC_CLK_TCK);
  if (user_hz > 0) host.user_hz = static_cast<std::uint64_t>(user_hz);
  const long page_size = ::sysconf(_SC_PAGESIZE);
  if (page_size > 0) host.page_size_bytes = static_cast<std::uint32_t>(page_size);
  return host;
}

}  // namespace rezolus
