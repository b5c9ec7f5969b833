// SPDX-License-Identifier: Apache-2.0 OR MIT
// What is loaded into the kernel: nothing for what is off, little for what is on.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include <bpf/bpf.h>
#include <unistd.h>

#include "base/fd.h"
#include "live/live.h"
#include "samplers/list.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE(structure);

std::vector<std::string_view> all_bpf_samplers() {
  std::vector<std::string_view> names;
  for (const Family* family : families()) {
    for (const BpfSampler* sampler : family->samplers) names.push_back(sampler->name);
  }
  return names;
}

// The ids of what this process holds of a kind (prog_id, map_id): others may load programs as well.
std::set<std::uint32_t> own_ids(std::string_view kind) {
  std::set<std::uint32_t> ids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    const auto text = read_file(entry.path().string(), 1 << 16);
    const std::size_t at = text ? text->find(std::string(kind) + ":") : std::string::npos;
    if (at == std::string::npos) continue;
    ids.insert(static_cast<std::uint32_t>(std::atoi(text->c_str() + at + kind.size() + 1)));
  }
  return ids;
}

// Our programs that are loaded, by id: size of the verified instructions.
std::map<std::uint32_t, std::uint32_t> programs() {
  std::map<std::uint32_t, std::uint32_t> all;
  for (const std::uint32_t id : own_ids("prog_id")) {
    const Fd fd(::bpf_prog_get_fd_by_id(id));
    bpf_prog_info info{};
    std::uint32_t size = sizeof info;
    if (fd.valid() && ::bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0) {
      all[id] = info.xlated_prog_len;
    }
  }
  return all;
}

std::set<std::uint32_t> map_ids() { return own_ids("map_id"); }

