// SPDX-License-Identifier: Apache-2.0 OR MIT
// What one container on all CPUs costs: every CPU adds to the same cgroup's counter and histogram at
// the same time. Beside it, in the same run, each CPU adds to a cgroup of its own, and all CPUs add to
// one that has no stripes. The programs are run by the kernel's test runs, so that nothing but the add
// is between two of them.

#include <algorithm>
#include <array>
#include <barrier>
#include <cerrno>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <sched.h>

#include "base/host.h"
#include "bpf/object.h"
#include "measure.h"
#include "samplers/cgroups/cgroup_banks.h"
#include "samplers/device_slots.h"
#include "slot_contention.h"
#include "slot_contention.skel.h"

namespace rezolus::bench {
namespace {

REZOLUS_EMBEDDED_OBJECT(slot_contention)

constexpr std::array kPrograms = {"add_nothing", "add_to_counter", "add_to_histogram"};

struct Layout {
  const char* name;
  bool own_slots;
  bool striped;
};
constexpr std::array kLayouts = {
    Layout{"each CPU in a slot of its own", true, true},
    Layout{"all CPUs in one slot", false, true},
    Layout{"all CPUs in one slot without stripes", false, false},
};

Result<Object> load(const Host& host, const Layout& layout) {
  const std::uint32_t cpus = host.cpus.possible_count;
  const std::uint32_t slots = cpus + 1;
  const std::uint32_t counter_stripes = layout.striped ? device_stripe_count(cpus) : 1;
  const std::uint32_t histogram_stripes = layout.striped ? cgroup_histogram_stripe_count(cpus) : 1;
  ObjectRequest request;
  request.name = "slot_contention";
  request.elf = slot_contention_object();
  request.manual.assign(kPrograms.begin(), kPrograms.end());
  request.prepare = [&](ObjectSettings& settings, const auto&) {
    settings.set_knob("own_slots", layout.own_slots);
    settings.set_knob("cgroup_slot_count", slots);
    settings.set_knob("cgroup_histogram_slot_count", slots);
    settings.set_knob("device_stripe_mask", counter_stripes - 1);
    settings.set_knob("cgroup_histogram_stripe_mask", histogram_stripes - 1);
    settings.set_map_entries("event_cgroup_counters", slots * counter_stripes);
    settings.set_map_entries("event_cgroup_histograms", slots * histogram_stripes);
    return Result<bool>(true);
  };
  return Object::load(request, KernelFeatures::probe(host, std::nullopt, {}));
}

// CPU nanoseconds of one run, of many by the calling thread; negative: the kernel refused.
double run_ns(int program, int repeat) {
  std::array<char, 64> packet{};
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = packet.data();
  options.data_size_in = packet.size();
  options.repeat = repeat;
  const std::uint64_t begin_ns = thread_cpu_ns();
  if (::bpf_prog_test_run_opts(program, &options) != 0) return -errno;
  return static_cast<double>(thread_cpu_ns() - begin_ns) / repeat;
}

// The mean of what it takes on each CPU while all of them do it. In front of other work for that
// long, so that none of them runs alone.
Result<double> run_on_all_ns(const std::vector<int>& cpus, int program, int repeat) {
  std::vector<double> each(cpus.size());
  std::barrier together(static_cast<std::ptrdiff_t>(cpus.size()));
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < cpus.size(); ++i) {
      threads.emplace_back([&, i] {
        const sched_param priority{.sched_priority = 1};
        pin_to_cpu(cpus[i]);
        ::sched_setscheduler(0, SCHED_FIFO, &priority);
        together.arrive_and_wait();
        each[i] = run_ns(program, repeat);
      });
    }
  }
  double sum = 0;
  for (const double ns : each) {
    if (ns < 0) return system_error("run a BPF program", static_cast<int>(-ns));
    sum += ns;
  }
  return sum / static_cast<double>(each.size());
}

Result<void> run(const Host& host, const std::vector<int>& cpus) {
  const int rounds = once() ? 1 : 31;
  const int repeat = once() ? 1000 : 100'000;
  std::vector<Object> objects;
  for (const Layout& layout : kLayouts) {
    auto object = load(host, layout);
    if (!object) return std::unexpected(object.error());
    objects.push_back(std::move(*object));
  }
  // By layout and program, one figure a round.
  std::array<std::array<std::vector<double>, kPrograms.size()>, kLayouts.size()> figures;
  std::vector<std::size_t> order(kLayouts.size() * kPrograms.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::mt19937 random(20260101);
  for (int round = 0; round < rounds; ++round) {
    std::ranges::shuffle(order, random);
    for (const std::size_t i : order) {
      const std::size_t layout = i / kPrograms.size();
      const std::size_t program = i % kPrograms.size();
      const auto ns = run_on_all_ns(cpus, objects[layout].program_fd(kPrograms[program]), repeat);
      if (!ns) return std::unexpected(ns.error());
      figures[layout][program].push_back(*ns);
    }
  }
  for (std::size_t program = 1; program < kPrograms.size(); ++program) {
    fmt::print("\n{}: medians of {} rounds\n  {:38} {:>12} {:>20}\n", kPrograms[program], rounds,
               "", "ns an event", "over a slot of each");
    double own_ns = 0;
    for (std::size_t layout = 0; layout < kLayouts.size(); ++layout) {
      const double median_ns = median(figures[layout][program]) - median(figures[layout][0]);
      const double event_ns = median_ns / EVENTS_PER_RUN;
      if (layout == 0) own_ns = event_ns;
      fmt::print("  {:38} {:12.1f} {:20.2f}\n", kLayouts[layout].name, event_ns, event_ns / own_ns);
    }
  }
  return {};
}

}  // namespace
}  // namespace rezolus::bench

int main() {
  using namespace rezolus;
  if (!bench::is_root("slot_contention")) return bench::kExitNeedsRoot;
  auto host = read_host();
  if (!host) {
    fmt::print(stderr, "slot_contention: {}\n", host.error().message);
    return 1;
  }
  const std::vector<int> cpus = bench::allowed_cpus();
  fmt::print("slot_contention: kernel {}, {} CPUs that all add at the same time{}\n",
             host->kernel_release, cpus.size(),
             bench::once() ? ", one short iteration: the figures are noise" : "");
  fmt::print("Counters by cgroup have {} stripes here, histograms {}.\n",
             device_stripe_count(host->cpus.possible_count),
             cgroup_histogram_stripe_count(host->cpus.possible_count));
  if (auto done = bench::run(*host, cpus); !done) {
    fmt::print(stderr, "slot_contention: {}\n", done.error().message);
    return 1;
  }
  return 0;
}
