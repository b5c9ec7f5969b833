// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/scheduler/task_cpu_usage.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "samplers/files.h"
#include "samplers/scheduler/written_tasks.h"
#include "samplers/source_test_support.h"

namespace rezolus {
namespace {

std::string name_of(int tgid, int tid, const std::string& comm = "task") {
  Labels labels = {{"pid", std::to_string(tid)}, {"tgid", std::to_string(tgid)}};
  if (!comm.empty()) labels.insert(labels.begin(), {"comm", comm});
  return series_name("task_cpu_usage", labels);
}
std::string name_of(int tid) { return name_of(tid, tid); }

const std::string kOther = "task_cpu_usage{comm=\"other\"}";

std::size_t kept_of(const SeriesList& before, const SeriesList& after) {
  const std::set<std::shared_ptr<const Series>> all(before->begin(), before->end());
  std::size_t kept = 0;
  for (const auto& series : *after) kept += all.contains(series);
  return kept;
}

TEST(TaskStat, NamesMayHaveAnyBytes) {
  const std::map<std::string, std::string> names = {
      {"sleep", "sleep"},
      {"Web Content", "Web Content"},
      {"(sd-pam)", "(sd-pam)"},
      {"a) R 1 (b", "a) R 1 (b"},
      {"two\\nlines", "two\nlines"},  // as the kernel writes it
      {"back\\\\slash", "back\\slash"},
      {"raw\nline", "raw\nline"},
      {"\xff\xfe", "\xff\xfe"},
      {"", ""},
      {"end\\", "end\\"},
  };
  for (const auto& [written, comm] : names) {
    const auto stat = parse_task_stat(stat_text(7, written, 'R', 4711));
    ASSERT_TRUE(stat) << written;
    EXPECT_EQ(*stat, (TaskStat{.comm = comm, .dead = false, .start_ticks = 4711}));
  }
}

TEST(TaskStat, KernelWorkersAreNamedWithoutTheirWork) {
  constexpr unsigned kWorker = 69238880;  // of kworker/0:1
  const auto comm = [](const std::string& name, unsigned flags) {
    return parse_task_stat(stat_text(7, name, 'I', 1, flags)).value_or(TaskStat{}).comm;
  };
  EXPECT_EQ(comm("kworker/0:1-events", kWorker), "kworker/0:1");
  EXPECT_EQ(comm("kworker/u8:3+flush-8:0", kWorker), "kworker/u8:3");
  EXPECT_EQ(comm("kworker/1:0H", kWorker), "kworker/1:0H");
  EXPECT_EQ(comm("kworker/R-mm_percpu_wq+mm_percpu_wq", kWorker), "kworker/R-mm_percpu_wq");
  EXPECT_EQ(comm("rcu-torture+x", kWorker & ~0x20u), "rcu-torture+x");
}

TEST(TaskStat, TheDeadAreKnownAndGarbageIsRefused) {
  for (const char state : {'Z', 'X', 'x'}) {
    EXPECT_TRUE(parse_task_stat(stat_text(7, "gone", state))->dead) << state;
  }
  for (const char state : {'R', 'S', 'D', 'T', 't', 'I'}) {
    EXPECT_FALSE(parse_task_stat(stat_text(7, "there", state))->dead) << state;
  }
  for (const char* text : {"", "7", "7 (", "7 (a", ")(", "7 (a)", "7 (a) S 1 2 3",
                           "7 (a) S 1 1 1 0 -1 x 138 0 1 0 3 4 0 0 20 0 1 0 5",
                           "7 (a) S 1 1 1 0 -1 4 138 0 1 0 3 4 0 0 20 0 1 0 x"}) {
    EXPECT_EQ(parse_task_stat(text), std::nullopt) << text;
  }
}

TEST(TaskSchedstat, HasThreeNumbers) {
  EXPECT_EQ(parse_task_schedstat("18446744073709551615 2 3\n"),
            (TaskTimes{.ran_ns = 18446744073709551615u, .waited_ns = 2, .runs = 3}));
  for (const char* text : {"", "1 2", "1 2 x\n", "-1 2 3\n"}) {
    EXPECT_EQ(parse_task_schedstat(text), std::nullopt) << text;
  }
}

TEST(TaskCpuUsage, EveryThreadHasItsSeries) {
  const WrittenTasks written;
  written.write(10, 10, stat_text(10, "main (x)"), "1000 0 1\n");
  written.write(10, 11, stat_text(11, "two\\nlines"), "2000 0 1\n");
  written.write(20, 20, stat_text(20, "a\xff\"b"), "3000 0 1\n");
  written.write(30, 30, stat_text(30, ""), "4000 0 1\n");
  written.write(40, 40, stat_text(40, "idle"), "0 0 0\n");
  written.write(50, 50, stat_text(50, "zombie", 'Z'), "5000 0 1\n");
  SourceReader reader(kTaskCpuUsage, written.host());
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(name_of(10, 10, "main (x)")), 1000u);
  EXPECT_EQ(reader.value(name_of(10, 11, "two\nlines")), 2000u);
  EXPECT_EQ(reader.value(name_of(20, 20, "a\\xff\"b")), 3000u);
  EXPECT_EQ(reader.value(name_of(30, 30, "")), 4000u) << "no label for an empty name";
  EXPECT_EQ(reader.value(name_of(40, 40, "idle")), 0u);
  EXPECT_EQ(reader.value("task_cpu_usage_folded"), 0u);
  EXPECT_EQ(reader.value("task_cpu_usage_unread"), 0u);
  EXPECT_EQ(reader.series().size(), 7u) << "none for the dead, none for others";