// The kernel frees programs and maps a moment after their last user is gone.
template <typename Condition>
bool soon(Condition condition) {
  for (int i = 0; i < 200; ++i) {
    if (condition()) return true;
    ::usleep(20'000);
  }
  return false;
}

// Total size of the programs that a collector adds.
std::uint64_t instructions_of(const std::vector<std::string_view>& samplers, Mode mode) {
  const auto before = programs();
  LiveCollector collector(samplers, mode);
  std::uint64_t bytes = 0;
  for (const auto& [id, program] : programs()) {
    if (!before.contains(id)) bytes += program;
  }
  return bytes;
}

TEST_P(structure, NothingIsLoadedForWhatIsOff) {
  const std::size_t programs_before = programs().size();
  const std::size_t maps_before = map_ids().size();
  {
    LiveCollector collector({}, GetParam());
    EXPECT_LE(programs().size(), programs_before);
    EXPECT_LE(map_ids().size(), maps_before);
    EXPECT_TRUE(collector->status().maps.empty());
  }
}

TEST_P(structure, EverythingIsGoneAfterwards) {
  std::set<std::uint32_t> program_ids;
  std::set<std::uint32_t> ids_of_maps;
  {
    LiveCollector collector({"scheduler_runqueue", "syscall_latency"}, GetParam());
    program_ids = own_ids("prog_id");
    ids_of_maps = map_ids();
    EXPECT_GE(program_ids.size(), 5u);
    EXPECT_GE(ids_of_maps.size(), 5u);
  }
  EXPECT_TRUE(soon([&] {
    return std::ranges::none_of(program_ids, [](std::uint32_t id) {
      return Fd(::bpf_prog_get_fd_by_id(id)).valid();
    });
  }));
  EXPECT_TRUE(soon([&] {
    return std::ranges::none_of(ids_of_maps, [](std::uint32_t id) {
      return Fd(::bpf_map_get_fd_by_id(id)).valid();
    });
  }));
}

TEST_P(structure, ASamplerThatIsOffLeavesNoInstructionAndNoBank) {
  const std::uint64_t both = instructions_of({"scheduler_runqueue", "cpu_migrations"}, GetParam());
  const std::uint64_t one = instructions_of({"cpu_migrations"}, GetParam());
  EXPECT_GT(one, 0u);
  EXPECT_LT(one, both * 2 / 3);
  LiveCollector collector({"cpu_migrations"}, GetParam());
  const CollectorStatus status = collector->status();
  for (const MapStatus& map : status.maps) {
    EXPECT_FALSE(map.name.starts_with("runqueue")) << map.name;
  }
  for (const SamplerStatus& sampler : status.samplers) {
    if (sampler.name == "cpu_migrations") {
      EXPECT_EQ(sampler.programs.size(), 1u);
    }
    if (sampler.name == "scheduler_runqueue") {
      EXPECT_EQ(sampler.state, SamplerState::kDisabled);
    }
  }
}

// One sampler of each family off at a time: the others keep running, its banks are not there, and
// the family's programs are shorter or fewer.
TEST_P(structure, EverySamplerCanBeLeftOutOfItsFamily) {
  if (GetParam() != Mode::kBest) GTEST_SKIP() << "the same tables, whatever the programs are";
  for (const Family* family : families()) {
    std::vector<std::string_view> all;
    for (const BpfSampler* sampler : family->samplers) all.push_back(sampler->name);
    const auto running = [&](LiveCollector& collector) {
      return std::ranges::count_if(collector->status().samplers, [](const SamplerStatus& sampler) {
        return sampler.state == SamplerState::kActive && !sampler.family.empty();
      });
    };
    const std::uint64_t whole = instructions_of(all, GetParam());
    for (const BpfSampler* left_out : family->samplers) {
      SCOPED_TRACE(left_out->name);
      std::vector<std::string_view> others = all;
      std::erase(others, left_out->name);
      const auto before = programs();
      LiveCollector collector(others, GetParam());
      const SamplerStatus& status = collector.status_of(left_out->name);
      EXPECT_EQ(status.state, SamplerState::kDisabled);
      EXPECT_TRUE(status.programs.empty());
      std::uint64_t rest = 0;
      for (const auto& [id, program] : programs()) {
        if (!before.contains(id)) rest += program;
      }
      for (const MapStatus& map : collector->status().maps) {
        if (map.family != family->name) continue;
        for (const char* bank : {"_counters", "_histograms", "_device_counters"}) {
          EXPECT_NE(map.name, std::string(left_out->bpf_name) + bank);
        }
      }
      if (running(collector) == 0) {
        // Nothing of the family is on, or nothing that is on can run on this kernel.
        EXPECT_EQ(rest, 0u);
        EXPECT_TRUE(collector->status().maps.empty());
      } else if (LiveCollector only({left_out->name}, GetParam()); running(only) != 0) {
        EXPECT_LT(rest, whole);
      }
    }
  }
}

TEST_P(structure, MapMemoryIsPublishedAndBounded) {
  LiveCollector collector(all_bpf_samplers(), GetParam());
  std::uint64_t sum = 0;
  for (const MapStatus& map : collector->status().maps) {
    // Local storage is allocated owner by owner; the kernel says at most what its table takes.
    if (map.type != "task_storage" && map.type != "sk_storage") {
      EXPECT_GT(map.size_bytes, 0u) << map.name;
    }
    // In place of storage with tasks and sockets, which grows with their number.
    if (map.name == "task_hash" || map.name == "socket_hash") {
      EXPECT_LE(map.size_bytes, 10u << 20) << map.name;
      continue;
    }
    sum += map.size_bytes;
  }
  EXPECT_GT(sum, 1u << 20);
  EXPECT_LE(sum, 24u << 20);
}

TEST_P(structure, AHookThatIsOffForWantOfAnotherIsNotBroken) {
  LiveCollector collector({"softirq"}, GetParam(), {"softirq_entry"});
  const SamplerStatus& softirq = collector.status_of("softirq");
  EXPECT_EQ(softirq.health, SamplerHealth::kUnsupported);
  EXPECT_TRUE(softirq.reason.starts_with("softirq_entry is off: ")) << softirq.reason;
  std::size_t others = 0;
  for (const ProgramStatus& program : softirq.programs) {
    EXPECT_FALSE(program.attached) << program.target;
    if (program.target == "softirq_entry") continue;
    EXPECT_EQ(program.verdict, ProgramVerdict::kOk) << program.target;
    EXPECT_EQ(program.reason, "") << program.target;
    ++others;
  }
  EXPECT_EQ(others, 2u);
}

TEST_P(structure, AllTogetherLoseNothing) {
  LiveCollector collector(all_bpf_samplers(), GetParam());
  for (const SamplerStatus& sampler : collector->status().samplers) {
    if (sampler.family.empty()) continue;
    // What this kernel does not have is off with its reason; nothing is broken.
    if (sampler.health == SamplerHealth::kUnsupported) {
      EXPECT_NE(sampler.reason, "") << sampler.name;
      continue;
    }
    EXPECT_EQ(sampler.state, SamplerState::kActive) << sampler.name << ": " << sampler.reason;
    for (const ProgramStatus& program : sampler.programs) {
      EXPECT_NE(program.verdict, ProgramVerdict::kBroken)
          << sampler.name << ": " << program.target << ": " << program.reason;
      // Nor did the verifier refuse a better alternative than the one that is attached. Those that
      // only other kernels need may be refused here.
      if (GetParam() != Mode::kBest) continue;
      EXPECT_EQ(program.reason.find("load: Permission denied"), std::string::npos)
          << sampler.name << ": " << program.target << ": " << program.reason;
    }
  }
  for (int i = 0; i < 20; ++i) {
    collector.begin();
    ::usleep(20'000);
    const Delta delta = collector.end();
    EXPECT_GT(delta.counter("syscall"), 0u);
  }
  collector.expect_no_losses();
}

}  // namespace
}  // namespace rezolus::live
