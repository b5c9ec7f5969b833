// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/uploads.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>
#include <utility>

#include <pthread.h>
#include <spdlog/spdlog.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/store_url.h"
#include "flight_recorder/upload_target.h"
#include "recorder/converter.h"

namespace rezolus {
namespace {

constexpr std::uint64_t kDelayNsMin = kNsPerSecond;
constexpr std::uint64_t kDelayNsMax = 300 * kNsPerSecond;
// A large file over a slow line takes long; one that takes longer is hanging.
constexpr std::uint64_t kUploadTimeoutNs = 1800 * kNsPerSecond;
constexpr std::uint64_t kPollNs = 50 * kNsPerMs;
constexpr std::size_t kJsonBytesMax = 1u << 20;

// Where it goes is decided now: a target that was put right holds for what waits, too. The JSON that
// is uploaded names it.
Result<std::string> target_of(const FlightOptions& options, const std::string& path) {
  auto text = read_file(path + ".json", kJsonBytesMax);
  if (!text) return std::unexpected(std::move(text.error()));
  nlohmann::json reasons = nlohmann::json::parse(*text, nullptr, false);
  const std::string time = std::filesystem::path(path).stem().string();
  std::string url = expand_upload_target(options.output, target_names(reasons, time));
  const std::string shown = shown_store_url(url);
  if (reasons.is_object() && reasons.value("path", nlohmann::json()) != shown) {
    reasons["path"] = shown;
    const auto dumped = reasons.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
    if (auto written = write_file_atomic(path + ".json", dumped + "\n"); !written) {
      return std::unexpected(std::move(written.error()));
    }
  }
  return url;
}

Result<void> upload_one(const FlightOptions& options, const std::string& path,
                        const std::atomic<bool>& cancel) {
  auto converter = find_converter();
  if (!converter) return std::unexpected(std::move(converter.error()));
  auto url = target_of(options, path);
  if (!url) return std::unexpected(std::move(url.error()));
  std::string said;
  const auto sent =
      run_converter(*converter, {"upload", path, *url},
                    {.cancel = &cancel, .timeout_ns = kUploadTimeoutNs, .said = &said});
  if (!sent) return std::unexpected(sent.error());
  return {};
}

}  // namespace

std::uint64_t upload_delay_ns(std::uint64_t failure_count, double share) {
  std::uint64_t delay_ns = kDelayNsMin;
  for (std::uint64_t i = 1; i < failure_count && delay_ns < kDelayNsMax; ++i) delay_ns *= 2;
  delay_ns = std::min(delay_ns, kDelayNsMax);
  return delay_ns - static_cast<std::uint64_t>(share * static_cast<double>(delay_ns) / 2);
}

Uploads::Uploads(UploadSpool spool, Upload upload, Delay delay)
    : upload_(std::move(upload)),
      delay_(std::move(delay)),
      spool_(std::move(spool)),
      thread_([this] { run(); }) {}

void Uploads::stop() {
  {
    const std::lock_guard lock(mutex_);
    cancel_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<std::string> Uploads::new_path(std::uint64_t asked_ns, std::string_view suffix) {
  const std::lock_guard lock(mutex_);
  return spool_.new_path(asked_ns, suffix);
}

void Uploads::add(const std::string& path) {
  {
    const std::lock_guard lock(mutex_);
    spool_.add(path, uploading_);
  }
  wake_.notify_all();
}

UploadState Uploads::state() const {
  const std::lock_guard lock(mutex_);
  const std::uint64_t now_ns = monotonic_ns();
  return {.waiting_count = spool_.count(),
          .waiting_bytes = spool_.size_bytes(),
          .done_count = done_count_,
          .failed_count = failed_count_,
          .dropped_count = spool_.dropped_count(),
          .dropped_bytes = spool_.dropped_bytes(),
          .next_try_ns = next_try_ns_ > now_ns ? next_try_ns_ - now_ns : 0,
          .problem = problem_};
}

void Uploads::drain(std::uint64_t timeout_ns, const std::atomic<bool>& hurry) {
  const std::uint64_t until_ns = monotonic_ns() + timeout_ns;
  std::unique_lock lock(mutex_);
  while (!cancel_ && !hurry && monotonic_ns() < until_ns) {
    const UploadSpool::Entry* next = spool_.next();
    if (next == nullptr || (uploading_.empty() && !next->fresh && next_try_ns_ > monotonic_ns())) {
      return;
    }
    wake_.wait_for(lock, std::chrono::nanoseconds(kPollNs));
  }
}

void Uploads::run() {
  ::pthread_setname_np(::pthread_self(), "uploads");
  std::unique_lock lock(mutex_);
  while (!cancel_) {
    const UploadSpool::Entry* next = spool_.next();
    const std::uint64_t now_ns = monotonic_ns();
    if (next == nullptr) {
      wake_.wait(lock);
    } else if (!next->fresh && next_try_ns_ > now_ns) {
      wake_.wait_for(lock, std::chrono::nanoseconds(next_try_ns_ - now_ns));
    } else {
      uploading_ = next->path;
      try_one(lock);
      uploading_.clear();
      wake_.notify_all();
    }
  }
}

void Uploads::try_one(std::unique_lock<std::mutex>& lock) {
  const std::string path = uploading_;
  lock.unlock();
  const auto uploaded = upload_(path, cancel_);
  const bool gone = !uploaded && ::access(path.c_str(), F_OK) != 0;
  lock.lock();
  if (uploaded) {
    spool_.remove(path);
    ++done_count_;
    if (!problem_.empty()) spdlog::info("snapshots are uploaded again");
    failures_in_a_row_ = 0;
    next_try_ns_ = 0;
    problem_.clear();
    return;
  }
  if (cancel_) return;  // it stays for the next run
  if (gone) {
    spdlog::warn("{} was removed before it was uploaded", path);
    spool_.drop(path);
    return;
  }
  ++failed_count_;
  spool_.note_failure(path);
  const std::uint64_t delay_ns = delay_(++failures_in_a_row_);
  next_try_ns_ = monotonic_ns() + delay_ns;
  const std::string& why = uploaded.error().message;
  if (problem_.empty()) {
    spdlog::warn("a snapshot could not be uploaded: {}; {} is kept, and it is tried again", why,
                 path);
  } else {
    spdlog::debug("upload of {}: {}", path, why);
  }
  problem_ = why;
}

Result<std::unique_ptr<Uploads>> open_uploads(const FlightOptions& options) {
  if (auto converter = find_converter(); !converter) {
    return context("snapshots cannot be uploaded", std::move(converter.error()));
  }
  auto spool = UploadSpool::open(
      options.buffer + "/spool",
      {.count = options.spool_count_max, .size_bytes = options.spool_size_bytes_max});
  if (!spool) return std::unexpected(std::move(spool.error()));
  if (spool->count() != 0) spdlog::info("{} snapshots wait to be uploaded", spool->count());
  return std::make_unique<Uploads>(
      std::move(*spool),
      [&options](const std::string& path, const std::atomic<bool>& cancel) {
        return upload_one(options, path, cancel);
      },
      [random = std::mt19937(std::random_device()())](std::uint64_t failure_count) mutable {
        return upload_delay_ns(failure_count, std::uniform_real_distribution<>()(random));
      });
}

}  // namespace rezolus
