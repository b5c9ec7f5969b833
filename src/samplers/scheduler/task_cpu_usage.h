// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What /proc says of one task: its name and identity (stat) and its time on CPUs (schedstat).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rezolus {

// Tasks that have series of their own.
inline constexpr std::size_t kTaskSeriesMax = 4096;
// Tasks that are read at all.
inline constexpr std::size_t kTasksReadMax = 32'768;

struct TaskStat {
  std::string comm;  // any bytes
  bool dead = false;
  std::uint64_t start_ticks = 0;  // since boot; tells two tasks of one thread id apart
  friend bool operator==(const TaskStat&, const TaskStat&) = default;
};

// Nothing when the text is no task's. A kernel worker is named without what it works on.
std::optional<TaskStat> parse_task_stat(std::string_view text);

struct TaskTimes {
  std::uint64_t ran_ns = 0;
  std::uint64_t waited_ns = 0;
  std::uint64_t runs = 0;  // times it was put on a CPU
  friend bool operator==(const TaskTimes&, const TaskTimes&) = default;
};

std::optional<TaskTimes> parse_task_schedstat(std::string_view text);

}  // namespace rezolus
