// SPDX-License-Identifier: Apache-2.0 OR MIT
// What a snapshot costs the agent: reading every bank, encoding it in every form, the kernel memory
// of the maps and the memory of the process. On this host under load, and on simulated hosts with
// up to 256 CPUs: their banks are real maps with a row or stripe for each of those CPUs, which this
// program fills in place of the CPUs that are not there. Each host is measured by a child process,
// so that their memory does not mix.

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/process_memory.h"
#include "base/fd.h"
#include "base/host.h"
#include "bpf/bank.h"
#include "host_load.h"
#include "measure.h"
#include "recording/frame/frame.h"
#include "samplers/collector.h"
#include "wire/json.h"
#include "wire/msgpack.h"
#include "wire/prometheus.h"

namespace rezolus::bench {
namespace {

constexpr double kMib = 1024.0 * 1024.0;

std::set<std::uint32_t> loaded_maps() {
  std::set<std::uint32_t> ids;
  std::uint32_t id = 0;
  while (::bpf_map_get_next_id(id, &id) == 0) ids.insert(id);
  return ids;
}

// Stands in for the CPUs of a simulated host: adds to every histogram of every stripe, as their
// programs would.
class SimulatedCpus {
 public:
  explicit SimulatedCpus(const std::set<std::uint32_t>& before) {
    for (const std::uint32_t id : loaded_maps()) {
      if (before.contains(id)) continue;
      const Fd map(::bpf_map_get_fd_by_id(id));
      bpf_map_info info{};
      std::uint32_t size_bytes = sizeof(info);
      if (!map.valid() || ::bpf_obj_get_info_by_fd(map.get(), &info, &size_bytes) != 0) continue;
      const bool histograms = info.type == BPF_MAP_TYPE_ARRAY &&
                              (info.map_flags & BPF_F_MMAPABLE) != 0 &&
                              info.value_size == sizeof(histogram_cell);
      if (!histograms) continue;
      auto bank = Mapping::map(map.get(), std::size_t{info.max_entries} * info.value_size, true);
      if (bank) banks_.push_back(std::move(*bank));
    }
  }

  // Touches kLines lines of every histogram in every stripe, elsewhere with every call.
  void add() {
    constexpr std::uint32_t kLines = 4;
    ++calls_;
    for (const Mapping& bank : banks_) {
      auto* cells = reinterpret_cast<histogram_cell*>(bank.data());
      for (std::size_t i = 0; i < bank.size_bytes() / sizeof(histogram_cell); ++i) {
        for (std::uint32_t line = 0; line < kLines; ++line) {
          const std::size_t bucket = 64 + (calls_ + i) % 8 * 8 + line * HISTOGRAM_BUCKETS_PER_LINE;
          __atomic_fetch_add(&cells[i].sum, 1000, __ATOMIC_RELAXED);
          __atomic_fetch_add(&cells[i].buckets[bucket], 1, __ATOMIC_RELAXED);
          cells[i].dirty[bucket / HISTOGRAM_BUCKETS_PER_LINE] = 1;
        }
      }
    }
  }

 private:
  std::vector<Mapping> banks_;
  std::size_t calls_ = 0;
};

struct Form {
  std::string name;
  std::function<std::string(const Snapshot&)> encode;
  std::vector<double> cpu_us = {};
  std::size_t size_bytes = 0;
};

std::vector<Form> forms() {
  const SourceMetadata metadata = {{"source", "rezolus"}, {"version", "0"}};
  auto frame = std::make_shared<FrameEncoder>(metadata);
  auto msgpack = std::make_shared<MsgpackEncoder>();
  auto prometheus = std::make_shared<PrometheusEncoder>();
  std::vector<Form> list;
  list.push_back({"frame", [frame](const Snapshot& snapshot) {
                    std::string out;
                    const auto encoded = frame->encode(snapshot, out);
                    CHECK(encoded.has_value(), "frame");
                    return out;
                  }});
  list.push_back({"MessagePack V2", [msgpack, metadata](const Snapshot& snapshot) {
                    return msgpack->encode_v2(snapshot, metadata);
                  }});
  list.push_back({"JSON", [metadata](const Snapshot& snapshot) {
                    return encode_json(snapshot, metadata);
                  }});
  list.push_back({"Prometheus, lean", [prometheus](const Snapshot& snapshot) {
                    return prometheus->encode(snapshot, {});
                  }});
  list.push_back({"Prometheus, full", [prometheus](const Snapshot& snapshot) {
                    return prometheus->encode(snapshot, {.full = true});
                  }});
  return list;
}

double timed_us(const std::function<void()>& work) {
  const std::uint64_t begin_ns = thread_cpu_ns();
  work();
  return static_cast<double>(thread_cpu_ns() - begin_ns) / 1000;
}

// Lines of a page that carry a value.
std::size_t series_of_page(std::string_view page) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < page.size();) {
    if (page[at] != '#') ++count;
    const std::size_t end = page.find('\n', at);
    at = end == std::string_view::npos ? page.size() : end + 1;
  }
  return count;
}

