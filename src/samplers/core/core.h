// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the BPF families share, loaded before them: the per-task state.

#include <memory>
#include <optional>
#include <string>

#include "bpf/banks.h"
#include "bpf/object.h"
#include "samplers/cgroups/cgroup_births.h"
#include "samplers/cgroups/cgroup_slots.h"
#include "samplers/status.h"

namespace rezolus {

class Core {
 public:
  // Task storage where the kernel lets tracing programs have it, else the hash.
  static Result<Core> load(const KernelFeatures& features, const Host& host,
                           const CgroupLimits& cgroup_limits);

  [[nodiscard]] bool task_storage() const { return task_storage_; }
  [[nodiscard]] const Object& object() const { return object_; }

  // Events of fork and exit whose task state could not be made.
  void append_losses(std::vector<LossStatus>& losses) const;

  // Which cgroups tasks belong to. Where there are none, all are CGROUP_OTHER.
  [[nodiscard]] const Result<CgroupHierarchy>& cgroup_hierarchy() const { return hierarchy_; }
  [[nodiscard]] const CgroupLimits& cgroup_limits() const { return cgroup_limits_; }
  // The table of cgroups, for CgroupSlots to write; lives as long as we do.
  [[nodiscard]] std::span<std::uint64_t> cgroup_table();
  // Null where a new cgroup gets its slot from a walk: without the tracepoint cgroup_mkdir, in a
  // namespace of cgroups, and where [cgroups] include or exclude have to be asked.
  [[nodiscard]] CgroupBirths* cgroup_births() { return births_.get(); }

  // Lets a family's object that uses task state share ours.
  Result<void> share_with(ObjectSettings& settings) const;
  // The same for one that tells cgroups apart.
  Result<void> share_cgroups_with(ObjectSettings& settings) const;

 private:
  explicit Core(Object object) : object_(std::move(object)) {}
  struct Request;
  static Result<Object> load_object(const Request& request, const KernelFeatures& features,
                                    bool task_storage);
  static Result<Core> load_with_hash(const Request& request, const KernelFeatures& features,
                                     const std::string& reason);
  Result<void> map(const Request& request);
  Object object_;
  Result<CgroupHierarchy> hierarchy_ = CgroupHierarchy{};
  CgroupLimits cgroup_limits_;
  std::uint32_t cpu_count_ = 1;
  int cgroup_subsystem_ = -1;  // −1: version 2
  Mapping cgroup_table_;
  std::unique_ptr<CgroupBirths> births_;
  std::optional<CounterBank> losses_;
  bool task_storage_ = false;
  bool create_anywhere_ = false;  // task storage may be created on the scheduler's paths
};

// The counts of one object's bank of losses, by reason.
void append_loss_statuses(std::string_view family, const CounterBank& bank,
                          std::vector<LossStatus>& losses);

// What every object needs to be told: CPUs, stripes.
void set_common_knobs(ObjectSettings& settings, const Host& host);

}  // namespace rezolus
