// SPDX-License-Identifier: Apache-2.0 OR MIT
// CPU time of every task that lives, from /proc/PID/task/TID. Series come and go with the tasks.

#include "samplers/scheduler/task_cpu_usage.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "samplers/files.h"
#include "wire/utf8.h"

namespace rezolus {
namespace {

constexpr std::string_view kName = "task_cpu_usage";

enum Slot : std::uint32_t { kUsage, kFolded, kUnread, kSlotCount };

constexpr Metric kMetrics[] = {
    {.slot = kUsage,
     .name = "task_cpu_usage",
     .unit = Unit::kNanoseconds,
     .dimension = Dimension::kTask,
     .prometheus = "rezolus_task_cpu_usage_seconds_total",
     .lean = false,
     .help = "CPU time of a task, by the scheduler's own account."},
    {.slot = kFolded,
     .name = "task_cpu_usage_folded",
     .unit = Unit::kTasks,
     .type = MetricType::kGauge,
     .prometheus = "rezolus_task_cpu_usage_folded_tasks",
     .lean = false,
     .help = "Tasks that have no series of their own and are summed as comm=\"other\"."},
    {.slot = kUnread,
     .name = "task_cpu_usage_unread",
     .unit = Unit::kTasks,
     .type = MetricType::kGauge,
     .prometheus = "rezolus_task_cpu_usage_unread_tasks",
     .lean = false,
     .help = "Tasks that are not read, since there are more than the sampler reads."},
};
static_assert(check_metrics(kMetrics, kSlotCount, 0));

// Of stat: the fields are numbered from the one after the name, which is the state.
constexpr std::size_t kFlagsField = 6;
constexpr std::size_t kStartField = 19;
constexpr std::uint64_t kWorkqueueWorker = 0x20;  // PF_WQ_WORKER

template <typename Number>
bool parse_number(std::string_view word, Number& number) {
  const auto [end, failed] = std::from_chars(word.begin(), word.end(), number);
  return failed == std::errc() && end == word.end();
}

// Takes the next word off the text; empty at its end.
std::string_view next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \n"), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(" \n"));
  text.remove_prefix(word.size());
  return word;
}

// The kernel writes a newline and a backslash of a name as \n and \\.
std::string unescaped(std::string_view name) {
  std::string text;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool escape = name[i] == '\\' && i + 1 < name.size();
    if (escape) ++i;
    text += escape && name[i] == 'n' ? '\n' : name[i];
  }
  return text;
}

// "kworker/0:1-events" or "kworker/R-mm_percpu_wq+mm_percpu_wq" without what it works on, which
// changes all the time.
std::string_view worker_name(std::string_view name) {
  constexpr std::string_view kRescuer = "kworker/R-";
  return name.substr(
      0, name.find_first_of("+-", name.starts_with(kRescuer) ? kRescuer.size() : 0));
}

// A folder of /proc that is being listed.
class Folder {
 public:
  explicit Folder(Fd fd) : stream_(fd.valid() ? ::fdopendir(fd.get()) : nullptr) {
    if (stream_) static_cast<void>(fd.release());
  }
  [[nodiscard]] bool valid() const { return stream_ != nullptr; }
  [[nodiscard]] int fd() const { return ::dirfd(stream_.get()); }
  // The next entry that is a number.
  std::optional<pid_t> next() {
    while (const dirent* entry = ::readdir(stream_.get())) {
      pid_t id = 0;
      if (parse_number(std::string_view(entry->d_name), id) && id > 0) return id;
    }
    return std::nullopt;
  }

 private:
  struct Closer {
    void operator()(DIR* stream) const { ::closedir(stream); }
  };
  std::unique_ptr<DIR, Closer> stream_;
};

Fd open_at(int folder, const char* path, int flags) {
  return Fd(::openat(folder, path, flags | O_CLOEXEC));
}

// The files are made when they are read: one read(2) has them whole.
using TaskText = std::array<char, 4096>;