struct Ticks {
  std::string name;
  int count;
  std::uint64_t interval_ns;
};

// One run of ticks: CPU of collect and of every form.
struct Costs {
  std::vector<double> collect_us;
  std::vector<Form> forms;
};

Costs run_ticks(Collector& collector, SimulatedCpus* cpus, const Ticks& ticks) {
  Costs costs{{}, forms()};
  // The first tick carries the schema and allocates.
  for (int tick = -1; tick < ticks.count; ++tick) {
    if (ticks.interval_ns != 0) sleep_until_monotonic(monotonic_ns() + ticks.interval_ns);
    if (cpus != nullptr) cpus->add();
    SnapshotRef snapshot;
    const double collect_us = timed_us([&] { snapshot = collector.collect(); });
    if (tick >= 0) costs.collect_us.push_back(collect_us);
    for (Form& form : costs.forms) {
      std::string bytes;
      const double encode_us = timed_us([&] { bytes = form.encode(*snapshot); });
      if (tick >= 0) form.cpu_us.push_back(encode_us);
      form.size_bytes = bytes.size();
    }
  }
  return costs;
}

// collect and frame, microseconds.
double print_costs(const Ticks& ticks, const Costs& costs) {
  const double collect_us = median(costs.collect_us);
  fmt::print("  {}: medians of {} snapshots, CPU of the calling thread\n", ticks.name, ticks.count);
  fmt::print("    {:24} {:9.1f} us\n", "collect", collect_us);
  for (const Form& form : costs.forms) {
    fmt::print("    {:24} {:9.1f} us {:9} bytes\n", form.name, median(form.cpu_us),
               form.size_bytes);
  }
  return collect_us + median(costs.forms.front().cpu_us);
}

std::uint64_t map_memory_bytes(const CollectorStatus& status) {
  std::uint64_t sum = 0;
  for (const MapStatus& map : status.maps) sum += map.size_bytes;
  return sum;
}

Result<void> measure_host(Host host, bool banks_only) {
  const bool simulated = host.cpus.possible_count != read_host()->cpus.possible_count;
  const std::set<std::uint32_t> before = loaded_maps();
  CollectorConfig config;
  if (banks_only) {
    for (const char* name : {"cpu_usage", "memory_meminfo", "rezolus_rusage"}) {
      config.sampler_enabled[name] = false;
    }
  }
  auto collector = Collector::create(host, config);
  if (!collector) return std::unexpected(collector.error());
  const SnapshotRef first = (*collector)->collect();
  fmt::print("\n{} host, {} possible CPUs, {}: {} series, of them {} histograms\n",
             simulated ? "simulated" : "this", host.cpus.possible_count,
             banks_only ? "banks only" : "all sources", first->schema->series.size(),
             first->schema->histogram_count);
  const HostLoad load;
  const std::uint64_t second_ns = kNsPerSecond;
  std::vector<Ticks> runs = {{"every 10 ms under load", 200, second_ns / 100},
                             {"every 500 ms under load", 12, second_ns / 2}};
  if (once()) runs = {{"every 10 ms under load", 3, second_ns / 100}};
  double reported_us = 0;
  for (const Ticks& ticks : runs) {
    reported_us = std::max(reported_us,
                           print_costs(ticks, run_ticks(**collector, nullptr, ticks)));
    if (simulated) break;
  }
  if (simulated) {
    SimulatedCpus cpus(before);
    const Ticks busy{"all CPUs add to all histograms", once() ? 3 : 100, second_ns / 100};
    reported_us = print_costs(busy, run_ticks(**collector, &cpus, busy));
  }
  if (banks_only && !simulated) print_target("collect and frame", 150, reported_us, " us");

  const std::string page = PrometheusEncoder().encode(*(*collector)->collect(), {});
  const std::size_t page_series = series_of_page(page);
  if (host.cpus.possible_count == 64) {
    print_target("series of the lean page", 1500, static_cast<double>(page_series), "");
  } else {
    fmt::print("  series of the lean page: {}\n", page_series);
  }
  const CollectorStatus status = (*collector)->status();
  const double maps_mib = static_cast<double>(map_memory_bytes(status)) / kMib;
  if (host.cpus.possible_count == 2) print_target("map memory", 24, maps_mib, " MiB");
  else if (host.cpus.possible_count == 256) print_target("map memory", 64, maps_mib, " MiB");
  else fmt::print("  map memory: {:.1f} MiB\n", maps_mib);
  auto memory = read_process_memory();
  if (!memory) return std::unexpected(memory.error());
  print_target("resident memory without banks", 20, static_cast<double>(memory->own_bytes()) / kMib,
               " MiB");
  return {};
}

