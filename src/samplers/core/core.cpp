// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/core/core.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <bpf/bpf.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/logging.h"
#include "bpf/banks.h"
#include "core.skel.h"
#include "samplers/cgroups/cgroup_banks.h"
#include "samplers/family.h"

namespace rezolus {
namespace {

REZOLUS_EMBEDDED_OBJECT(core)

constexpr const char* kIterator = "create_task_states";
constexpr const char* kBirthHook = "handle_cgroup_born";

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

// What one loading of the object asks for.
struct Core::Request {
  const Host* host;
  CgroupLimits limits;
  Result<CgroupHierarchy> hierarchy;
  int subsystem = -1;
  std::uint32_t table_entries = 0;
  bool births = false;  // new cgroups get their slots in the kernel

  Request(const Host& on, const CgroupLimits& wanted, const KernelFeatures& features)
      : host(&on),
        limits(wanted),
        hierarchy(find_cgroup_hierarchy(on)),
        table_entries(cgroup_table_entries(wanted.slots)) {
    limits.histogram_slots = std::min(limits.histogram_slots, limits.slots);
    if (hierarchy && !hierarchy->version_2) {
      const auto found = features.enum_value("cgroup_subsys_id", "cpu_cgrp_id");
      if (found) {
        subsystem = static_cast<int>(*found);
      } else {
        hierarchy = error("the kernel's types do not say which subsystem cpu is");
      }
    }
    births = hierarchy && hierarchy->whole && limits.include.empty() && limits.exclude.empty();
  }
};

Result<Object> Core::load_object(const Request& wanted, const KernelFeatures& features,
                                 bool task_storage) {
  ObjectRequest request;
  request.name = "core";
  request.elf = core_object();
  const std::string needed = task_storage ? "handle_fork" : "handle_exit";
  request.hooks = {needed};
  if (task_storage) request.manual = {kIterator};
  if (wanted.births) request.hooks.emplace_back(kBirthHook);
  request.prepare = [&wanted, task_storage, needed](ObjectSettings& settings,
                                                    const std::set<std::string>& available) {
    set_common_knobs(settings, *wanted.host);
    settings.set_knob("use_task_storage", task_storage);
    settings.drop_map(task_storage ? "task_hash" : "task_storage");
    settings.set_map_entries("cgroups", wanted.table_entries);
    settings.set_knob("cgroup_table_mask", wanted.table_entries - 1);
    if (available.contains(kBirthHook)) {
      settings.set_knob("cgroup_hierarchy_id", wanted.hierarchy->id);
      settings.set_knob("cgroup_depth_max", wanted.limits.depth);
    } else {
      settings.drop_map("cgroup_offers");
      settings.drop_map("cgroup_births");
    }
    return Result<bool>(available.contains(needed));
  };
  auto object = Object::load(request, features);
  if (!object || object->loaded()) return object;
  const HookOutcome& hook = object->hooks().front();
  return error("per-task state is not to be had: {} is off: {}", hook.target, hook.reason);
}

Result<Core> Core::load(const KernelFeatures& features, const Host& host,
                        const CgroupLimits& cgroup_limits) {
  const Request request(host, cgroup_limits, features);
  if (!features.task_storage()) {
    return load_with_hash(request, features,
                          features.pretended_missing("task_storage")
                              ? "task storage is pretended to be missing"
                              : "the kernel has no task storage");
  }
  auto object = load_object(request, features, true);
  if (!object) return load_with_hash(request, features, object.error().message);
  auto created = create_states_of_existing_tasks(*object);
  if (!created) return load_with_hash(request, features, created.error().message);
  Core core(std::move(*object));
  core.task_storage_ = true;
  core.create_anywhere_ = features.kernel_at_least(6, 4);
  if (auto mapped = core.map(request); !mapped) return std::unexpected(mapped.error());
  return core;
}

Result<Core> Core::load_with_hash(const Request& request, const KernelFeatures& features,
                                  const std::string& reason) {
  spdlog::debug("per-task state in a hash: {}", reason);
  auto object = load_object(request, features, false);
  if (!object) return std::unexpected(object.error());
  Core core(std::move(*object));
  if (auto mapped = core.map(request); !mapped) return std::unexpected(mapped.error());
  return core;
}

Result<void> Core::map(const Request& request) {
  cpu_count_ = request.host->cpus.possible_count;
  auto bank = CounterBank::map(object_.map_fd("loss_counters"), cpu_count_, LOSS_ROW_COUNT);
  if (!bank) return std::unexpected(bank.error());
  losses_ = std::move(*bank);
  cgroup_limits_ = request.limits;
  hierarchy_ = request.hierarchy;
  cgroup_subsystem_ = request.subsystem;
  auto table = Mapping::map(object_.map_fd("cgroups"), object_.map_entries("cgroups") * 8ul, true);
  if (!table) return context("map the table of cgroups", table.error());
  cgroup_table_ = std::move(*table);
  if (object_.map_fd("cgroup_births") < 0) return {};
  auto births =
      CgroupBirths::map(object_.map_fd("cgroup_offers"), object_.map_fd("cgroup_births"));
  if (!births) return std::unexpected(births.error());
  births_ = std::move(*births);
  return {};
}

std::span<std::uint64_t> Core::cgroup_table() {
  return {reinterpret_cast<std::uint64_t*>(cgroup_table_.data()), object_.map_entries("cgroups")};
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

Result<void> Core::share_cgroups_with(ObjectSettings& settings) const {
  const std::uint32_t stripes = cgroup_histogram_stripe_count(cpu_count_);
  settings.set_knob("cgroup_subsystem", cgroup_subsystem_);
  // The helper came in 5.11, task storage for tracing programs in 5.12.
  settings.set_knob("cgroup_current_is_typed", task_storage_);
  settings.set_knob("cgroup_table_mask", object_.map_entries("cgroups") - 1);
  settings.set_knob("cgroup_slot_count", cgroup_limits_.slots);
  settings.set_knob("cgroup_histogram_slot_count", cgroup_limits_.histogram_slots);
  settings.set_knob("cgroup_histogram_stripe_mask", stripes - 1);
  return settings.share_map("cgroups", object_.map_fd("cgroups"));
}

}  // namespace rezolus
