// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "host_load.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

namespace rezolus::bench {
namespace {

constexpr auto kPause = std::chrono::microseconds(500);

void call_everything(const std::atomic<bool>& stopping) {
  std::array<char, 4096> buffer{};
  std::array<int, 2> sockets{};
  const bool connected = ::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets.data()) == 0;
  const Fd one(connected ? sockets[0] : -1);
  const Fd other(connected ? sockets[1] : -1);
  while (!stopping) {
    for (const char* path : {"/proc/self/stat", "/proc/meminfo", "/dev/zero"}) {
      const Fd file(::open(path, O_RDONLY | O_CLOEXEC));
      if (::read(file.get(), buffer.data(), buffer.size()) < 0) return;
    }
    if (::send(one.get(), buffer.data(), 512, 0) > 0) ::recv(other.get(), buffer.data(), 512, 0);
    void* memory = ::mmap(nullptr, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                          -1, 0);
    if (memory != MAP_FAILED) ::munmap(memory, 1 << 16);
    std::this_thread::yield();
    std::this_thread::sleep_for(kPause);
  }
}

void write_to_disk(const std::atomic<bool>& stopping) {
  std::FILE* file = std::tmpfile();
  if (file == nullptr) return;
  const std::array<char, 4096> block{};
  while (!stopping) {
    if (::pwrite(::fileno(file), block.data(), block.size(), 0) < 0) break;
    ::fdatasync(::fileno(file));
    std::this_thread::sleep_for(8 * kPause);
  }
  std::fclose(file);
}

}  // namespace

HostLoad::HostLoad() {
  for (int i = 0; i < 2; ++i) threads_.emplace_back([this] { call_everything(stopping_); });
  threads_.emplace_back([this] { write_to_disk(stopping_); });
}

HostLoad::~HostLoad() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace rezolus::bench
