// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "workload.h"

#include <array>
#include <thread>

#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/result.h"
#include "measure.h"

namespace rezolus::bench {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    CHECK(::pipe(ends.data()) == 0, "pipe");
    read_end = Fd(ends[0]);
    write_end = Fd(ends[1]);
  }
  Fd read_end;
  Fd write_end;
};

void pass(const Fd& from, const Fd& to) {
  char byte = 0;
  CHECK(::read(from.get(), &byte, 1) == 1, "read from the pipe");
  CHECK(::write(to.get(), &byte, 1) == 1, "write to the pipe");
}

}  // namespace

double getppid_ns(std::uint64_t count) {
  const std::uint64_t begin_ns = process_cpu_ns();
  for (std::uint64_t i = 0; i < count; ++i) ::syscall(SYS_getppid);
  return static_cast<double>(process_cpu_ns() - begin_ns) / static_cast<double>(count);
}

double ping_pong_ns(std::uint64_t count) {
  const Pipe there;
  const Pipe back;
  // The thread inherits the caller's affinity.
  std::thread partner([&] {
    for (std::uint64_t i = 0; i < count; ++i) pass(there.read_end, back.write_end);
  });
  char byte = 0;
  const std::uint64_t begin_ns = process_cpu_ns();
  for (std::uint64_t i = 0; i < count; ++i) {
    CHECK(::write(there.write_end.get(), &byte, 1) == 1, "write to the pipe");
    CHECK(::read(back.read_end.get(), &byte, 1) == 1, "read from the pipe");
  }
  const std::uint64_t end_ns = process_cpu_ns();
  partner.join();
  return static_cast<double>(end_ns - begin_ns) / static_cast<double>(count);
}

}  // namespace rezolus::bench