std::string_view read_at(int folder, const char* file, TaskText& text) {
  const Fd fd = open_at(folder, file, O_RDONLY);
  const ssize_t size = fd.valid() ? ::read(fd.get(), text.data(), text.size()) : -1;
  return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

struct Task {
  pid_t tgid = 0;
  TaskStat stat;
  TaskTimes times;
  std::uint64_t grew_ns = 0;      // in the last pass
  std::uint64_t activity_ns = 0;  // the same, with half of what it was before
  std::uint64_t pass = 0;         // the last one that it was seen in
  std::shared_ptr<const Series> series;  // null: it is folded
};

class TaskCpuUsage final : public Source {
 public:
  explicit TaskCpuUsage(const Host& host)
      : path_(host.path("proc")),
        folded_(std::make_shared<const Series>(make_series(kMetrics[kFolded], kName))),
        unread_(std::make_shared<const Series>(make_series(kMetrics[kUnread], kName))) {}

  [[nodiscard]] std::vector<Series> series() const override { return {*folded_, *unread_}; }

  Result<void> read(Reading& reading) override {
    auto opened = Fd::open(path_, O_RDONLY | O_DIRECTORY);
    if (!opened) return std::unexpected(opened.error());
    Folder proc(std::move(*opened));
    if (!proc.valid()) return error("list {}", path_);
    ++pass_;
    changed_ = list_ == nullptr;
    unread_count_ = 0;
    while (const auto process = proc.next()) {
      const std::string path = fmt::format("{}/task", *process);
      Folder threads(open_at(proc.fd(), path.c_str(), O_RDONLY | O_DIRECTORY));
      if (!threads.valid()) continue;  // it ended
      while (const auto thread = threads.next()) see(proc.fd(), *process, *thread);
    }
    forget_gone(proc.fd());
    if (tasks_.empty()) return error("read {}: no task in it", path_);
    share_series();
    fold();
    if (changed_) rebuild_list();
    fill(reading);
    return {};
  }

 private:
  // Reads the task, unless there are too many.
  void see(int proc, pid_t tgid, pid_t tid) {
    const auto known = tasks_.find(tid);
    if (known == tasks_.end() && tasks_.size() >= kTasksReadMax) {
      ++unread_count_;
      return;
    }
    // The open folder stays this task's: its files cannot become those of another.
    const std::string path = fmt::format("{}/task/{}", tgid, tid);
    const Fd folder = open_at(proc, path.c_str(), O_PATH | O_DIRECTORY);
    if (!folder.valid()) return;
    TaskText text;
    const auto times = parse_task_schedstat(read_at(folder.get(), "schedstat", text));
    if (!times) return;
    // One that did not run since is the same one under the same name. It costs half as much.
    if (known != tasks_.end() && known->second.times == *times && times->ran_ns > 0) {
      take(known->second, *times);
      return;
    }
    auto stat = parse_task_stat(read_at(folder.get(), "stat", text));
    if (!stat || stat->dead) return;  // the time of the dead is task_exits' to tell
    Task& task = known == tasks_.end() ? tasks_[tid] : known->second;
    const bool same = task.pass != 0 && task.tgid == tgid && task.stat == *stat &&
                      task.times.ran_ns <= times->ran_ns;
    if (!same) renew(task, tgid, std::move(*stat), times->ran_ns);
    take(task, *times);
  }

  // Another task, or the same one after an exec or under another name: its series is another.
  void renew(Task& task, pid_t tgid, TaskStat stat, std::uint64_t ran_ns) {
    const bool lives_on =
        task.stat.start_ticks == stat.start_ticks && task.times.ran_ns <= ran_ns;
    const bool had_series = task.series != nullptr;
    if (!lives_on) task = {};
    task.tgid = tgid;
    task.stat = std::move(stat);
    drop_series(task, had_series);
  }

  void take(Task& task, const TaskTimes& times) const {
    if (task.pass == pass_) return;  // listed twice
    task.grew_ns = times.ran_ns - task.times.ran_ns;
    task.activity_ns = task.activity_ns / 2 + task.grew_ns;
    task.times = times;
    task.pass = pass_;
  }

  void drop_series(Task& task, bool had_series) {
    task.series.reset();
    named_count_ -= had_series ? 1 : 0;
    changed_ = changed_ || had_series;
  }

  // Those that the listing left out, which happens while threads end, are looked for by number.
  void forget_gone(int proc) {
    std::vector<std::pair<pid_t, pid_t>> missed;
    for (const auto& [tid, task] : tasks_) {
      if (task.pass != pass_) missed.emplace_back(task.tgid, tid);
    }
    for (const auto& [tgid, tid] : missed) {
      see(proc, tgid, tid);
      const auto task = tasks_.find(tid);
      if (task->second.pass == pass_) continue;
      drop_series(task->second, task->second.series != nullptr);
      tasks_.erase(task);
    }
  }

  // A series for each while there is room; then for those that run most. The doubled threshold
  // keeps two of the same activity from taking turns.
  void share_series() {
    if (named_count_ == tasks_.size()) return;
    std::vector<std::pair<const pid_t, Task>*> named;
    std::vector<std::pair<const pid_t, Task>*> waiting;
    for (auto& entry : tasks_) (entry.second.series ? named : waiting).push_back(&entry);
    const auto activity = [](const auto* entry) { return entry->second.activity_ns; };
    std::ranges::stable_sort(waiting, std::greater{}, activity);
    std::ranges::stable_sort(named, std::less{}, activity);
    auto least = named.begin();
    for (auto* entry : waiting) {
      if (named_count_ >= kTaskSeriesMax) {
        if (least == named.end() || activity(entry) / 2 <= activity(*least)) return;
        drop_series((*least++)->second, true);
      }
      entry->second.series = series_of(entry->first, entry->second);
      ++named_count_;
      changed_ = true;
    }
  }

  static std::shared_ptr<const Series> series_of(pid_t tid, const Task& task) {
    Labels labels = {{"pid", std::to_string(tid)}, {"tgid", std::to_string(task.tgid)}};
    if (!task.stat.comm.empty()) labels.emplace_back("comm", escaped_utf8(task.stat.comm));
    return std::make_shared<const Series>(make_series(kMetrics[kUsage], kName, std::move(labels)));
  }

  // Adds the growth, so that the sum does not shrink when a task ends or gets a series.
  void fold() {
    if (named_count_ == tasks_.size()) return;
    for (const auto& [tid, task] : tasks_) other_ns_ += task.series ? 0 : task.grew_ns;
    if (other_) return;
    other_ = std::make_shared<const Series>(
        make_series(kMetrics[kUsage], kName, {{"comm", "other"}}));
    changed_ = true;
  }

  void rebuild_list() {
    std::vector<std::shared_ptr<const Series>> all = {folded_, unread_};
    if (other_) all.push_back(other_);
    for (const auto& [tid, task] : tasks_) {
      if (task.series) all.push_back(task.series);
    }
    list_ = std::make_shared<const std::vector<std::shared_ptr<const Series>>>(std::move(all));
  }

  // In the order of rebuild_list().
  void fill(Reading& reading) const {
    reading.series = list_;
    reading.values = {tasks_.size() - named_count_, unread_count_};
    if (other_) reading.values.push_back(other_ns_);
    for (const auto& [tid, task] : tasks_) {
      if (task.series) reading.values.push_back(task.times.ran_ns);
    }
    reading.present.assign(list_->size(), 1);
  }

  const std::string path_;
  const std::shared_ptr<const Series> folded_;
  const std::shared_ptr<const Series> unread_;
  std::map<pid_t, Task> tasks_;  // by thread id; all of them live, at most kTasksReadMax
  std::size_t named_count_ = 0;  // tasks with series
  std::uint64_t unread_count_ = 0;
  std::shared_ptr<const Series> other_;  // null until something is folded
  std::uint64_t other_ns_ = 0;
  SeriesList list_;
  bool changed_ = false;  // other series than in list_
  std::uint64_t pass_ = 0;
};

}  // namespace

