// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/sampling_thread.h"

#include <algorithm>
#include <cerrno>
#include <future>

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cpu_time.h"

namespace rezolus {
namespace {

int own_niceness() { return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid))); }

// Somebody gave this process a class or a niceness of his own.
bool started_otherwise() { return ::sched_getscheduler(0) != SCHED_OTHER || own_niceness() != 0; }

// Empty on success, and where nobody asked.
std::string apply_scheduler(const SchedulerConfig& config) {
  using Policy = SchedulerConfig::Policy;
  if (config.policy == Policy::kAuto && started_otherwise()) return {};
  if (config.policy == Policy::kNormal) {
    if (config.niceness == 0) return {};
    const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
    if (::setpriority(PRIO_PROCESS, thread, config.niceness) == 0) return {};
    return fmt::format("niceness {}: {} (CAP_SYS_NICE is needed below 0)", config.niceness,
                       std::strerror(errno));
  }
  const sched_param parameters{.sched_priority = config.priority};
  const int policy = config.policy == Policy::kFifo ? SCHED_FIFO : SCHED_RR;
  const int result = ::pthread_setschedparam(::pthread_self(), policy, &parameters);
  if (result == 0 || config.policy == Policy::kAuto) return {};
  return fmt::format("real-time priority {}: {} (CAP_SYS_NICE is needed)", config.priority,
                     std::strerror(result));
}

std::string own_class() {
  int policy = 0;
  sched_param parameters{};
  if (::pthread_getschedparam(::pthread_self(), &policy, &parameters) != 0) return {};
  if (policy == SCHED_FIFO) return fmt::format("fifo {}", parameters.sched_priority);
  if (policy == SCHED_RR) return fmt::format("round_robin {}", parameters.sched_priority);
  const std::string_view name = policy == SCHED_OTHER   ? "normal"
                                : policy == SCHED_BATCH ? "batch"
                                : policy == SCHED_IDLE  ? "idle"
                                                        : "unknown";
  const int niceness = own_niceness();
  return niceness == 0 ? std::string(name) : fmt::format("{}, niceness {}", name, niceness);
}

// A thread that runs for a tenth of a millisecond, and has to run at its time. Both are granted to
// everyone: they change when it runs, not how much.
void ask_for_prompt_wakeups() {
  // By default the kernel puts a wake-up off by up to 50 us, to wake others with it.
  ::prctl(PR_SET_TIMERSLACK, 1ul);
  // From Linux 6.12 on, a thread that asks for short slices may go before one that is in the middle of
  // a long one; older kernels ignore it. Real-time classes have no slices.
  struct {
    std::uint32_t size;
    std::uint32_t policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime_ns;
    std::uint64_t deadline_ns;
    std::uint64_t period_ns;
  } attributes{};
  constexpr std::uint64_t kSliceNs = 100'000;  // the shortest there is
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  if (attributes.policy != SCHED_OTHER) return;
  attributes.size = sizeof attributes;
  attributes.flags = 0;
  attributes.runtime_ns = kSliceNs;
  ::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

// What a reading costs this thread, waking up and handing it over included. Asking the kernel is a
// system call, which readings at short intervals share.
class ReadingCost {
 public:
  // After a reading: its CPU time, as the average of the last ones that are known.
  std::uint64_t next_ns(std::uint64_t now_ns) {
    ++count_;
    if (now_ns < asked_ns_ + kPeriodNs) return average_ns_;
    asked_ns_ = now_ns;
    const std::uint64_t spent_ns = thread_cpu_ns();
    average_ns_ = (spent_ns - std::exchange(spent_ns_, spent_ns)) / std::exchange(count_, 0);
    return average_ns_;
  }

 private:
  static constexpr std::uint64_t kPeriodNs = 10 * kNsPerMs;
  std::uint64_t spent_ns_ = thread_cpu_ns();
  std::uint64_t asked_ns_ = 0;
  std::uint64_t count_ = 0;  // readings since
  std::uint64_t average_ns_ = 0;
};

}  // namespace

SamplingThread::SamplingThread(Collect collect, std::uint64_t ttl_ns, SchedulerConfig scheduler,
                               const std::function<void()>& settled)
    : collect_(std::move(collect)),
      ttl_ns_(ttl_ns),
      thread_([this, scheduler, settled] { run(scheduler, settled); }) {
  // Its class is settled when the constructor returns: the caller may give up privileges then.
  std::unique_lock lock(mutex_);
  started_.wait(lock, [this] { return running_; });
}

SamplingThread::~SamplingThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify();
  thread_.join();
}

