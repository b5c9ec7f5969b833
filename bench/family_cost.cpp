// SPDX-License-Identifier: Apache-2.0 OR MIT
// What each program of each family costs an event, by the kernel's own statistics, beside an empty
// program that is attached to the same hook at the same time. The statistics' clock reads are in
// both figures, so that their difference is what the program adds to an empty one.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>

#include "base/host.h"
#include "bpf/object.h"
#include "empty.skel.h"
#include "measure.h"
#include "mixed_workload.h"
#include "program_cost.h"
#include "samplers/collector.h"
#include "samplers/list.h"
#include "samplers/syscall/syscall.h"

namespace rezolus::bench {
namespace {

REZOLUS_EMBEDDED_OBJECT(empty)

struct Runs {
  std::uint64_t count = 0;
  std::uint64_t time_ns = 0;
  [[nodiscard]] double each_ns() const {
    return count == 0 ? 0.0 : static_cast<double>(time_ns) / static_cast<double>(count);
  }
};

Runs runs_of(int program_fd) {
  bpf_prog_info info{};
  std::uint32_t size_bytes = sizeof info;
  if (program_fd < 0 || ::bpf_obj_get_info_by_fd(program_fd, &info, &size_bytes) != 0) return {};
  return {info.run_cnt, info.run_time_ns};
}

// Whether empty.bpf.c has a program for the tracepoint.
bool has_empty(const std::string& target) {
  struct Close {
    void operator()(bpf_object* object) const { ::bpf_object__close(object); }
  };
  static const std::unique_ptr<bpf_object, Close> object(
      ::bpf_object__open_mem(empty_object().data(), empty_object().size(), nullptr));
  const std::string name = "empty_" + target + "__btf";
  return ::bpf_object__find_program_by_name(object.get(), name.c_str()) != nullptr;
}

// Programs that do nothing on the given tracepoints; those that we have none for are left out.
Result<Object> attach_empty(const Host& host, const std::set<std::string>& targets) {
  const KernelFeatures features = KernelFeatures::probe(host, std::nullopt, {});
  ObjectRequest request;
  request.name = "empty";
  request.elf = empty_object();
  for (const std::string& target : targets) {
    if (has_empty(target)) request.hooks.push_back("empty_" + target);
  }
  request.prepare = [](ObjectSettings&, const auto& available) {
    return Result<bool>(!available.empty());
  };
  return Object::load(request, features);
}

// Names of programs are cut at 15 characters by the kernel.
std::string kernel_name(const ProgramStatus& hook) {
  const std::string suffix = hook.attached_as == "tp_btf" ? "__btf" : "__" + hook.attached_as;
  return (hook.name + suffix).substr(0, 15);
}

Result<std::unique_ptr<Collector>> attach_family(const Host& host, const Family& family,
                                                 const CgroupLimits& cgroups) {
  CollectorConfig config;
  config.cgroups = cgroups;
  config.samplers_enabled = false;
  for (const BpfSampler* sampler : family.samplers) {
    config.sampler_enabled[std::string(sampler->name)] = true;
  }
  return Collector::create(host, config);
}

// The hooks of a family that are attached, by the name of the tracepoint or function.
std::map<std::string, ProgramStatus> attached_hooks(const Collector& collector,
                                                    const Family& family) {
  std::map<std::string, ProgramStatus> hooks;
  for (const SamplerStatus& sampler : collector.status().samplers) {
    if (sampler.family != family.name) continue;
    for (const ProgramStatus& program : sampler.programs) {
      if (program.attached) hooks[program.target] = program;
    }
  }
  return hooks;
}

Result<void> print_family(const Host& host, const Family& family, const CgroupLimits& cgroups) {
  const std::set<std::uint32_t> before = loaded_programs();
  auto collector = attach_family(host, family, cgroups);
  if (!collector) return std::unexpected(collector.error());
  const auto hooks = attached_hooks(**collector, family);
  std::map<std::string, std::uint32_t> ids;
  for (const ProgramCost& program : programs_loaded_since(before)) ids[program.name] = program.id;
  std::set<std::string> tracepoints;
  for (const auto& [target, hook] : hooks) {
    if (hook.attached_as == "tp_btf" || hook.attached_as == "raw_tp") tracepoints.insert(target);
  }
  auto empty = attach_empty(host, tracepoints);
  if (!empty) return std::unexpected(empty.error());

  const Fd statistics = enable_statistics();
  if (!statistics.valid()) return error("the kernel keeps no statistics of BPF programs");
  run_mixed_workload();

  fmt::print("\n{}{}\n  {:28} {:>10} {:>10} {:>10} {:>10} {:>8}\n", family.name,
             cgroups.syscall_latency_by_class ? ", latency of cgroups by class" : "", "hook",
             "runs", "ns a run", "empty ns", "added ns", "ratio");
  for (const auto& [target, hook] : hooks) {
    const auto id = ids.find(kernel_name(hook));
    if (id == ids.end()) return error("program {} of {} is not to be found", hook.name, target);
    const Fd program(::bpf_prog_get_fd_by_id(id->second));
    const Runs ours = runs_of(program.get());
    const Runs floor = has_empty(target) && empty->loaded()
                           ? runs_of(empty->program_fd(fmt::format("empty_{}__btf", target).c_str()))
                           : Runs{};
    if (floor.count == 0 || ours.count == 0) {
      fmt::print("  {:28} {:10} {:10.1f} {:>10}\n", target, ours.count, ours.each_ns(), "-");
      continue;
    }
    fmt::print("  {:28} {:10} {:10.1f} {:10.1f} {:10.1f} {:8.2f}\n", target, ours.count,
               ours.each_ns(), floor.each_ns(), ours.each_ns() - floor.each_ns(),
               ours.each_ns() / floor.each_ns());
  }
  for (const SamplerStatus& sampler : (*collector)->status().samplers) {
    if (sampler.family != family.name || sampler.state == SamplerState::kActive) continue;
    fmt::print("  {} does not run here: {}\n", sampler.name, sampler.reason);
  }
  return {};
}

}  // namespace
}  // namespace rezolus::bench

int main() {
  using namespace rezolus;
  if (!bench::is_root("family_cost")) return bench::kExitNeedsRoot;
  auto host = read_host();
  if (!host) {
    fmt::print(stderr, "family_cost: {}\n", host.error().message);
    return 1;
  }
  bench::pin_to_cpu(bench::last_allowed_cpu());
  fmt::print("family_cost: kernel {}, {} CPUs{}\nEvery family alone, all of its samplers on, under "
             "the same mixed load; ns as the kernel's\nstatistics have them, their own clock reads "
             "included.\n",
             host->kernel_release, host->cpus.possible_count,
             bench::once() ? ", one short iteration: the figures are noise" : "");
  const auto print = [&](const Family& family, const CgroupLimits& cgroups) {
    auto done = bench::print_family(*host, family, cgroups);
    if (!done) fmt::print(stderr, "family_cost: {}: {}\n", family.name, done.error().message);
    return done.has_value();
  };
  for (const Family* family : families()) {
    if (!print(*family, {})) return 1;
  }
  if (!print(kSyscallFamily, {.syscall_latency_by_class = true})) return 1;
  return 0;
}
