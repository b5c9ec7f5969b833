// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/sampling_thread.h"

#include <cerrno>
#include <future>

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rezolus {
namespace {

// Empty on success.
std::string apply_scheduler(const SchedulerConfig& config) {
  using Policy = SchedulerConfig::Policy;
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
  if (result == 0) return {};
  return fmt::format("real-time priority {}: {} (CAP_SYS_NICE is needed)", config.priority,
                     std::strerror(result));
}

}  // namespace

SamplingThread::SamplingThread(Collector& collector, std::uint64_t ttl_ns,
                               SchedulerConfig scheduler)
    : collector_(collector), ttl_ns_(ttl_ns), thread_([this, scheduler] { run(scheduler); }) {
  // Its class is settled when the constructor returns: the caller may give up privileges then.
  std::unique_lock lock(mutex_);
  started_.wait(lock, [this] { return running_; });
}

SamplingThread::~SamplingThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
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
    wake_.notify_one();
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

void SamplingThread::run(SchedulerConfig scheduler) {
  ::pthread_setname_np(::pthread_self(), "sampling");
  std::string refused = apply_scheduler(scheduler);
  std::unique_lock lock(mutex_);
  scheduler_error_ = std::move(refused);
  running_ = true;
  started_.notify_one();
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    lock.unlock();
    SnapshotRef snapshot = collector_.collect();
    lock.lock();
    latest_ = snapshot;
    std::vector<Callback> served = std::exchange(waiting_, {});
    lock.unlock();
    for (Callback& callback : served) callback(snapshot);
    lock.lock();
  }
}

}  // namespace rezolus
