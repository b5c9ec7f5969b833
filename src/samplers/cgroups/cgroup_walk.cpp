// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cgroup_walk.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <sstream>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "wire/utf8.h"

namespace rezolus {
namespace {

constexpr std::size_t kLabelBytesMax = 1023;
// Of a folder without folders in it: its own name in its parent, and its ".".
constexpr nlink_t kLinksOfLeaf = 2;
// Deeper ones are counted for the ancestor at this depth: each costs a descriptor while walking.
constexpr std::uint32_t kWalkDepthMax = 256;

// The mount point may have spaces and the like as \ooo.
std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      result += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                  (text[i + 3] - '0'));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

bool has_word(const std::string& list, std::string_view word) {
  std::istringstream words(list);
  for (std::string item; std::getline(words, item, ',');) {
    if (item == word) return true;
  }
  return false;
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

// Takes the descriptor over; null when the folder has vanished.
Folder open_folder(int parent, const char* name) {
  const int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return nullptr;
  Folder folder(::fdopendir(fd));
  if (!folder) ::close(fd);
  return folder;
}

void walk(DIR* folder, std::size_t parent, std::vector<ListedCgroup>& list) {
  while (const dirent* entry = ::readdir(folder)) {
    const std::string name = entry->d_name;
    if (entry->d_type != DT_DIR || name == "." || name == "..") continue;
    struct stat found{};
    if (::fstatat(::dirfd(folder), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) continue;
    const std::size_t index = list.size();
    const std::string& above = list[parent].path;
    list.push_back({found.st_ino, (above == "/" ? "/" : above + "/") + name,
                    list[parent].depth + 1, parent, nullptr});
    if (found.st_nlink == kLinksOfLeaf || list[index].depth >= kWalkDepthMax) continue;
    if (const Folder inner = open_folder(::dirfd(folder), name.c_str())) {
      walk(inner.get(), index, list);
    }
  }
}

// The number of a version 1 hierarchy: "cpu 1 42 1" of /proc/cgroups; 0 when it is not to be had.
int hierarchy_id(const Host& host, std::string_view controller) {
  const auto text = read_file(host.path("proc/cgroups"));
  if (!text) return 0;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    int id = 0;
    if (words >> name >> id && name == controller) return id;
  }
  return 0;
}

// The root of every hierarchy has this inode number.
bool is_root(const std::string& mount) {
  struct stat found{};
  return ::stat(mount.c_str(), &found) == 0 && found.st_ino == 1;
}

}  // namespace

Result<std::vector<CgroupMount>> cgroup_mounts(const Host& host) {
  auto text = read_file(host.path("proc/self/mountinfo"));
  if (!text) return std::unexpected(text.error());
  std::vector<CgroupMount> mounts;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    // 36 35 98:0 / /mount options… - type source super-options
    std::istringstream words(line);
    std::string id, parent, device, root, mount, word, type, source, options;
    words >> id >> parent >> device >> root >> mount;
    while (words >> word && word != "-") {
    }
    words >> type >> source >> options;
    if (type != "cgroup" && type != "cgroup2") continue;
    mounts.push_back({host.path(std::string_view(unescaped(mount)).substr(1)), type == "cgroup2",
                      options});
  }
  return mounts;
}

std::optional<CgroupMount> mount_of_controller(const std::vector<CgroupMount>& mounts,
                                               std::string_view controller) {
  const auto version_1 = std::ranges::find_if(mounts, [&](const CgroupMount& mount) {
    return !controller.empty() && !mount.version_2 && has_word(mount.options, controller);
  });
  if (version_1 != mounts.end()) return *version_1;
  const auto version_2 = std::ranges::find_if(mounts, &CgroupMount::version_2);
  if (version_2 != mounts.end()) return *version_2;
  return std::nullopt;
}

Result<CgroupHierarchy> find_cgroup_hierarchy(const Host& host) {
  const auto mounts = cgroup_mounts(host);
  if (!mounts) return std::unexpected(mounts.error());
  const auto mount = mount_of_controller(*mounts, "cpu");
  if (!mount) {
    return error("no cgroup hierarchy is mounted; mount cgroup2 on /sys/fs/cgroup to have "
                 "containers told apart");
  }
  if (mount->version_2) return CgroupHierarchy{.mount = mount->place, .whole = is_root(mount->place)};
  const int number = hierarchy_id(host, "cpu");
  return CgroupHierarchy{.mount = mount->place,
                         .version_2 = false,
                         .id = number,
                         .whole = number != 0 && is_root(mount->place)};
}

Result<std::vector<ListedCgroup>> list_cgroups(const CgroupHierarchy& hierarchy) {
  const Folder root = open_folder(AT_FDCWD, hierarchy.mount.c_str());
  if (!root) return system_error("open " + hierarchy.mount, errno);
  struct stat found{};
  if (::fstat(::dirfd(root.get()), &found) != 0) {
    return system_error("look at " + hierarchy.mount, errno);
  }
  std::vector<ListedCgroup> list = {{found.st_ino, "/", 0, 0, nullptr}};
  walk(root.get(), 0, list);
  return list;
}

std::string cgroup_label(std::string_view path) {
  std::string label;
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') {
      label += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      label += c;
    }
  }
  label = escaped_utf8(label);
  if (label.size() <= kLabelBytesMax) return label;
  // FNV-1a, so that paths with the same end stay told apart from run to run.
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  const std::string start = fmt::format("{:016x}...", hash);
  std::string_view end(label);
  end.remove_prefix(label.size() - (kLabelBytesMax - start.size()));
  while (!end.empty() && (static_cast<unsigned char>(end.front()) & 0xc0) == 0x80) {
    end.remove_prefix(1);
  }
  return start + std::string(end);
}

Labels cgroup_series_labels(std::string_view path, const CgroupNamesRef& names) {
  Labels labels = {{"cgroup", cgroup_label(path)}};
  if (names) labels.insert(labels.end(), names->labels.begin(), names->labels.end());
  return labels;
}

}  // namespace rezolus
