// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/stream_writer.h"

#include <utility>

#include <fmt/format.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "base/cpu_time.h"

namespace rezolus::http {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

namespace {

// Beside what the stream keeps for a listener, the kernel keeps this; it would grow to megabytes.
constexpr int kSendBufferSizeBytes = 128 << 10;

}  // namespace

StreamWriter::StreamWriter(asio::io_context& io, std::unique_ptr<Channel> channel,
                           std::shared_ptr<BodyStream> stream, Config config,
                           std::function<void(bool)> on_closed)
    : channel_(std::move(channel)),
      deadline_(io),
      stream_(std::move(stream)),
      config_(config),
      on_closed_(std::move(on_closed)) {}

void StreamWriter::start(std::string header, const Post& post) {
  ErrorCode ignored;
  channel_->socket().set_option(asio::socket_base::send_buffer_size(kSendBufferSizeBytes), ignored);
  writing_ = std::move(header);
  write();
  watch_for_end();
  // The flag is cleared before the stream is asked, so that no wake is lost.
  stream_->begin([post, weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->woken_.exchange(true)) return;
    post([weak] {
      if (const auto alive = weak.lock()) alive->on_wake();
    });
  });
}

void StreamWriter::on_wake() {
  woken_ = false;
  if (closed_ || finishing_) return;
  const std::uint64_t begin_ns = thread_cpu_ns();
  fill();
  if (!busy_) write_pending();
  account(begin_ns);
}

void StreamWriter::fill() {
  stream_->fill(pending_);
  finishing_ = stream_->ended();
}

void StreamWriter::account(std::uint64_t begin_ns) {
  if (stream_) stream_->spent(thread_cpu_ns() - begin_ns);
}

void StreamWriter::finish() {
  if (closed_ || finishing_) return;
  finishing_ = true;
  stream_->end(pending_);
  if (!busy_) write_pending();
}

void StreamWriter::close(bool timed_out) {
  if (closed_) return;
  closed_ = true;
  deadline_.cancel();
  channel_->close();
  stream_.reset();
  on_closed_(timed_out);
}

void StreamWriter::arm(std::chrono::milliseconds timeout) {
  deadline_.expires_after(timeout);
  deadline_.async_wait([weak = weak_from_this()](ErrorCode ec) {
    const auto self = weak.lock();
    if (ec || !self || self->closed_) return;
    if (self->deadline_.expiry() > asio::steady_timer::clock_type::now()) return;
    self->on_deadline();
  });
}

void StreamWriter::on_deadline() {
  if (leaving_) return close();
  if (busy_) return close(true);
  stream_->keep_alive(pending_);
  write_pending();
}

void StreamWriter::write_pending() {
  if (pending_.empty() && (!finishing_ || ended_)) {
    if (finishing_) say_goodbye();
    return;
  }
  chunk_.clear();
  std::swap(chunk_, pending_);
  writing_.clear();
  if (!config_.chunked) {
    std::swap(writing_, chunk_);
  } else {
    if (!chunk_.empty()) {
      fmt::format_to(std::back_inserter(writing_), "{:x}\r\n", chunk_.size());
      writing_ += chunk_;
      writing_ += "\r\n";
    }
    if (finishing_) writing_ += "0\r\n\r\n";
  }
  ended_ = finishing_;
  write();
}

void StreamWriter::write() {
  busy_ = true;
  arm(config_.write_timeout);
  patience_.begin(channel_->acknowledged_bytes(), WritePatience::Clock::now());
  asio::async_write(
      *channel_, asio::buffer(writing_),
      [self = shared_from_this()](ErrorCode ec, std::size_t) { self->on_written(!ec); });
}

std::optional<WritePatience::Clock::time_point> StreamWriter::waits_since(
    WritePatience::Clock::time_point now, const ServerLimits& limits) const {
  if (!busy_) return std::nullopt;
  return patience_.over_since(channel_->acknowledged_bytes(), now, limits);
}

void StreamWriter::on_written(bool ok) {
  if (closed_) return;
  if (!ok) return close();
  busy_ = false;
  const std::uint64_t begin_ns = thread_cpu_ns();
  if (!finishing_) {
    arm(config_.keep_alive);
    fill();
  }
  write_pending();
  account(begin_ns);
}

// A TLS connection that ends without a word could have been cut off by anybody.
void StreamWriter::say_goodbye() {
  if (!channel_->secure()) return close();
  if (leaving_) return;
  leaving_ = true;
  arm(std::chrono::milliseconds(500));
  channel_->async_finish([self = shared_from_this()](ErrorCode) { self->close(); });
}

// Without a tick for long, only this tells that the client is gone.
void StreamWriter::watch_for_end() {
  channel_->async_read_some(asio::buffer(ignored_),
                          [self = shared_from_this()](ErrorCode ec, std::size_t) {
                            if (self->closed_ || self->leaving_) return;
                            if (ec) return self->close();
                            self->watch_for_end();
                          });
}

}  // namespace rezolus::http
