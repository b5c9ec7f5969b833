// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "samplers/files.h"
#include "samplers/loaded_bpf.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

// A host whose programs' fdinfo a test writes: two of one family, one of another.
class RezolusBpf : public testing::Test {
 protected:
  RezolusBpf() {
    root_ =
        std::filesystem::temp_directory_path() / ("rezolus_bpf_test." + std::to_string(::getpid()));
    std::filesystem::create_directories(root_ / "proc/self/fdinfo");
    std::filesystem::create_directories(root_ / "proc/sys/kernel");
    set_statistics("0");
    for (const int fd : {5, 6, 7}) set_program(fd, 0, 0, "0");
    host_.root = root_.string() + "/";
    loaded_.programs = {{"syscall", "handle_enter", 5},
                        {"syscall", "handle_leave", 6},
                        {"block", "handle_issue", 7}};
    loaded_.maps = [this] { return maps_; };
    loaded_.losses = [this] { return losses_; };
    maps_ = {{.size_bytes = 4096}, {.size_bytes = 100}};
    losses_ = {{"syscall", "no_task_state", 2}, {"block", "request_table_full", 0}};
  }
  ~RezolusBpf() override { std::filesystem::remove_all(root_); }

  void set_statistics(const char* text) const {
    std::ofstream(root_ / "proc/sys/kernel/bpf_stats_enabled") << text << "\n";
  }
  // Without misses: an older kernel.
  void set_program(int fd, int runs, int time_ns, const char* misses) const {
    std::ofstream file(root_ / "proc/self/fdinfo" / std::to_string(fd));
    file << "prog_id:\t" << fd << "\nrun_time_ns:\t" << time_ns << "\nrun_cnt:\t" << runs << "\n";
    if (misses != nullptr) file << "recursion_misses:\t" << misses << "\n";
  }
  SourceReader reader() { return SourceReader(kRezolusBpf.make_with_bpf(host_, loaded_).value()); }

  std::filesystem::path root_;
  Host host_;
  LoadedBpf loaded_;
  std::vector<MapStatus> maps_;
  std::vector<LossStatus> losses_;
};

constexpr const char* kRuns = "rezolus_bpf_run_count{family=\"syscall\",program=\"handle_leave\"}";
constexpr const char* kTime = "rezolus_bpf_run_time{family=\"syscall\",program=\"handle_leave\"}";
constexpr const char* kNested = "rezolus_bpf_losses{family=\"syscall\",reason=\"recursion\"}";

TEST_F(RezolusBpf, RunsArePresentWhileStatisticsAreOn) {
  SourceReader reader = this->reader();
  set_program(6, 12, 3456, "0");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(kRuns), std::nullopt);
  EXPECT_EQ(reader.value(kTime), std::nullopt);
  set_statistics("1");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(kRuns), 12u);
  EXPECT_EQ(reader.value(kTime), 3456u);
  EXPECT_EQ(reader.value("rezolus_bpf_run_count{family=\"block\",program=\"handle_issue\"}"), 0u);
  set_statistics("0");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(kRuns), std::nullopt);
}

TEST_F(RezolusBpf, LossesAreOursAndTheKernels) {
  SourceReader reader = this->reader();
  set_program(5, 0, 0, "4");
  set_program(6, 0, 0, "5");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("rezolus_bpf_losses{family=\"syscall\",reason=\"no_task_state\"}"), 2u);
  EXPECT_EQ(reader.value("rezolus_bpf_losses{family=\"block\",reason=\"request_table_full\"}"), 0u);
  EXPECT_EQ(reader.value(kNested), 9u);
  EXPECT_EQ(reader.value("rezolus_bpf_losses{family=\"block\",reason=\"recursion\"}"), 0u);
  losses_[0].count = 7;
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("rezolus_bpf_losses{family=\"syscall\",reason=\"no_task_state\"}"), 7u);
}

TEST_F(RezolusBpf, OldKernelsDoNotCountRecursion) {
  set_program(5, 0, 0, nullptr);
  set_program(6, 0, 0, nullptr);
  SourceReader reader = this->reader();
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(kNested), std::nullopt);
  EXPECT_EQ(reader.value("rezolus_bpf_losses{family=\"block\",reason=\"recursion\"}"), 0u);
}

TEST_F(RezolusBpf, MapMemoryIsReadEveryTenthTime) {
  SourceReader reader = this->reader();
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("rezolus_bpf_map_memory"), 4196u);
  maps_[1].size_bytes = 900;
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("rezolus_bpf_map_memory"), 4196u);
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("rezolus_bpf_map_memory"), 4996u);
}

TEST_F(RezolusBpf, WithoutProgramsOnlyMapMemoryIsThere) {
  loaded_.programs.clear();
  losses_.clear();
  maps_.clear();
  SourceReader reader = this->reader();
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.series().size(), 1u);
  EXPECT_EQ(reader.value("rezolus_bpf_map_memory"), 0u);
}

}  // namespace
}  // namespace rezolus