  const SeriesList first = reader.series_list();
  written.write(10, 11, stat_text(11, "two\\nlines"), "2500 0 2\n");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(name_of(10, 11, "two\nlines")), 2500u);
  EXPECT_EQ(reader.value(name_of(10, 10, "main (x)")), 1000u);
  EXPECT_EQ(reader.series_list(), first) << "nothing came or went";
}

TEST(TaskCpuUsage, TasksEndAtAnyMoment) {
  const WrittenTasks written;
  written.run(10, 1000);
  written.run(20, 2000);
  SourceReader reader(kTaskCpuUsage, written.host());
  ASSERT_TRUE(reader.read().has_value());
  const SeriesList both = reader.series_list();
  // Listed and gone, as far as it can be told apart: no folder of threads, no file, an empty one.
  std::filesystem::create_directories(written.host().path("proc/30"));
  std::filesystem::create_directories(written.folder_of(40, 40));
  written.write(50, 50, "", "");
  written.write(60, 60, "", "7 8 9\n");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.series_list(), both);
  // A zombie has ended.
  written.write(20, 20, stat_text(20, "task", 'Z'), "2100 0 2\n");
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.series().size(), 3u);
  EXPECT_EQ(reader.value(name_of(10)), 1000u);
  written.end(10);
  EXPECT_FALSE(reader.read().has_value()) << "no task at all";
}

TEST(TaskCpuUsage, AnotherTaskOfTheSameIdIsAnotherSeries) {
  const WrittenTasks written;
  SourceReader reader(kTaskCpuUsage, written.host());
  const auto read = [&] {
    EXPECT_TRUE(reader.read().has_value());
    return reader.series_list();
  };
  written.run(10, 1000);
  written.run(20, 500);
  const SeriesList first = read();
  // Born later: its value may be above the old one.
  written.run(10, 3000, "task", 101);
  const SeriesList reused = read();
  EXPECT_EQ(reused->size(), first->size());
  EXPECT_EQ(kept_of(first, reused), first->size() - 1);
  EXPECT_EQ(reader.value(name_of(10)), 3000u);
  // A thread that calls exec has its time and the first one's id and start.
  written.run(10, 2000, "task", 101);
  const SeriesList execed = read();
  EXPECT_EQ(kept_of(reused, execed), reused->size() - 1);
  EXPECT_EQ(reader.value(name_of(10)), 2000u);
  // A new name.
  written.run(10, 2500, "renamed", 101);
  const SeriesList renamed = read();
  EXPECT_EQ(kept_of(execed, renamed), execed->size() - 1);
  EXPECT_EQ(reader.value(name_of(10, 10, "renamed")), 2500u);
  EXPECT_EQ(renamed->size(), first->size());
  // The same id in another process.
  written.end(10);
  written.write(20, 10, stat_text(10, "renamed", 'S', 101), "2600 0 1\n");
  const SeriesList moved = read();
  EXPECT_EQ(kept_of(renamed, moved), renamed->size() - 1);
  EXPECT_EQ(reader.value(name_of(20, 10, "renamed")), 2600u);
}