std::optional<TaskStat> parse_task_stat(std::string_view text) {
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');  // a name may have some, what follows has none
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::nullopt;
  }
  const std::string_view name = text.substr(open + 1, close - open - 1);
  text.remove_prefix(close + 1);
  TaskStat stat;
  std::uint64_t flags = 0;
  for (std::size_t field = 0; field <= kStartField; ++field) {
    const std::string_view word = next_word(text);
    if (word.empty()) return std::nullopt;
    if (field == 0) stat.dead = word == "Z" || word == "X" || word == "x";
    if (field == kFlagsField && !parse_number(word, flags)) return std::nullopt;
    if (field == kStartField && !parse_number(word, stat.start_ticks)) return std::nullopt;
  }
  stat.comm = unescaped((flags & kWorkqueueWorker) != 0 ? worker_name(name) : name);
  return stat;
}

std::optional<TaskTimes> parse_task_schedstat(std::string_view text) {
  TaskTimes times;
  for (std::uint64_t* number : {&times.ran_ns, &times.waited_ns, &times.runs}) {
    if (!parse_number(next_word(text), *number)) return std::nullopt;
  }
  return times;
}

constinit const FileSampler kTaskCpuUsage = {
    .name = kName,
    .description = "CPU time of every task that lives",
    .metrics = kMetrics,
    .period_ns_min = kNsPerSecond,
    .make = [](const Host& host) -> Result<std::unique_ptr<Source>> {
      // All zero where the kernel keeps no account: the first process has surely run.
      auto text = read_file(host.path("proc/1/schedstat"));
      if (!text) return std::unexpected(text.error());
      const auto times = parse_task_schedstat(*text);
      if (!times || times->ran_ns == 0) {
        return error("read {}: the kernel keeps no account there (CONFIG_SCHEDSTATS, or the boot "
                     "parameter delayacct)",
                     host.path("proc/1/schedstat"));
      }
      return std::make_unique<TaskCpuUsage>(host);
    },
    .notes =
        {.measures =
             "The scheduler's own account of each task's time on CPUs (sum_exec_runtime, the first "
             "number of /proc/PID/task/TID/schedstat), read once per refresh; that of a task which "
             "is running is up to a tick old. A task is a thread: pid is its own id, tgid its "
             "process's, comm its name, left out when empty; bytes of a name that are no UTF-8 are "
             "written as \\xNN, and a kernel worker's name leaves out what it works on. Series "
             "begin with the whole time of the task. A reused id, an exec and a new name begin a "
             "new series; that of a task that ended is gone at the next pass. At most 4,096 tasks "
             "have series: all while there is room, then those that ran most lately; the growth "
             "of the others is summed as comm=\"other\", and task_cpu_usage_folded says how many "
             "these are. At most 32,768 tasks are read; task_cpu_usage_unread says how many are "
             "not.",
         .cost =
             "One pass per refresh, at most each second, in the thread that reads files: about "
             "3.5 µs for a thread that did not run since the pass before, 9 µs for one that did, "
             "and 3 µs more for each process: 10 to 30 ms for 3,000 threads. About 1 KB of memory "
             "for each task that has a series, and as many series in every snapshot.",
         .needs =
             "A kernel with CONFIG_SCHED_INFO, as all distributions build it, and the file "
             "schedstat. No capability: the files are readable by everybody, unless /proc is "
             "mounted with hidepid and the agent is not in the group that gid= names (root's "
             "by default), or with hidepid=ptraceable: then only the agent's own are seen. In a "
             "PID namespace, the tasks of the namespace.",
         .reading =
             "Growth over a second is the share of one CPU. The time of a task between the last "
             "pass that saw it and its end, and the whole of one that lived less than a pass, are "
             "in cpu_usage_exited_tasks only: switch task_exits on as well, and compare. Then the "
             "growth of all tasks and of the exited ones together covers the CPU time of the "
             "host, with the past of an ended task counted again as it ends."},
    .on_by_default = false,
};

}  // namespace rezolus
