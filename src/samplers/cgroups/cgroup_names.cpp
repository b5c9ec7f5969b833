// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cgroup_names.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "wire/utf8.h"

namespace rezolus {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kStateBytesMax = 4u << 20;
constexpr std::size_t kIdBytes = 64;
constexpr std::size_t kShortIdBytes = 12;
// What cAdvisor calls the container that holds a pod's namespaces.
constexpr const char* kSandbox = "POD";

// What containerd and CRI-O write down for each of our words.
struct Word {
  const char* label;
  std::array<const char*, 4> keys;
};
constexpr Word kWords[] = {
    {"namespace", {"io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"}},
    {"pod", {"io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"}},
    {"container",
     {"io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name"}},
    {"image",
     {"io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName", "io.kubernetes.cri-o.Image",
      "org.opencontainers.image.ref.name"}},
};

std::optional<Json> read_json(const std::string& file) {
  const auto text = read_file(file, kStateBytesMax);
  if (!text) return std::nullopt;
  Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  return json;
}

// The string at a key of an object; empty when there is none.
std::string text_at(const Json& object, const std::string& key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_string()
             ? found->get<std::string>()
             : std::string();
}

Json object_at(const Json& object, const std::string& key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : Json::object();
}

void add(Labels& labels, const char* key, const std::string& value) {
  const auto known = [&](const auto& label) { return label.first == key; };
  if (!value.empty() && std::ranges::none_of(labels, known)) {
    labels.emplace_back(key, escaped_utf8(value));
  }
}

bool has(const Labels& labels, std::string_view key) {
  return std::ranges::any_of(labels, [&](const auto& label) { return label.first == key; });
}

bool is_hex_id(std::string_view text) {
  return text.size() == kIdBytes && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

void add_words(const Json& annotations, CgroupNames& names) {
  for (const Word& word : kWords) {
    for (const char* key : word.keys) {
      if (key != nullptr) add(names.labels, word.label, text_at(annotations, key));
    }
  }
  for (const char* key :
       {"io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"}) {
    if (text_at(annotations, key) == "sandbox" && !has(names.labels, "container")) {
      add(names.labels, "container", kSandbox);
    }
  }
  for (const char* key : {"io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"}) {
    add(names.info, "pod_uid", text_at(annotations, key));
  }
}

// The id within a folder's name, as runtimes write it; empty: it is none's.
std::string container_id(std::string_view folder) {
  if (folder.ends_with(".scope")) folder.remove_suffix(std::string_view(".scope").size());
  if (folder.starts_with("crio-conmon-")) return {};  // the helper beside a container
  const std::size_t dash = folder.rfind('-');
  if (dash != std::string_view::npos && is_hex_id(folder.substr(dash + 1))) {
    folder.remove_prefix(dash + 1);
  }
  return is_hex_id(folder) ? std::string(folder) : std::string();
}

// kubepods-burstable-pod1234_56.slice, or pod1234-56.
std::string pod_uid(std::string_view folder) {
  const bool slice = folder.ends_with(".slice");
  if (slice) folder.remove_suffix(std::string_view(".slice").size());
  const std::size_t at = slice ? folder.rfind("-pod") : 0;
  if (at == std::string_view::npos) return {};
  std::string_view uid = slice ? folder.substr(at + 1) : folder;
  if (!uid.starts_with("pod") || uid.size() < 20) return {};
  std::string text(uid.substr(3));
  std::ranges::replace(text, '_', '-');
  return text;
}

bool is_unit(std::string_view folder) {
  constexpr std::string_view kEndings[] = {".service", ".scope", ".slice",
                                           ".socket",  ".mount", ".swap"};
  return std::ranges::any_of(kEndings,
                             [&](std::string_view ending) { return folder.ends_with(ending); });
}

std::vector<std::string> folders_of(const std::string& path) {
  std::vector<std::string> folders;
  std::size_t begin = 1;
  while (begin < path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    folders.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return folders;
}

}  // namespace

bool CgroupNamer::add_bundle(const std::string& file, const std::string& id,
                             CgroupNames& names) const {
  const auto config = read_json(file);
  if (!config) return false;
  add_words(object_at(*config, "annotations"), names);
  if (has(names.labels, "container")) return true;
  // Podman keeps names and images in a list of its own.
  for (const char* list : {"run/containers", "var/lib/containers"}) {
    const auto text =
        read_file(root_ + list + "/storage/overlay-containers/containers.json", kStateBytesMax);
    const Json all = text ? Json::parse(*text, nullptr, false) : Json();
    if (!all.is_array()) continue;
    for (const Json& each : all) {
      if (text_at(each, "id") != id) continue;
      const Json about = Json::parse(text_at(each, "metadata"), nullptr, false);
      add(names.labels, "container", text_at(about, "name"));
      add(names.labels, "image", text_at(about, "image-name"));
    }
  }
  return true;
}

bool CgroupNamer::add_docker(const std::string& id, CgroupNames& names) const {
  const auto state = read_json(root_ + "var/lib/docker/containers/" + id + "/config.v2.json");
  if (!state) return false;
  const Json config = object_at(*state, "Config");
  add_words(object_at(config, "Labels"), names);
  std::string name = text_at(*state, "Name");
  if (name.starts_with('/')) name.erase(0, 1);
  add(names.labels, "container", name);
  add(names.labels, "image", text_at(config, "Image"));
  return true;
}

// What runc was started with directly: its state names the bundle.
bool CgroupNamer::add_runc(const std::string& id, CgroupNames& names) const {
  const auto state = read_json(root_ + "run/runc/" + id + "/state.json");
  if (!state) return false;
  const Json config = object_at(*state, "config");
  const auto labels = config.find("labels");
  if (labels == config.end() || !labels->is_array()) return true;
  for (const Json& label : *labels) {
    const std::string text = label.is_string() ? label.get<std::string>() : std::string();
    if (!text.starts_with("bundle=/")) continue;
    const auto bundle = read_json(root_ + text.substr(8) + "/config.json");
    if (bundle) add_words(object_at(*bundle, "annotations"), names);
  }
  return true;
}

bool CgroupNamer::add_container(const std::string& id, CgroupNames& names) const {
  const std::string tasks = root_ + "run/containerd/io.containerd.runtime.v2.task/";
  bool known = false;
  for (const std::string& space : folder_names(tasks).value_or(std::vector<std::string>())) {
    known = known || add_bundle(tasks + space + "/" + id + "/config.json", id, names);
  }
  for (const char* storage : {"run/containers", "var/lib/containers"}) {
    known = known || add_bundle(root_ + storage + "/storage/overlay-containers/" + id +
                                    "/userdata/config.json",
                                id, names);
  }
  known = known || add_docker(id, names) || add_runc(id, names);
  if (!known) return false;
  add(names.labels, "container", is_hex_id(id) ? id.substr(0, kShortIdBytes) : id);
  return true;
}

CgroupNames CgroupNamer::names_of(const std::string& path) const {
  CgroupNames names;
  const std::vector<std::string> folders = folders_of(path);
  std::string id;
  for (auto folder = folders.rbegin(); folder != folders.rend() && id.empty(); ++folder) {
    id = container_id(*folder);
  }
  // Who starts a container by hand gives it any name.
  if (id.empty() && !folders.empty() && !is_unit(folders.back()) && folders.back() != "..") {
    if (add_container(folders.back(), names)) id = folders.back();
  } else if (!id.empty()) {
    names.final = add_container(id, names);
  }
  add(names.info, "container_id", id);
  for (const std::string& folder : folders) add(names.info, "pod_uid", pod_uid(folder));
  if (!names.labels.empty()) {
    names.final = true;
    return names;
  }
  for (auto folder = folders.rbegin(); folder != folders.rend() && id.empty(); ++folder) {
    if (!is_unit(*folder)) continue;
    add(names.labels, "systemd_unit", *folder);
    break;
  }
  names.final = folders.empty() || !names.labels.empty();
  return names;
}

}  // namespace rezolus