TEST(TaskCpuUsage, ThoseThatRunMostHaveSeries) {
  constexpr int kTasks = 5000;
  constexpr int kFolded = kTasks - static_cast<int>(kTaskSeriesMax);
  const WrittenTasks written;
  SourceReader reader(kTaskCpuUsage, written.host());
  std::uint64_t folded_ns = 0;
  for (int i = 0; i < kTasks; ++i) {
    written.run(100 + i, 1000u + static_cast<unsigned>(i));
    folded_ns += i < kFolded ? 1000u + static_cast<unsigned>(i) : 0;
  }
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("task_cpu_usage_folded"), static_cast<unsigned>(kFolded));
  EXPECT_EQ(reader.series().size(), kTaskSeriesMax + 3);
  EXPECT_EQ(reader.value(kOther), folded_ns);
  EXPECT_EQ(reader.value(name_of(100 + kTasks - 1)), 1000u + kTasks - 1);
  // Nobody changes places without having run much more.
  const SeriesList first = reader.series_list();
  written.run(100, 1001);
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.series_list(), first);
  EXPECT_EQ(reader.value(kOther), folded_ns + 1);
  // One that ran a lot takes the place of the one that ran least; what was folded stays.
  written.run(101, 1'001'001);
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.series().size(), kTaskSeriesMax + 3);
  EXPECT_EQ(kept_of(first, reader.series_list()), first->size() - 1);
  EXPECT_EQ(reader.value(name_of(101)), 1'001'001u);
  EXPECT_EQ(reader.value(kOther), folded_ns + 1);
  // Room that ended tasks leave is used.
  for (int i = 0; i < kFolded + 1; ++i) written.end(100 + kTasks - 1 - i);
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("task_cpu_usage_folded"), 0u);
  EXPECT_EQ(reader.value(kOther), folded_ns + 1) << "it never goes back";
  EXPECT_EQ(reader.series().size(), kTaskSeriesMax - 1 + 3);
}

TEST(TaskCpuUsage, WhatIsNotReadIsCounted) {
  constexpr int kBeyond = 3;
  const WrittenTasks written;
  written.write(1, 10, stat_text(10, "t"), "9 0 1\n");
  for (int i = 1; i < static_cast<int>(kTasksReadMax) + kBeyond; ++i) {
    std::filesystem::create_directory_symlink("10", written.folder_of(1, 10 + i));
  }
  SourceReader reader(kTaskCpuUsage, written.host());
  for (int pass = 0; pass < 2; ++pass) {
    ASSERT_TRUE(reader.read().has_value());
    EXPECT_EQ(reader.value("task_cpu_usage_unread"), static_cast<unsigned>(kBeyond));
    EXPECT_EQ(reader.value("task_cpu_usage_folded"), kTasksReadMax - kTaskSeriesMax);
  }
  EXPECT_EQ(reader.value(kOther), 9 * (kTasksReadMax - kTaskSeriesMax));
}

TEST(TaskCpuUsage, KernelsWithoutAnAccountAreUnsupported) {
  const WrittenTasks written;
  std::ofstream(written.host().path("proc/1/schedstat")) << "0 0 0\n";
  const auto none = kTaskCpuUsage.make(written.host());
  ASSERT_FALSE(none.has_value());
  EXPECT_NE(none.error().message.find("CONFIG_SCHEDSTATS"), std::string::npos);
  std::filesystem::remove(written.host().path("proc/1/schedstat"));
  EXPECT_FALSE(kTaskCpuUsage.make(written.host()).has_value());
}

}  // namespace
}  // namespace rezolus
