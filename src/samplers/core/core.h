// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What the BPF families share, loaded before them: the per-task state.

#include <optional>
#include <string>

#include "bpf/banks.h"
#include "bpf/object.h"
#include "samplers/status.h"

namespace rezolus {

class Core {
 public:
  // Task storage where the kernel lets tracing programs have it, else the hash.
  static Result<Core> load(const KernelFeatures& features, const Host& host);

  [[nodiscard]] bool task_storage() const { return task_storage_; }
  [[nodiscard]] const Object& object() const { return object_; }

  // Events of fork and exit whose task state could not be made.
  void append_losses(std::vector<LossStatus>& losses) const;

  // Lets a family's object that uses task state share ours.
  Result<void> share_with(ObjectSettings& settings) const;

 private:
  explicit Core(Object object) : object_(std::move(object)) {}
  Result<void> map_losses(const Host& host);
  Object object_;
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