void SamplingThread::request(Callback callback) {
  SnapshotRef cached;
  {
    const std::lock_guard lock(mutex_);
    if (latest_ && monotonic_ns() - latest_->monotonic_ns <= ttl_ns_) {
      cached = latest_;
    } else {
      waiting_.push_back(std::move(callback));
    }
  }
  if (cached) {
    callback(std::move(cached));
  } else {
    wake_.notify();
  }
}

SnapshotRef SamplingThread::sample() {
  std::promise<SnapshotRef> promise;
  request([&promise](SnapshotRef snapshot) { promise.set_value(std::move(snapshot)); });
  return promise.get_future().get();
}

std::string SamplingThread::scheduler_error() const {
  const std::lock_guard lock(mutex_);
  return scheduler_error_;
}

std::string SamplingThread::scheduler_class() const {
  const std::lock_guard lock(mutex_);
  return scheduler_class_;
}

std::unique_ptr<SamplingThread::Subscription> SamplingThread::subscribe(std::uint64_t interval_ns,
                                                                        TickCallback callback) {
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    const std::uint64_t now_ns = monotonic_ns();
    if (listeners_.empty()) {
      grid_realtime_ns_ = realtime_ns();
      grid_monotonic_ns_ = now_ns;
    }
    TickSchedule ticks(grid_realtime_ns_, grid_monotonic_ns_, interval_ns);
    // To the tick in whose span it came, then to the next; what was before is nobody's loss.
    while (ticks.due_ns() <= now_ns) ticks.advance(now_ns);
    id = ++last_id_;
    listeners_.push_back({id, interval_ns, ticks, ticks.missed_count(),
                          std::make_shared<const TickCallback>(std::move(callback))});
  }
  wake_.notify();
  return std::make_unique<Subscription>(*this, id);
}

void SamplingThread::unsubscribe(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(listeners_, [id](const Listener& listener) { return listener.id == id; });
}

// Of the listener that sets the clock; kNever when nobody listens.
std::uint64_t SamplingThread::clock_due_ns() const {
  const auto fastest = std::ranges::min_element(listeners_, {}, &Listener::interval_ns);
  return fastest == listeners_.end() ? WakeUp::kNever : fastest->ticks.due_ns();
}

// False: the thread is to end.
bool SamplingThread::wait_for_work(std::unique_lock<std::mutex>& lock) {
  while (!stopping_ && waiting_.empty()) {
    const std::uint64_t due_ns = clock_due_ns();
    if (monotonic_ns() >= due_ns) break;
    lock.unlock();
    wake_.wait_until(due_ns);
    lock.lock();
  }
  return !stopping_;
}

void SamplingThread::take_due(const SnapshotRef& snapshot, std::uint64_t cpu_ns,
                              std::vector<Delivery>& due) {
  for (Listener& listener : listeners_) {
    TickSchedule& ticks = listener.ticks;
    const std::uint64_t first_due_ns = ticks.due_ns();
    if (snapshot->monotonic_ns < first_due_ns) continue;
    ticks.catch_up(snapshot->monotonic_ns);
    SampledTick tick{.snapshot = snapshot,
                     .missed_count = ticks.missed_count() - listener.told_missed_count,
                     .cpu_ns = cpu_ns};
    tick.missed_realtime_ns = snapshot->realtime_ns - (snapshot->monotonic_ns - first_due_ns);
    listener.told_missed_count = ticks.missed_count();
    ticks.advance(snapshot->monotonic_ns);
    due.push_back({listener.callback, std::move(tick)});
  }
}

void SamplingThread::run(SchedulerConfig scheduler, const std::function<void()>& settled) {
  ::pthread_setname_np(::pthread_self(), "sampling");
  std::string refused = apply_scheduler(scheduler);
  ask_for_prompt_wakeups();
  if (settled) settled();
  std::vector<Delivery> due;
  ReadingCost cost;
  std::unique_lock lock(mutex_);
  scheduler_error_ = std::move(refused);
  scheduler_class_ = own_class();
  running_ = true;
  started_.notify_one();
  while (wait_for_work(lock)) {
    lock.unlock();
    SnapshotRef snapshot = collect_();
    const std::uint64_t cpu_ns = cost.next_ns(snapshot->monotonic_ns);
    lock.lock();
    latest_ = snapshot;
    std::vector<Callback> served = std::exchange(waiting_, {});
    take_due(snapshot, cpu_ns, due);
    lock.unlock();
    for (const Delivery& delivery : due) (*delivery.callback)(delivery.tick);
    due.clear();
    for (Callback& callback : served) callback(snapshot);
    lock.lock();
  }
}

}  // namespace rezolus
