// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What people call a cgroup: the words that Kubernetes uses for a container, from what its runtime
// keeps on disk, else the unit of systemd. Reads containerd's and runc's state below /run, that of
// CRI-O, podman and Docker; asks no socket and no server.

#include <memory>
#include <string>

#include "base/host.h"
#include "metrics/schema.h"

namespace rezolus {

struct CgroupNames {
  Labels labels;       // of every series: namespace, pod, container, image; or systemd_unit
  Labels info;         // of rezolus_cgroup_info alone: container_id, pod_uid
  bool final = false;  // false: a runtime may yet say more
  friend bool operator==(const CgroupNames&, const CgroupNames&) = default;
};
using CgroupNamesRef = std::shared_ptr<const CgroupNames>;

class CgroupNamer {
 public:
  explicit CgroupNamer(const Host& host) : root_(host.root) {}

  // path: from the root of the hierarchy, as the kernel has it.
  [[nodiscard]] CgroupNames names_of(const std::string& path) const;

 private:
  // Adds what is known of the container; false: no runtime knows it.
  bool add_container(const std::string& id, CgroupNames& names) const;
  bool add_bundle(const std::string& file, const std::string& id, CgroupNames& names) const;
  bool add_docker(const std::string& id, CgroupNames& names) const;
  bool add_runc(const std::string& id, CgroupNames& names) const;
  std::string root_;
};

}  // namespace rezolus
