// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/core/core.h"

#include <array>
#include <cerrno>

#include <bpf/bpf.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/logging.h"
#include "bpf/banks.h"
#include "core.skel.h"
#include "samplers/family.h"

namespace rezolus {
namespace {

REZOLUS_EMBEDDED_OBJECT(core)

constexpr const char* kIterator = "create_task_states";

ObjectRequest core_request(const Host& host, bool task_storage) {
  ObjectRequest request;
  request.name = "core";
  request.elf = core_object();
  if (task_storage) {
    request.hooks = {"handle_fork"};
    request.manual = {kIterator};
  } else {
    request.hooks = {"handle_exit"};
  }
  request.prepare = [&host, task_storage](ObjectSettings& settings, const auto& available) {
    set_common_knobs(settings, host);
    settings.set_knob("use_task_storage", task_storage);
    settings.drop_map(task_storage ? "task_hash" : "task_storage");
    return Result<bool>(!available.empty());
  };
  return request;
}

Result<Object> load_core(const Host& host, const KernelFeatures& features, bool task_storage) {
  auto object = Object::load(core_request(host, task_storage), features);
  if (!object || object->loaded()) return object;
  const HookOutcome& hook = object->hooks().front();
  return error("per-task state is not to be had: {} is off: {}", hook.target, hook.reason);
}

// Makes the state of every task that exists already, by running the iterator once.
Result<void> create_states_of_existing_tasks(const Object& object) {
  const int program = object.program_fd(kIterator);
  const Fd link(::bpf_link_create(program, 0, BPF_TRACE_ITER, nullptr));
  if (!link.valid()) return system_error("create the task iterator", errno);
  const Fd iterator(::bpf_iter_create(link.get()));
  if (!iterator.valid()) return system_error("open the task iterator", errno);
  std::array<char, 4096> buffer{};
  while (true) {
    const ssize_t got = ::read(iterator.get(), buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return system_error("run the task iterator", errno);
    if (got == 0) return {};
  }
}

}  // namespace

void append_loss_statuses(std::string_view family, const CounterBank& bank,
                          std::vector<LossStatus>& losses) {
  constexpr std::array<const char*, LOSS_REASON_COUNT> kNames = {
      "no_task_state", "task_table_full", "request_table_full", "clock_order",
      "socket_table_full", "throttle_table_full"};
  for (std::uint32_t reason = 0; reason < LOSS_REASON_COUNT; ++reason) {
    losses.push_back({std::string(family), kNames[reason], bank.total(reason)});
  }
}

void set_common_knobs(ObjectSettings& settings, const Host& host) {
  const std::uint32_t cpus = host.cpus.possible_count;
  settings.set_map_entries("loss_counters", cpus);
  settings.set_knob("histogram_stripe_mask", histogram_stripe_count(cpus) - 1);
  settings.set_knob("device_stripe_mask", device_stripe_count(cpus) - 1);
}

Result<Core> Core::load(const KernelFeatures& features, const Host& host) {
  std::string reason;
  if (features.task_storage()) {
    auto object = load_core(host, features, true);
    if (object) {
      auto created = create_states_of_existing_tasks(*object);
      if (created) {
        Core core(std::move(*object));
        core.task_storage_ = true;
        core.create_anywhere_ = features.kernel_at_least(6, 4);
        if (auto mapped = core.map_losses(host); !mapped) return std::unexpected(mapped.error());
        return core;
      }
      reason = created.error().message;
    } else {
      reason = object.error().message;
    }
  } else {
    reason = features.pretended_missing("task_storage") ? "task storage is pretended to be missing"
                                                        : "the kernel has no task storage";
  }
  spdlog::debug("per-task state in a hash: {}", reason);
  auto object = load_core(host, features, false);
  if (!object) return std::unexpected(object.error());
  Core core(std::move(*object));
  if (auto mapped = core.map_losses(host); !mapped) return std::unexpected(mapped.error());
  return core;
}

Result<void> Core::map_losses(const Host& host) {
  auto bank = CounterBank::map(object_.map_fd("loss_counters"), host.cpus.possible_count,
                               LOSS_REASON_COUNT);
  if (!bank) return std::unexpected(bank.error());
  losses_ = std::move(*bank);
  return {};
}

void Core::append_losses(std::vector<LossStatus>& losses) const {
  if (losses_) append_loss_statuses("core", *losses_, losses);
}

Result<void> Core::share_with(ObjectSettings& settings) const {
  const std::string used = task_storage_ ? "task_storage" : "task_hash";
  settings.set_knob("use_task_storage", task_storage_);
  settings.set_knob("create_task_storage_anywhere", create_anywhere_);
  settings.drop_map(task_storage_ ? "task_hash" : "task_storage");
  return settings.share_map(used, object_.map_fd(used));
}

}  // namespace rezolus
