// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/snapshot_queue.h"

#include <algorithm>
#include <chrono>

#include <pthread.h>
#include <spdlog/spdlog.h>

#include "flight_recorder/hook.h"

namespace rezolus {

SnapshotQueue::SnapshotQueue(const FlightOptions& options, const FlightBuffer& buffer,
                             Uploads* uploads)
    : options_(options), buffer_(buffer), uploads_(uploads), thread_([this] { run(); }) {}

void SnapshotQueue::stop() {
  cancel_ = true;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  wake_.notify_one();
  thread_.join();
  const Result<SnapshotReport> ended = error("no snapshot: the flight recorder was stopped");
  for (const Item& item : waiting_) {
    if (item.done) item.done(ended);
  }
}

Result<void> SnapshotQueue::submit(SnapshotRequest request, Done done) {
  // What comes up to its end has to be in the buffer first.
  const std::uint64_t now_ns = realtime_ns();
  const std::uint64_t written_ns = request.to_ns + options_.interval_ns;
  std::uint64_t wait_ns = 0;
  if (request.to_ns != 0 && written_ns > now_ns) wait_ns = written_ns - now_ns;
  const std::lock_guard lock(mutex_);
  if (stopped_) return error("the flight recorder is being stopped");
  if (waiting_.size() >= kWaitingMax) {
    ++counts_[{request.trigger, "refused"}];
    return error("{} snapshots wait already; ask again when one of them is done", kWaitingMax);
  }
  if (request.last) hurry_waiting();
  waiting_.push_back({std::move(request), std::move(done), monotonic_ns() + wait_ns});
  wake_.notify_one();
  return {};
}

// Nothing comes after the last: what waits for more is made of what there is, before it.
void SnapshotQueue::hurry_waiting() {
  const std::uint64_t now_ns = monotonic_ns();
  for (Item& item : waiting_) {
    if (item.due_ns <= now_ns) continue;
    item.due_ns = now_ns;
    item.request.to_ns = 0;
  }
}

std::map<std::pair<std::string, std::string>, std::uint64_t> SnapshotQueue::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::size_t SnapshotQueue::waiting_count() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size() + (making_ ? 1 : 0);
}

void SnapshotQueue::run() {
  ::pthread_setname_np(::pthread_self(), "snapshots");
  std::unique_lock lock(mutex_);
  while (!cancel_) {
    if (waiting_.empty()) {
      wake_.wait(lock);
      continue;
    }
    const auto next = std::ranges::min_element(waiting_, {}, &Item::due_ns);
    const std::uint64_t now_ns = monotonic_ns();
    if (next->due_ns > now_ns) {
      wake_.wait_for(lock, std::chrono::nanoseconds(next->due_ns - now_ns));
      continue;
    }
    const Item item = std::move(*next);
    waiting_.erase(next);
    making_ = true;
    lock.unlock();
    make(item);
    lock.lock();
    making_ = false;
  }
}

Result<SnapshotReport> SnapshotQueue::make_file(SnapshotRequest request) const {
  if (uploads_ != nullptr && request.private_path.empty()) {
    auto path = uploads_->new_path(request.asked_ns, format_suffix(options_.format));
    if (!path) return context("no snapshot", std::move(path.error()));
    request.spool_path = std::move(*path);
  }
  return make_snapshot(options_, buffer_, request, cancel_);
}

void SnapshotQueue::make(const Item& item) {
  const auto report = make_file(item.request);
  {
    const std::lock_guard lock(mutex_);
    ++counts_[{item.request.trigger, report ? "ok" : "failed"}];
  }
  const bool kept = item.request.private_path.empty();
  if (!report) {
    spdlog::error("{}", report.error().message);
  } else if (kept) {
    spdlog::info("snapshot {} ({}: {}), {} bytes in {:.1f} s", report->path, item.request.trigger,
                 item.request.reason, report->size_bytes,
                 static_cast<double>(report->took_ns) / static_cast<double>(kNsPerSecond));
    if (uploads_ == nullptr) rotate(options_);
  }
  if (item.done && !item.request.last) item.done(report);
  if (report && kept) run_hook(item.request, report->file);
  // Not before: the hook may read the file, which goes when it is uploaded.
  if (report && kept && uploads_ != nullptr) uploads_->add(report->file);
  if (item.done && item.request.last) item.done(report);
}

void SnapshotQueue::run_hook(const SnapshotRequest& request, const std::string& path) const {
  std::vector<std::string> command = request.exec.empty() ? options_.exec : request.exec;
  if (command.empty()) return;
  command.push_back(path);
  auto ran = rezolus::run_hook(std::move(command), options_.exec_timeout_ns, cancel_);
  if (!ran) spdlog::warn("exec: {}", ran.error().message);
}

}  // namespace rezolus
