// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/interrupt.h"

#include <cerrno>
#include <csignal>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

namespace rezolus {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
constexpr int kExitSecondSignal = 2;

std::atomic<bool> g_requested = false;
std::atomic<int> g_signal_number = 0;
std::atomic<int> g_event_fd = -1;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(g_event_fd.load(), &one, sizeof(one));
}

void handle_signal(int number) {
  if (g_requested.exchange(true)) {
    // Of a terminal that is closed there may be two, from its shell and from the kernel, and it may be
    // closed while what is left is finished.
    if (number == SIGHUP) return;
    ::_exit(kExitSecondSignal);
  }
  g_signal_number = number;
  const int saved_errno = errno;
  wake();
  errno = saved_errno;
}

}  // namespace

Interrupt::Interrupt() {
  CHECK(g_event_fd.load() < 0, "one Interrupt at a time");
  g_event_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  CHECK(g_event_fd.load() >= 0, "eventfd is given");
  struct sigaction action{};
  action.sa_handler = handle_signal;
  ::sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int signal : kSignals) {
    struct sigaction before{};
    ::sigaction(signal, nullptr, &before);
    // What nohup(1) ignores stays ignored. SIGINT, which a script's shell ignores for its
    // background jobs, is taken all the same: kill -INT has to finish a recording.
    if (signal != SIGHUP || before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);
  }
}

Interrupt::~Interrupt() {
  // Between close and the next Interrupt a signal writes to descriptor -1, which does nothing.
  ::close(g_event_fd.exchange(-1));
}

void Interrupt::request() {
  g_requested = true;
  wake();
}

const std::atomic<bool>& Interrupt::flag() { return g_requested; }

int Interrupt::signal_number() { return g_signal_number; }

bool Interrupt::wait_until(std::uint64_t deadline_ns) {
  while (!requested()) {
    const std::uint64_t now = monotonic_ns();
    if (now >= deadline_ns) return true;
    const std::uint64_t left = deadline_ns - now;
    const timespec timeout{static_cast<time_t>(left / kNsPerSecond),
                           static_cast<long>(left % kNsPerSecond)};
    pollfd event{.fd = g_event_fd.load(), .events = POLLIN, .revents = 0};
    ::ppoll(&event, 1, &timeout, nullptr);
  }
  return false;
}

}  // namespace rezolus
