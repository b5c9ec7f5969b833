// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Which cgroups there are. Identities are those of one hierarchy: version 2, or, where the cpu
// controller has a hierarchy of version 1, that one.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/host.h"
#include "base/result.h"
#include "samplers/cgroups/cgroup_names.h"

namespace rezolus {

struct CgroupHierarchy {
  std::string mount;        // where it is mounted, with the host's root before it
  bool version_2 = true;    // else the hierarchy of the cpu controller
  int id = 0;               // as the kernel numbers it; 0: version 2
  bool whole = false;       // mounted from its root: no namespace hides a part of it
};

// A mounted hierarchy, in the order of the mounts.
struct CgroupMount {
  std::string place;     // with the host's root before it
  bool version_2 = true;
  std::string options;   // of version 1: its controllers among them, "rw,cpu,cpuacct"
};
// Whichever there are; an error where the host does not tell its mounts.
Result<std::vector<CgroupMount>> cgroup_mounts(const Host& host);

// Where a controller's files are: its hierarchy of version 1, else that of version 2, which may lack
// the controller. An empty name asks for version 2. Nothing: not mounted.
std::optional<CgroupMount> mount_of_controller(const std::vector<CgroupMount>& mounts,
                                               std::string_view controller);

// The hierarchy that names the cgroups. Where there is none, why stands in the error.
Result<CgroupHierarchy> find_cgroup_hierarchy(const Host& host);

struct ListedCgroup {
  std::uint64_t id = 0;      // the kernel's: the inode number of its folder
  std::string path;          // from the root of the hierarchy: "/", "/a/b"; any bytes
  std::uint32_t depth = 0;   // 0: the root
  std::size_t parent = 0;    // position in the list; a parent stands before its children
  CgroupNamesRef names = nullptr;  // filled by the lister
};

// A walk over the hierarchy. Folders that vanish meanwhile are left out. Only folders that have
// folders in them are opened.
Result<std::vector<ListedCgroup>> list_cgroups(const CgroupHierarchy& hierarchy);

// A path as it stands in a label: bytes that are no UTF-8, control characters and backslashes are
// written \xNN; of more than 1,023 bytes the end is shown, after a hash of the whole.
std::string cgroup_label(std::string_view path);

// The labels of a cgroup's series: the path, and what people call it. names may be null.
Labels cgroup_series_labels(std::string_view path, const CgroupNamesRef& names);

}  // namespace rezolus
