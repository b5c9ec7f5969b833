// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "live/live.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/host.h"

namespace rezolus::live {
namespace {

bool kernel_before(unsigned major, unsigned minor) {
  const auto host = read_host();
  unsigned have_major = 0;
  unsigned have_minor = 0;
  if (!host || std::sscanf(host->kernel_release.c_str(), "%u.%u", &have_major, &have_minor) != 2) {
    return false;
  }
  return have_major != major ? have_major < major : have_minor < minor;
}

bool contains(const Labels& all, const Labels& some) {
  return std::ranges::all_of(some, [&](const auto& label) {
    return std::ranges::find(all, label) != all.end();
  });
}

}  // namespace

std::string to_string(const testing::TestParamInfo<Mode>& info) {
  switch (info.param) {
    case Mode::kBest: return "best";
    case Mode::kRawTracepoints: return "raw_tp";
    case Mode::kTaskHash: return "task_hash";
  }
  return "";
}

bool in_vm() { return std::getenv("REZOLUS_IN_VM") != nullptr; }

std::uint64_t now_ns() { return monotonic_ns(); }

std::uint64_t Delta::counter(std::string_view name, const Labels& labels) const {
  std::uint64_t sum = 0;
  bool found = false;
  for (std::size_t i = 0; i < after_->schema->series.size(); ++i) {
    if (after_->schema->series[i] == nullptr) continue;  // retired
    const Series& series = *after_->schema->series[i];
    if (series.name != name || !contains(series.labels, labels)) continue;
    found = true;
    EXPECT_EQ(after_->present[i], 1) << name;
    // A series that came in between began at zero.
    const std::uint64_t before = i < before_->scalars.size() ? before_->scalars[i] : 0;
    EXPECT_GE(after_->scalars[i], before) << name << " went back";
    sum += after_->scalars[i] - before;
  }
  EXPECT_TRUE(found) << "there is no series of " << name;
  return sum;
}

HistogramValue Delta::histogram(std::string_view name, const Labels& labels) const {
  HistogramValue merged;
  merged.buckets.resize(kAgentHistogram.bucket_count());
  bool found = false;
  for (const auto& series : after_->schema->series) {
    if (series == nullptr || series->name != name || !contains(series->labels, labels)) continue;
    found = true;
    const auto difference = histogram_subtract(*after_->histograms[series->histogram_index],
                                               *before_->histograms[series->histogram_index]);
    EXPECT_TRUE(difference) << name << " went back";
    if (difference) histogram_merge(merged, *difference);
  }
  EXPECT_TRUE(found) << "there is no series of " << name;
  return merged;
}

CollectorConfig live_config(const std::vector<std::string_view>& samplers, Mode mode) {
  CollectorConfig config;
  config.samplers_enabled = false;
  for (const std::string_view sampler : samplers) {
    config.sampler_enabled[std::string(sampler)] = true;
  }
  if (mode == Mode::kRawTracepoints) config.pretend_missing.insert("tp_btf");
  if (mode == Mode::kTaskHash) config.pretend_missing.insert("task_storage");
  return config;
}

LiveCollector::LiveCollector(const std::vector<std::string_view>& samplers, Mode mode,
                             std::set<std::string> pretend_missing)
    : created_ns_(now_ns()) {
  CollectorConfig config = live_config(samplers, mode);
  config.pretend_missing.merge(pretend_missing);
  auto host = read_host();
  CHECK(host.has_value(), "this host can be read");
  auto collector = Collector::create(*host, config);
  CHECK(collector.has_value(), "a collector can be made");
  collector_ = std::move(*collector);
  wait_for_own_threads();
  begin();
}

bool kernel_preempts_programs() { return !kernel_before(7, 0); }

void LiveCollector::expect_no_losses(std::uint64_t recursion_max) const {
  const CollectorStatus status = collector_->status();
  for (const LossStatus& loss : status.losses) {
    // Before 6.2 (e8b02296a6b8) a look-up in task storage that interrupts another one on its CPU
    // finds nothing; it is counted, and rare: 8 of 8,233 switches of a guest on a busy host.
    const bool rare = status.task_storage && kernel_before(6, 2) && loss.reason == "no_task_state";
    // A program of an event that interrupts itself, as softirq_raise does, is skipped when it hits
    // the few instructions of its own run.
    const bool nested = loss.reason == kRecursionLoss;
    EXPECT_LE(loss.count, rare ? 20u : nested ? recursion_max : 0u)
        << loss.family << " lost events: " << loss.reason;
  }
}

const SamplerStatus& LiveCollector::status_of(std::string_view sampler) {
  status_ = collector_->status();
  const auto found = std::ranges::find(status_.samplers, sampler, &SamplerStatus::name);
  CHECK(found != status_.samplers.end(), "the sampler exists");
  return *found;
}

void expect_count(std::uint64_t counted, std::uint64_t expected, std::string_view what) {
  if (in_vm()) {
    EXPECT_EQ(counted, expected) << what;
  } else {
    EXPECT_GE(counted, expected) << what;
  }
}

void expect_durations(const HistogramValue& histogram, std::vector<std::uint64_t> durations_ns,
                      std::string_view what) {
  std::vector<std::uint64_t> left = histogram.buckets;
  std::ranges::sort(durations_ns);
  for (const std::uint64_t duration : durations_ns) {
    const std::uint64_t bucket = kAgentHistogram.index(duration);
    bool found = false;
    for (const std::uint64_t near : {bucket, bucket - 1, bucket + 1}) {
      if (!found && near < left.size() && left[near] > 0) {
        --left[near];
        found = true;
      }
    }
    EXPECT_TRUE(found) << what << ": nothing in or beside the bucket of " << duration << " ns";
  }
}

std::int64_t own_wait_ns() {
  std::ifstream file("/proc/thread-self/schedstat");
  std::int64_t run_ns = 0;
  std::int64_t wait_ns = 0;
  return file >> run_ns >> wait_ns ? wait_ns : -1;
}

void expect_durations_within(const HistogramValue& histogram, std::uint64_t shortest_ns,
                             std::vector<std::uint64_t> durations_ns, std::string_view what) {
  std::vector<std::size_t> buckets;
  for (std::size_t i = 0; i < histogram.buckets.size(); ++i) {
    buckets.insert(buckets.end(), histogram.buckets[i], i);
  }
  std::ranges::sort(durations_ns);
  ASSERT_EQ(buckets.size(), durations_ns.size()) << what;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    EXPECT_GE(buckets[i], kAgentHistogram.index(shortest_ns)) << what;
    EXPECT_LE(buckets[i], kAgentHistogram.index(durations_ns[i])) << what;
  }
  EXPECT_GE(buckets.front() + 1, kAgentHistogram.index(durations_ns.front())) << what;
}

void wait_for_own_threads() {
  const std::string own = std::to_string(::syscall(SYS_gettid));
  const auto asleep = [&own] {
    std::error_code gone;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", gone)) {
      if (task.path().filename() == own) continue;
      std::string text;
      std::getline(std::ifstream(task.path() / "stat"), text);
      // "id (name) state …", and a name may hold anything.
      const std::size_t name_end = text.rfind(')');
      if (name_end != std::string::npos && text.substr(name_end, 3) != ") S") return false;
    }
    return true;
  };
  // Twice in a row: a thread that starts may sleep for a moment, waiting for a lock.
  for (int i = 0, in_a_row = 0; i < 1000 && in_a_row < 2; ++i) {
    in_a_row = asleep() ? in_a_row + 1 : 0;
    ::usleep(2000);
  }
}

void pin_to_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  CHECK(::sched_setaffinity(0, sizeof set, &set) == 0, "a thread can be pinned");
}

void unpin() {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int cpu = 0; cpu < online_cpus(); ++cpu) CPU_SET(static_cast<unsigned>(cpu), &set);
  CHECK(::sched_setaffinity(0, sizeof set, &set) == 0, "a thread can be let go");
}

int online_cpus() { return static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)); }

}  // namespace rezolus::live
