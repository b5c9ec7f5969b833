// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cgroup_files.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "samplers/files.h"
#include "samplers/source_test_support.h"
#include "wire/prometheus.h"
#include "wire/test_snapshot.h"

namespace rezolus {
namespace {

// A host whose cgroup files are written by the test.
class CgroupFiles : public testing::Test {
 protected:
  CgroupFiles() {
    host_.root = testing::TempDir() + "cgroup_files/";
    std::filesystem::remove_all(host_.root);
    write("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
  }
  ~CgroupFiles() override { std::filesystem::remove_all(host_.root); }

  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = host_.root + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void mount_version_1() const {
    write("proc/self/mountinfo",
          "31 24 0:26 / /cg/unified rw - cgroup2 cgroup2 rw\n"
          "32 24 0:27 / /cg/memory rw - cgroup cgroup rw,memory\n"
          "33 24 0:28 / /cg/pids rw - cgroup cgroup rw,pids\n"
          "34 24 0:29 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
  }
  void mount_version_2() const {
    write("proc/self/mountinfo", "31 24 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
    write("cg/cgroup.controllers", "cpuset cpu io memory pids\n");
  }
  void place(const std::vector<std::string>& paths) {
    std::vector<CgroupSlots::Change::Added> placed;
    for (std::size_t i = 0; i < paths.size(); ++i) {
      placed.push_back({static_cast<std::uint32_t>(i + 1), 100 + i, paths[i], nullptr});
    }
    list_->put_placed(
        std::make_shared<const std::vector<CgroupSlots::Change::Added>>(std::move(placed)));
  }
  SourceReader reader(const FileSampler& sampler) {
    return SourceReader(sampler.make_with_cgroups(host_, list_).value());
  }

  Host host_;
  std::shared_ptr<CgroupList> list_ = std::make_shared<CgroupList>();
};

TEST_F(CgroupFiles, MemoryOfVersion1) {
  mount_version_1();
  write("cg/memory/a/memory.usage_in_bytes", "1000\n");
  write("cg/memory/a/memory.memsw.usage_in_bytes", "1400\n");
  write("cg/memory/a/memory.limit_in_bytes", "4096\n");
  write("cg/memory/a/memory.failcnt", "7\n");
  write("cg/memory/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
  write("cg/memory/b/memory.usage_in_bytes", "5\n");
  write("cg/memory/b/memory.limit_in_bytes", "9223372036854771712\n");
  place({"/a", "/b", "/only/in/cpu"});
  SourceReader memory = reader(kCgroupMemory);
  ASSERT_TRUE(memory.read().has_value());
  EXPECT_EQ(memory.value("cgroup_memory_usage{cgroup=\"/a\"}"), 1000u);
  EXPECT_EQ(memory.value("cgroup_memory_swap_usage{cgroup=\"/a\"}"), 400u);
  EXPECT_EQ(memory.value("cgroup_memory_max{cgroup=\"/a\"}"), 4096u);
  EXPECT_EQ(memory.value("cgroup_memory_limit_hits{cgroup=\"/a\",limit=\"max\"}"), 7u);
  EXPECT_EQ(memory.value("cgroup_memory_limit_hits{cgroup=\"/a\",limit=\"high\"}"), std::nullopt);
  EXPECT_EQ(memory.value("cgroup_memory_oom_kills{cgroup=\"/a\"}"), 3u);
  EXPECT_EQ(memory.value("cgroup_memory_usage{cgroup=\"/b\"}"), 5u);
  EXPECT_EQ(memory.value("cgroup_memory_max{cgroup=\"/b\"}"), std::nullopt) << "no limit";
  EXPECT_EQ(memory.value("cgroup_memory_usage{cgroup=\"/only/in/cpu\"}"), std::nullopt);
  EXPECT_EQ(memory.present_count(), 6u);
}

TEST_F(CgroupFiles, MemoryOfVersion2) {
  mount_version_2();
  write("cg/a/memory.current", "1000\n");
  write("cg/a/memory.swap.current", "400\n");
  write("cg/a/memory.max", "max\n");
  write("cg/a/memory.high", "8192\n");
  write("cg/a/memory.events", "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n");
  place({"/a"});
  SourceReader memory = reader(kCgroupMemory);
  ASSERT_TRUE(memory.read().has_value());
  EXPECT_EQ(memory.value("cgroup_memory_usage{cgroup=\"/a\"}"), 1000u);
  EXPECT_EQ(memory.value("cgroup_memory_swap_usage{cgroup=\"/a\"}"), 400u);
  EXPECT_EQ(memory.value("cgroup_memory_max{cgroup=\"/a\"}"), std::nullopt);
  EXPECT_EQ(memory.value("cgroup_memory_high{cgroup=\"/a\"}"), 8192u);
  EXPECT_EQ(memory.value("cgroup_memory_limit_hits{cgroup=\"/a\",limit=\"high\"}"), 2u);
  EXPECT_EQ(memory.value("cgroup_memory_limit_hits{cgroup=\"/a\",limit=\"max\"}"), 3u);
  EXPECT_EQ(memory.value("cgroup_memory_oom_kills{cgroup=\"/a\"}"), 5u);
}

TEST_F(CgroupFiles, QuotaOfVersion1) {
  mount_version_1();
  write("cg/cpu/a/cpu.cfs_quota_us", "20000\n");
  write("cg/cpu/a/cpu.cfs_period_us", "50000\n");
  write("cg/cpu/a/cpu.stat", "nr_periods 10\nnr_throttled 4\nthrottled_time 123456789\n");
  write("cg/cpu/b/cpu.cfs_quota_us", "-1\n");
  write("cg/cpu/b/cpu.cfs_period_us", "100000\n");
  place({"/a", "/b"});
  SourceReader quota = reader(kCgroupCpuQuota);
  ASSERT_TRUE(quota.read().has_value());
  EXPECT_EQ(quota.value("cgroup_cpu_bandwidth_quota{cgroup=\"/a\"}"), 20'000'000u);
  EXPECT_EQ(quota.value("cgroup_cpu_bandwidth_period_duration{cgroup=\"/a\"}"), 50'000'000u);
  EXPECT_EQ(quota.value("cgroup_cpu_bandwidth_periods{cgroup=\"/a\"}"), 10u);
  EXPECT_EQ(quota.value("cgroup_cpu_bandwidth_throttled_periods{cgroup=\"/a\"}"), 4u);
  EXPECT_EQ(quota.value("cgroup_cpu_bandwidth_throttled_time{cgroup=\"/a\"}"), 123'456'789u);
  EXPECT_EQ(quota.present_count(), 5u) << "b has no quota, and so no period";
}

TEST_F(CgroupFiles, QuotaOfVersion2IsSeenToChangeByTime) {
  mount_version_2();
  std::uint64_t now_ns = 5;
  host_.clock.monotonic_ns = [&] { return now_ns; };
  write("cg/a/cpu.max", "20000 100000\n");
  write("cg/a/cpu.stat", "usage_usec 9\nnr_periods 10\nnr_throttled 4\nthrottled_usec 55\n");
  place({"/a"});
  SourceReader quota = reader(kCgroupCpuQuota);
  ASSERT_TRUE(quota.read().has_value());
  EXPECT_EQ(quota.value("cgroup_cpu_bandwidth_quota{cgroup=\"/a\"}"), 20'000'000u);
  EXPECT_EQ(quota.value("cgroup_cpu_bandwidth_period_duration{cgroup=\"/a\"}"), 100'000'000u);
  EXPECT_EQ(quota.value("cgroup_cpu_bandwidth_throttled_time{cgroup=\"/a\"}"), 55'000u);
  write("cg/a/cpu.max", "max 100000\n");
  write("cg/a/cpu.stat", "usage_usec 9\nnr_periods 11\n");
  for (int i = 0; i < 20; ++i) {  // however often it is read
    now_ns += kSettingAgeNs / 21;
    ASSERT_TRUE(quota.read().has_value());
    EXPECT_EQ(quota.value("cgroup_cpu_bandwidth_quota{cgroup=\"/a\"}"), 20'000'000u);
    EXPECT_EQ(quota.value("cgroup_cpu_bandwidth_periods{cgroup=\"/a\"}"), 11u);
    EXPECT_EQ(quota.value("cgroup_cpu_bandwidth_throttled_periods{cgroup=\"/a\"}"), std::nullopt);
  }
  now_ns = 5 + kSettingAgeNs;
  ASSERT_TRUE(quota.read().has_value());
  EXPECT_EQ(quota.value("cgroup_cpu_bandwidth_quota{cgroup=\"/a\"}"), std::nullopt);
  write("cg/a/cpu.max", "30000 100000\n");
  now_ns += 15 * kNsPerSecond;
  ASSERT_TRUE(quota.read().has_value());
  EXPECT_EQ(quota.value("cgroup_cpu_bandwidth_quota{cgroup=\"/a\"}"), 30'000'000u)
      << "at the next pass, where passes are rare";
}

TEST_F(CgroupFiles, PressureAndTasks) {
  mount_version_1();
  write("cg/unified/a/cpu.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=12\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=3\n");
  write("cg/unified/a/io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=x\n");
  write("cg/pids/a/pids.current", "3\n");
  write("cg/pids/a/pids.max", "max\n");
  place({"/a"});
  SourceReader pressure = reader(kCgroupPressure);
  ASSERT_TRUE(pressure.read().has_value());
  const auto stall = [&](const char* kind, const char* resource) {
    return pressure.value(fmt::format(
        "cgroup_pressure_stall_time{{cgroup=\"/a\",kind=\"{}\",resource=\"{}\"}}", kind, resource));
  };
  EXPECT_EQ(stall("some", "cpu"), 12'000u);
  EXPECT_EQ(stall("full", "cpu"), 3'000u);
  EXPECT_EQ(pressure.present_count(), 2u);
  SourceReader tasks = reader(kCgroupTasks);
  ASSERT_TRUE(tasks.read().has_value());
  EXPECT_EQ(tasks.value("cgroup_tasks{cgroup=\"/a\"}"), 3u);
  EXPECT_EQ(tasks.value("cgroup_tasks_max{cgroup=\"/a\"}"), std::nullopt);
}

TEST_F(CgroupFiles, OneThatVanishesIsAbsentAndTheOthersKeepTheirSeries) {
  mount_version_2();
  write("cg/a/pids.current", "1\n");
  write("cg/b/pids.current", "2\n");
  place({"/a", "/b"});
  SourceReader tasks = reader(kCgroupTasks);
  ASSERT_TRUE(tasks.read().has_value());
  const auto of_b = (*tasks.series_list())[2];
  std::filesystem::remove_all(host_.root + "cg/a");
  ASSERT_TRUE(tasks.read().has_value()) << "the other one can be read";
  EXPECT_EQ(tasks.value("cgroup_tasks{cgroup=\"/a\"}"), std::nullopt);
  EXPECT_EQ(tasks.value("cgroup_tasks{cgroup=\"/b\"}"), 2u);
  list_->put_placed(std::make_shared<const std::vector<CgroupSlots::Change::Added>>(
      std::vector<CgroupSlots::Change::Added>{{2, 101, "/b", nullptr}, {1, 200, "/a", nullptr}}));
  ASSERT_TRUE(tasks.read().has_value());
  EXPECT_EQ(tasks.series().size(), 4u);
  EXPECT_EQ((*tasks.series_list())[0], of_b) << "the same series";
  std::filesystem::remove_all(host_.root + "cg");
  const auto gone = tasks.read();
  ASSERT_FALSE(gone.has_value());
  EXPECT_NE(gone.error().message.find("/cg: No such file"), std::string::npos)
      << gone.error().message;
}

TEST_F(CgroupFiles, WhereThereAreManyTheyTakeTurns) {
  mount_version_2();
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < kCgroupsPerPass + 50; ++i) {
    paths.push_back("/" + std::to_string(i));
    write("cg" + paths.back() + "/pids.current", "1\n");
  }
  place(paths);
  SourceReader tasks = reader(kCgroupTasks);
  ASSERT_TRUE(tasks.read().has_value());
  EXPECT_EQ(tasks.present_count(), kCgroupsPerPass);
  ASSERT_TRUE(tasks.read().has_value());
  EXPECT_EQ(tasks.present_count(), kCgroupsPerPass + 50);
}

// What the kernel counts for a cgroup has those in it: the page adds series of one name up.
TEST_F(CgroupFiles, OfOneNameOnlyTheOutermostHasIt) {
  mount_version_2();
  write("cg/s/x.scope/memory.current", "1000\n");
  write("cg/s/x.scope/in/memory.current", "700\n");
  write("cg/s/x.scope/in/side/memory.current", "400\n");
  write("cg/s/y/memory.current", "50\n");
  const auto names = [](const char* name) {
    return std::make_shared<const CgroupNames>(
        CgroupNames{.labels = {{"systemd_unit", name}}, .info = {}, .final = true});
  };
  using Placed = std::vector<CgroupSlots::Change::Added>;
  const CgroupSlots::Change::Added inner = {2, 8, "/s/x.scope/in", names("x.scope")};
  const CgroupSlots::Change::Added deep = {3, 9, "/s/x.scope/in/side", names("x.scope")};
  // A replica elsewhere has the name as well, and is no part of the first.
  const CgroupSlots::Change::Added other = {4, 10, "/s/y", names("x.scope")};
  const CgroupSlots::Change::Added outer = {1, 20, "/s/x.scope", names("x.scope")};
  list_->put_placed(std::make_shared<const Placed>(Placed{inner, deep, other, outer}));
  SourceReader memory = reader(kCgroupMemory);
  ASSERT_TRUE(memory.read().has_value());
  const auto page = [&] {
    test::SnapshotBuilder snapshot;
    for (const Series& series : memory.series()) {
      const auto value = memory.value(series_name(series.name, series.labels));
      if (value) snapshot.scalar(series, *value);
    }
    return snapshot.build();
  };
  const std::string text = encode_prometheus(page(), {});
  const auto has = [](const std::string& all, const std::string& line) {
    return all.find("rezolus_cgroup_memory_usage_bytes" + line + "\n") != std::string::npos;
  };
  EXPECT_TRUE(has(text, "{systemd_unit=\"x.scope\"} 1050")) << text;
  EXPECT_TRUE(has(text, "{cgroup=\"/s/x.scope/in\"} 700")) << text;
  EXPECT_TRUE(has(text, "{cgroup=\"/s/x.scope/in/side\"} 400")) << text;
  const std::string upstream =
      encode_prometheus(page(), {.naming = PrometheusNaming::kUpstream});
  EXPECT_NE(upstream.find("cgroup_memory_usage{name=\"/s/x.scope\"} 1000\n"), std::string::npos)
      << upstream;
  // Where the outer one has no slot any more, the next one stands for the name.
  list_->put_placed(std::make_shared<const Placed>(Placed{inner, deep, other}));
  ASSERT_TRUE(memory.read().has_value());
  EXPECT_TRUE(has(encode_prometheus(page(), {}), "{systemd_unit=\"x.scope\"} 750"));
}

TEST_F(CgroupFiles, GarbageIsAbsent) {
  mount_version_2();
  for (const char* file : {"memory.current", "memory.max", "memory.events", "memory.high"}) {
    write(std::string("cg/a/") + file, "oom_kill\nhigh x\nmax 1 2\n\n-5");
  }
  write("cg/a/memory.swap.current", "18446744073709551616\n");
  place({"/a"});
  SourceReader memory = reader(kCgroupMemory);
  ASSERT_TRUE(memory.read().has_value());
  EXPECT_EQ(memory.present_count(), 0u);
}

TEST_F(CgroupFiles, WhatIsNotMountedIsSaid) {
  write("proc/self/mountinfo", "33 24 0:28 / /cg/pids rw - cgroup cgroup rw,pids\n");
  EXPECT_TRUE(kCgroupTasks.make_with_cgroups(host_, list_).has_value());
  const auto memory = kCgroupMemory.make_with_cgroups(host_, list_);
  ASSERT_FALSE(memory.has_value());
  EXPECT_NE(memory.error().message.find("mount one"), std::string::npos) << memory.error().message;
  mount_version_2();
  write("cg/cgroup.controllers", "cpu pids\n");
  const auto without = kCgroupMemory.make_with_cgroups(host_, list_);
  ASSERT_FALSE(without.has_value());
  EXPECT_NE(without.error().message.find("the memory controller"), std::string::npos)
      << without.error().message;
  std::filesystem::remove_all(host_.root + "proc/pressure");
  const auto pressure = kCgroupPressure.make_with_cgroups(host_, list_);
  ASSERT_FALSE(pressure.has_value());
  EXPECT_NE(pressure.error().message.find("psi=1"), std::string::npos);
}

}  // namespace
}  // namespace rezolus
