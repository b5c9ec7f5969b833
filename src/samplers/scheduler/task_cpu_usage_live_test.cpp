// SPDX-License-Identifier: Apache-2.0 OR MIT
// Threads that burn a known time, by their own clock, without capabilities as the agent is; and a
// host on which tasks come and go until the schema starts over.

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include <grp.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/capabilities.h"
#include "base/host.h"
#include "live/live.h"
#include "recording/frame/frame.h"
#include "samplers/scheduler/task_cpu_usage.h"
#include "samplers/scheduler/written_tasks.h"

namespace rezolus::live {
namespace {

constexpr std::uint64_t kBurnNs = 200 * kNsPerMs;

std::uint64_t clock_ns(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * kNsPerSecond +
         static_cast<std::uint64_t>(time.tv_nsec);
}

std::uint64_t own_cpu_ns() {
  return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

// A thread that burns CPU time, then sleeps until it is let go.
class Burner {
 public:
  explicit Burner(const std::string& name) {
    thread_ = std::thread([this, name] {
      ::pthread_setname_np(::pthread_self(), name.c_str());
      while (own_cpu_ns() < kBurnNs) {
      }
      tid_ = ::gettid();
      tid_.notify_one();
      leave_.wait(false);
    });
    tid_.wait(0);
  }
  ~Burner() { end(); }
  void end() {
    leave_ = true;
    leave_.notify_one();
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] pid_t tid() const { return tid_; }
  // By the thread's own clock, read from outside.
  [[nodiscard]] std::uint64_t cpu_ns() {
    clockid_t clock{};
    ::pthread_getcpuclockid(thread_.native_handle(), &clock);
    return clock_ns(clock);
  }

 private:
  std::atomic<pid_t> tid_ = 0;
  std::atomic<bool> leave_ = false;
  std::thread thread_;
};

std::int64_t index_of(const SnapshotRef& snapshot, pid_t tid, const std::string& comm) {
  return find_series(*snapshot->schema, "task_cpu_usage",
                     {{"comm", comm},
                      {"pid", std::to_string(tid)},
                      {"tgid", std::to_string(::getpid())}});
}

// Collects until the source has been read anew, which is at most once a second.
SnapshotRef collect_later(LiveCollector& collector) {
  SnapshotRef snapshot;
  for (int i = 0; i < 3; ++i) {
    ::usleep(1'100'000);
    snapshot = collector->collect();
  }
  return snapshot;
}

TEST(task_cpu_usage, IsTheThreadsOwnClockAndGoesWithIt) {
  LiveCollector collector({"task_cpu_usage", "task_exits"}, Mode::kBest);
  const std::string name = "burn (a) b";
  Burner burner(name);
  const SnapshotRef before = collect_later(collector);
  const std::int64_t index = index_of(before, burner.tid(), name);
  ASSERT_GE(index, 0);
  const std::uint64_t ours_ns = before->scalars[static_cast<std::size_t>(index)];
  EXPECT_GE(ours_ns, kBurnNs);
  EXPECT_EQ(ours_ns, burner.cpu_ns());  // it sleeps, so both are at rest
  burner.end();
  const SnapshotRef after = collect_later(collector);
  EXPECT_EQ(index_of(after, burner.tid(), name), -1);
  const std::uint64_t exited_ns = Delta(before, after).counter("cpu_usage_exited_tasks");
  EXPECT_GE(exited_ns, ours_ns);
  if (in_vm()) {
    EXPECT_LE(exited_ns, ours_ns + kBurnNs / 2) << "the exit is short, also where it is emulated";
  }
  collector.expect_no_losses();
}

// Tasks of other users and those with more capabilities are seen without a capability.
TEST(task_cpu_usage, NeedsNoCapability) {
  const pid_t other = ::fork();
  if (other == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(1);
    while (own_cpu_ns() < 20 * kNsPerMs) {
    }
    ::pause();
    ::_exit(0);
  }
  ASSERT_GT(other, 0);
  ::usleep(500'000);
  const pid_t reader = ::fork();
  if (reader == 0) {
    if (!drop_capabilities()) ::_exit(2);
    auto host = read_host();
    CollectorConfig config;
    config.samplers_enabled = false;
    config.sampler_enabled["task_cpu_usage"] = true;
    auto collector = Collector::create(*host, config);
    if (!collector) ::_exit(3);
    const SnapshotRef snapshot = (*collector)->collect();
    bool init = false;
    for (std::size_t i = 0; i < snapshot->schema->series.size(); ++i) {
      for (const auto& [key, value] : snapshot->schema->series[i]->labels) {
        if (key != "pid") continue;
        init = init || (value == "1" && snapshot->scalars[i] > 0);
        if (value == std::to_string(other) && snapshot->scalars[i] < 20 * kNsPerMs) ::_exit(4);
        if (value == std::to_string(other) && init) ::_exit(0);
      }
    }
    ::_exit(5);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(reader, &status, 0), reader);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  ::kill(other, SIGKILL);
  ::waitpid(other, &status, 0);
}

// Every value by the name of its series.
std::map<std::string, std::uint64_t> values_of(const Snapshot& snapshot) {
  std::map<std::string, std::uint64_t> values;
  for (std::size_t i = 0; i < snapshot.schema->series.size(); ++i) {
    const Series* series = snapshot.schema->series[i].get();
    if (series == nullptr || snapshot.present[i] == 0) continue;
    values[series_name(series->name, series->labels)] = snapshot.scalars[i];
  }
  return values;
}

std::uint64_t sum_of(const std::map<std::string, std::uint64_t>& values, std::string_view prefix) {
  std::uint64_t sum = 0;
  for (const auto& [name, value] : values) sum += name.starts_with(prefix) ? value : 0;
  return sum;
}

// A stream of snapshots through the frame format and back.
class Framed {
 public:
  SnapshotRef of(const Snapshot& snapshot) {
    std::string frames;
    EXPECT_TRUE(encoder_.encode(snapshot, frames).has_value());
    decoder_.feed(frames);
    SnapshotRef framed;
    for (auto event = decoder_.next(); event && *event; event = decoder_.next()) {
      if ((*event)->snapshot) framed = (*event)->snapshot;
    }
    EXPECT_NE(framed, nullptr);
    return framed;
  }

 private:
  FrameEncoder encoder_{SourceMetadata{}};
  FrameDecoder decoder_;
};

// Tasks of a written host, all of them new in each round, beside BPF families that run. A disk goes
// and another comes, so that the series of families do not keep their indices either.
class Rounds {
 public:
  Rounds() {
    for (const auto& entry : std::filesystem::directory_iterator("/sys")) {
      if (entry.path().filename() == "block") continue;
      std::filesystem::create_directories(path("sys"));
      std::filesystem::create_directory_symlink(entry, path("sys") / entry.path().filename());
    }
    add_disk("old");
    write();
    auto host = read_host();
    EXPECT_TRUE(host.has_value());
    host->root = path("");
    host->clock.monotonic_ns = [this] { return monotonic_ns() + skipped_ns_; };
    CollectorConfig config;
    config.samplers_enabled = false;
    config.sampler_enabled = {
        {"task_cpu_usage", true}, {"syscall_counts", true}, {"blockio_requests", true},
        {"softirq", true}};
    collector_ = Collector::create(*host, config).value();
    std::filesystem::remove_all(path("sys/block/old"));
    add_disk("new");
  }
  // The values once all are those of the next round, which a pass at a bad moment has only in part.
  SnapshotRef next() {
    ++round_;
    write();
    SnapshotRef snapshot;
    for (int i = 0; i < 500; ++i) {
      if (i % 50 == 0) skipped_ns_ += 10 * kNsPerSecond;  // cold: a collect asks for more
      snapshot = collector_->collect();
      if (is_complete(values_of(*snapshot))) return snapshot;
      ::usleep(20'000);
    }
    ADD_FAILURE() << "the tasks of round " << round_ << " were not read";
    return snapshot;
  }
  static std::string name_of(int task) {
    return fmt::format("task_cpu_usage{{comm=\"t\",pid=\"{}\",tgid=\"2\"}}", 10 + task);
  }

 private:
  static constexpr int kTasks = static_cast<int>(kTaskSeriesMax);

  [[nodiscard]] std::filesystem::path path(const char* relative) const {
    return written_.host().path(relative);
  }
  void add_disk(const std::string& name) const {
    std::filesystem::create_directories(path("sys/block") / name / "mq");
    std::ofstream(path("sys/block") / name / "dev") << (name == "old" ? "300:0\n" : "300:1\n");
  }
  [[nodiscard]] std::uint64_t ran_ns(int task) const {
    return 1'000'000 * round_ + static_cast<unsigned>(task);
  }
  [[nodiscard]] bool is_complete(const std::map<std::string, std::uint64_t>& values) const {
    for (int i = 0; i < kTasks; ++i) {
      const auto found = values.find(name_of(i));
      if (found == values.end() || found->second != ran_ns(i)) return false;
    }
    return true;
  }
  void write() const {
    for (int i = 0; i < kTasks; ++i) {
      written_.write(2, 10 + i, stat_text(10 + i, "t", 'S', round_),
                     fmt::format("{} 0 1\n", ran_ns(i)));
    }
  }

  WrittenTasks written_;
  std::uint64_t round_ = 1;
  std::atomic<std::uint64_t> skipped_ns_ = 0;
  std::unique_ptr<Collector> collector_;  // last: its threads use the clock
};

TEST(task_cpu_usage, TheSchemaStartsOverBeforeItGrowsTooLarge) {
  constexpr std::uint64_t kCalls = 1000;
  if (in_vm()) GTEST_SKIP() << "the same on every kernel, and long under emulation";
  Rounds rounds;
  Framed framed;
  SnapshotRef last = rounds.next();
  const std::uint64_t calls_before = sum_of(values_of(*last), "syscall{");
  bool shrank = false;
  for (int round = 0; round < 5; ++round) {
    for (std::uint64_t i = 0; i < kCalls; ++i) ::syscall(SYS_getppid);
    const SnapshotRef now = rounds.next();
    auto values = values_of(*now);
    // The values of the BPF families follow their series as well.
    for (const auto& [name, before] : values_of(*last)) {
      if (name.starts_with("syscall") || name.starts_with("softirq")) {
        ASSERT_GE(values[name], before) << name;
      }
    }
    EXPECT_EQ(values_of(*framed.of(*now)), values);
    EXPECT_LT(now->schema->series.size(), 16'384u + 2 * kTaskSeriesMax + 1000);
    shrank = shrank || now->schema->series.size() < last->schema->series.size();
    last = now;
  }
  EXPECT_TRUE(shrank);
  EXPECT_TRUE(values_of(*last).contains("blockio_device_operations{device=\"new\",op=\"read\"}"));
  EXPECT_GE(sum_of(values_of(*last), "syscall{"), calls_before + 5 * kCalls);
}

}  // namespace
}  // namespace rezolus::live
