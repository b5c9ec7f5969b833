// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/otlp_names.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "metrics/metric.h"
#include "wire/prometheus_page.h"

namespace rezolus {
namespace {

// A metric of ours, or those of its series that have the label, means what the convention means.
struct Convention {
  std::string_view own;    // Series::name, or the family's name where it is this process's
  std::string_view key;    // of a label that the series has; empty: all series
  std::string_view value;  // that it has; empty: any
  std::string_view name;
  std::string_view unit;
  bool level = false;
};
constexpr std::array kConventions = {
    Convention{"cpu_usage", "state", "", "system.cpu.time", "s"},
    Convention{"memory_total", "", "", "system.memory.limit", "By", true},
    Convention{"memory_page_fault", "kind", "", "system.paging.faults", "{fault}"},
    Convention{"blockio_device_bytes", "op", "read", "system.disk.io", "By"},
    Convention{"blockio_device_bytes", "op", "write", "system.disk.io", "By"},
    Convention{"blockio_device_operations", "op", "read", "system.disk.operations", "{operation}"},
    Convention{"blockio_device_operations", "op", "write", "system.disk.operations", "{operation}"},
    Convention{"network_interface_bytes", "", "", "system.network.io", "By"},
    Convention{"network_interface_packets", "", "", "system.network.packet.count", "{packet}"},
    Convention{"network_interface_errors", "", "", "system.network.errors", "{error}"},
    Convention{"network_interface_drops", "", "", "system.network.packet.dropped", "{packet}"},
    Convention{"cgroup_cpu_time", "container", "", "container.cpu.time", "s"},
    Convention{"process_cpu_seconds_total", "", "", "process.cpu.time", "s"},
    Convention{"process_resident_memory_bytes", "", "", "process.memory.usage", "By", true},
};

// A label of a metric that has a convention, or of any (own is empty).
struct Attribute {
  std::string_view own;
  std::string_view key;
  std::string_view name;
};
constexpr std::array kAttributes = {
    Attribute{"cpu_usage", "state", "cpu.mode"},
    Attribute{"memory_page_fault", "kind", "system.paging.fault.type"},
    Attribute{"blockio_device_bytes", "op", "disk.io.direction"},
    Attribute{"blockio_device_operations", "op", "disk.io.direction"},
    Attribute{"network_interface_bytes", "direction", "network.io.direction"},
    Attribute{"network_interface_packets", "direction", "network.io.direction"},
    Attribute{"network_interface_errors", "direction", "network.io.direction"},
    Attribute{"network_interface_drops", "direction", "network.io.direction"},
    Attribute{"", "cpu", kOtlpCpuNumber},
    Attribute{"", "device", "system.device"},
    Attribute{"", "interface", "network.interface.name"},
    Attribute{"", "namespace", "k8s.namespace.name"},
    Attribute{"", "pod", "k8s.pod.name"},
    Attribute{"", "image", "container.image.name"},
};

std::string_view own_name(const RemoteMetadata& metadata) {
  return metadata.own_name.empty() ? metadata.family : metadata.own_name;
}

const std::string* label(const RemoteSeries& series, std::string_view key) {
  const auto found = std::ranges::find(series.labels, key, &Labels::value_type::first);
  return found == series.labels.end() ? nullptr : &found->second;
}

const Convention* convention(const RemoteSeries& series) {
  const std::string_view own = own_name(*series.metadata);
  for (const Convention& one : kConventions) {
    if (one.own != own) continue;
    if (one.key.empty()) return &one;
    const std::string* value = label(series, one.key);
    if (value != nullptr && (one.value.empty() || one.value == *value)) return &one;
  }
  return nullptr;
}

bool cut_end(std::string& text, std::string_view end) {
  if (!text.ends_with(end)) return false;
  text.resize(text.size() - end.size());
  return true;
}

// Of a family of this process, whose unit its name says: rezolus_exporter_push_oldest_seconds becomes
// rezolus.exporter_push_oldest.
OtlpName own_family(const RemoteMetadata& metadata) {
  OtlpName result{metadata.family, "", false};
  if (metadata.type == "counter") cut_end(result.name, "_total");
  if (cut_end(result.name, "_seconds")) result.unit = "s";
  if (cut_end(result.name, "_bytes")) result.unit = "By";
  const std::size_t at = result.name.find('_');
  if (at != std::string::npos) result.name[at] = '.';
  return result;
}

}  // namespace

std::string ucum_unit(std::string_view unit, bool seconds) {
  if (unit == unit_name(Unit::kNanoseconds)) return seconds ? "s" : "ns";
  if (unit == unit_name(Unit::kBytes)) return "By";
  const bool word = !unit.empty() && unit.size() <= 32 && std::ranges::all_of(unit, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  });
  if (!word) return {};
  // One thing: {packet}, not {packets}.
  if (unit.ends_with('s')) unit.remove_suffix(1);
  return "{" + std::string(unit) + "}";
}

OtlpName otlp_name(const RemoteSeries& series, OtlpNaming naming) {
  const RemoteMetadata& metadata = *series.metadata;
  if (naming == OtlpNaming::kPage) {
    OtlpName result = metadata.own_name.empty() ? own_family(metadata) : OtlpName();
    if (!metadata.own_name.empty()) result.unit = ucum_unit(metadata.stored_unit, metadata.seconds);
    result.name = metadata.family;
    return result;
  }
  if (const Convention* known = convention(series)) {
    return {std::string(known->name), std::string(known->unit), known->level};
  }
  if (metadata.own_name.empty()) return own_family(metadata);
  constexpr std::string_view kAgents = "rezolus_";  // what it measures of itself
  std::string name = prometheus_label_name(metadata.own_name);
  if (name.starts_with(kAgents)) name.replace(0, kAgents.size(), "agent_");
  return {"rezolus." + name, ucum_unit(metadata.stored_unit, metadata.seconds), false};
}

std::pair<std::string_view, std::string_view> otlp_attribute(const RemoteSeries& series,
                                                             OtlpNaming naming,
                                                             std::string_view key,
                                                             std::string_view value) {
  if (naming == OtlpNaming::kPage) return {key, value};
  const std::string_view own = own_name(*series.metadata);
  if (key == "container") {
    const bool kubernetes =
        label(series, "pod") != nullptr || label(series, "namespace") != nullptr;
    return {kubernetes ? "k8s.container.name" : "container.name", value};
  }
  for (const Attribute& one : kAttributes) {
    if (one.key != key || (!one.own.empty() && one.own != own)) continue;
    if (!one.own.empty() && convention(series) == nullptr) continue;  // its other series
    if (one.name == "cpu.mode" && value == "irq") value = "interrupt";
    return {one.name, value};
  }
  return {key, value};
}

}  // namespace rezolus
