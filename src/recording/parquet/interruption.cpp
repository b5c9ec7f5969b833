// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/interruption.h"

#include <csignal>
#include <initializer_list>

namespace rezolus {
namespace {

volatile std::sig_atomic_t came = 0;

}  // namespace

void watch_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const auto before = std::signal(signal, [](int) { came = 1; });
    if (signal == SIGHUP && before == SIG_IGN) std::signal(signal, SIG_IGN);
  }
}

bool interrupted() { return came != 0; }

}  // namespace rezolus
