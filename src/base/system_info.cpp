// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/system_info.h"

#include <charconv>
#include <filesystem>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

#include "base/fd.h"

namespace rezolus {
namespace {

using Json = nlohmann::ordered_json;

std::optional<std::string> read_text(const Host& host, const std::string& path) {
  auto text = read_file(host.path(path));
  if (!text) return std::nullopt;
  while (!text->empty() && (text->back() == '\n' || text->back() == ' ')) text->pop_back();
  return *text;
}

std::optional<std::int64_t> read_number(const Host& host, const std::string& path) {
  const auto text = read_text(host, path);
  std::int64_t number = 0;
  if (!text) return std::nullopt;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), number);
  if (parsed.ec != std::errc()) return std::nullopt;
  return number;
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// The first "name : value" line of /proc/cpuinfo.
std::optional<std::string> cpuinfo_field(const std::string& text, std::string_view name) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\n', at);
    const std::string_view line(text.data() + at,
                                (end == std::string::npos ? text.size() : end) - at);
    const std::size_t colon = line.find(':');
    if (line.starts_with(name) && colon != std::string_view::npos &&
        line.find_first_not_of(" \t", name.size()) == colon) {
      const std::size_t value = line.find_first_not_of(" \t", colon + 1);
      if (value != std::string_view::npos) return std::string(line.substr(value));
    }
    if (end == std::string::npos) break;
    at = end + 1;
  }
  return std::nullopt;
}

std::vector<std::string> entries(const Host& host, const std::string& path) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(host.path(path), ignored)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The NUMA node of a CPU: its folder holds a link nodeN.
std::optional<std::int64_t> node_of_cpu(const Host& host, const std::string& folder) {
  for (const std::string& name : entries(host, folder)) {
    std::int64_t node = 0;
    const char* end = name.data() + name.size();
    if (name.starts_with("node") && name.size() > 4 &&
        std::from_chars(name.data() + 4, end, node).ptr == end) {
      return node;
    }
  }
  return std::nullopt;
}

void add_topology(const Host& host, Json& info) {
  std::set<std::pair<std::int64_t, std::int64_t>> cores;
  std::set<std::int64_t> packages;
  Json topology = Json::array();
  for (const std::uint32_t cpu : host.cpus.online) {
    const std::string folder = fmt::format("sys/devices/system/cpu/cpu{}", cpu);
    const auto core = read_number(host, folder + "/topology/core_id");
    const auto package = read_number(host, folder + "/topology/physical_package_id");
    const auto die = read_number(host, folder + "/topology/die_id");
    if (!core || !package) continue;
    cores.emplace(*package, *core);
    packages.insert(*package);
    topology.push_back({{"cpu", cpu},
                        {"core", *core},
                        {"die", die.value_or(*package)},
                        {"package", *package},
                        {"numa_node", or_null(node_of_cpu(host, folder))}});
  }
  info["cores"] = cores.empty() ? Json(nullptr) : Json(cores.size());
  info["packages"] = packages.empty() ? Json(nullptr) : Json(packages.size());
  info["cpu_topology"] = std::move(topology);
}

// One entry for each kind of cache, with the groups of CPUs that share one.
Json caches(const Host& host) {
  Json list = Json::array();
  for (int index = 0; index < 4; ++index) {
    Json shared = Json::array();
    std::set<std::string> seen;
    std::string level;
    std::optional<std::string> size;
    for (const std::uint32_t cpu : host.cpus.online) {
      const std::string folder =
          fmt::format("sys/devices/system/cpu/cpu{}/cache/index{}", cpu, index);
      const auto number = read_text(host, folder + "/level");
      const auto type = read_text(host, folder + "/type");
      const auto cpu_list = read_text(host, folder + "/shared_cpu_list");
      if (!number || !type || !cpu_list) continue;
      level = "L" + *number + (*type == "Data" ? "d" : *type == "Instruction" ? "i" : "");
      if (!size) size = read_text(host, folder + "/size");
      if (!seen.insert(*cpu_list).second) continue;
      if (auto ids = parse_cpu_list(*cpu_list)) shared.push_back(*ids);
    }
    if (level.empty()) continue;
    const std::size_t instances = shared.size();
    list.push_back({{"level", level},
                    {"size", or_null(size)},
                    {"instances", instances},
                    {"shared_cpus", std::move(shared)}});
  }
  return list;
}

Json network_interfaces(const Host& host) {
  Json list = Json::array();
  for (const std::string& name : entries(host, "sys/class/net")) {
    const std::string folder = "sys/class/net/" + name;
    if (name == "lo" || read_text(host, folder + "/operstate") != "up") continue;
    auto speed = read_number(host, folder + "/speed");
    if (speed && *speed < 0) speed.reset();
    auto node = read_number(host, folder + "/device/numa_node");
    if (node && *node < 0) node.reset();
    std::error_code failed;
    const auto driver =
        std::filesystem::read_symlink(host.path(folder + "/device/driver"), failed);
    list.push_back({{"name", name},
                    {"speed", or_null(speed)},
                    {"numa_node", or_null(node)},
                    {"driver", failed ? Json(nullptr) : Json(driver.filename().string())}});
  }
  return list;
}

}  // namespace

std::string system_info_json(const Host& host) {
  const std::string cpuinfo = read_text(host, "proc/cpuinfo").value_or("");
  const auto smt = read_number(host, "sys/devices/system/cpu/smt/active");
  Json info;
  info["os"] = "linux";
  info["kernel"] = read_text(host, "proc/version").value_or(host.kernel_release);
  info["arch"] = host.architecture;
  info["hostname"] = host.hostname;
  info["cpu_model"] = or_null(cpuinfo_field(cpuinfo, "model name"));
  info["cpu_vendor"] = or_null(cpuinfo_field(cpuinfo, "vendor_id"));
  info["cpus"] = host.cpus.online.size();
  add_topology(host, info);
  info["smt"] = smt ? Json(*smt == 1) : Json(nullptr);
  info["memory_total_bytes"] =
      host.memory_total_bytes == 0 ? Json(nullptr) : Json(host.memory_total_bytes);
  const auto nodes = read_text(host, "sys/devices/system/node/online");
  const auto node_ids = nodes ? parse_cpu_list(*nodes) : Result<std::vector<std::uint32_t>>{};
  info["numa_nodes"] = nodes && node_ids ? Json(node_ids->size()) : Json(nullptr);
  info["caches"] = caches(host);
  info["nics"] = network_interfaces(host);
  info["gpus"] = Json::array();
  // Texts of sysfs may hold any bytes; JSON must not.
  return info.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace rezolus