// What the maps of all samplers take, by CPUs and by slots of cgroups, all of which have histograms.
Result<void> print_slot_memory(const Host& host, bool syscall_latency_by_class) {
  constexpr std::uint32_t kSlots[] = {64, 256, 1024};
  fmt::print("\nmap memory in MiB, by slots of cgroups (the others are simulated hosts){}\n  CPUs",
             syscall_latency_by_class ? ", syscall_latency_by_class" : "");
  for (const std::uint32_t slots : kSlots) fmt::print(" {:>9}", slots);
  fmt::print("\n");
  for (const std::uint32_t cpus : {host.cpus.possible_count, 64u, 256u}) {
    fmt::print("  {:>4}", cpus);
    for (const std::uint32_t slots : kSlots) {
      Host simulated = host;
      simulated.cpus.possible_count = cpus;
      CollectorConfig config;
      config.cgroups.slots = slots;
      config.cgroups.histogram_slots = slots;
      config.cgroups.syscall_latency_by_class = syscall_latency_by_class;
      auto collector = Collector::create(simulated, config);
      if (!collector) return std::unexpected(collector.error());
      const double bytes = static_cast<double>(map_memory_bytes((*collector)->status()));
      fmt::print(" {:>9.1f}", bytes / kMib);
    }
    fmt::print("\n");
  }
  return {};
}

// A child process for each host: arguments are its CPUs and whether file sources are left out.
int measure_in_child(std::uint32_t cpus, bool banks_only) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string count = std::to_string(cpus);
    const char* sources = banks_only ? "banks" : "all";
    ::execl("/proc/self/exe", "snapshot_cost", count.c_str(), sources, nullptr);
    ::_exit(1);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return 1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace
}  // namespace rezolus::bench

int main(int argc, char** argv) {
  using namespace rezolus;
  if (!bench::is_root("snapshot_cost")) return bench::kExitNeedsRoot;
  auto host = read_host();
  if (!host) {
    fmt::print(stderr, "snapshot_cost: {}\n", host.error().message);
    return 1;
  }
  if (argc == 3) {
    host->cpus.possible_count = static_cast<std::uint32_t>(std::strtoul(argv[1], nullptr, 10));
    const auto done = bench::measure_host(*host, std::string_view(argv[2]) == "banks");
    if (done) return 0;
    fmt::print(stderr, "snapshot_cost: {}\n", done.error().message);
    return 1;
  }
  fmt::print("snapshot_cost: kernel {}, {} CPUs{}\n", host->kernel_release,
             host->cpus.possible_count,
             bench::once() ? ", a few snapshots: the figures are noise" : "");
  int failed = bench::measure_in_child(host->cpus.possible_count, true);
  failed |= bench::measure_in_child(host->cpus.possible_count, false);
  for (const std::uint32_t cpus : {2u, 16u, 64u, 256u}) {
    if (cpus != host->cpus.possible_count) failed |= bench::measure_in_child(cpus, true);
  }
  for (const bool by_class : {false, true}) {
    const auto printed = bench::print_slot_memory(*host, by_class);
    if (printed) continue;
    fmt::print(stderr, "snapshot_cost: {}\n", printed.error().message);
    return 1;
  }
  return failed;
}
