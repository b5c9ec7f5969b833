// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "mixed_workload.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/result.h"
#include "measure.h"
#include "workload.h"

namespace rezolus::bench {
namespace {

constexpr std::size_t kPageBytes = 4096;

sockaddr_in loopback() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  return address;
}

// The address that the socket was bound to.
sockaddr_in bind_to_loopback(const Fd& socket) {
  sockaddr_in address = loopback();
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  CHECK(::bind(socket.get(), generic, size) == 0, "bind");
  CHECK(::getsockname(socket.get(), generic, &size) == 0, "getsockname");
  return address;
}

// Connections that say one kilobyte and hear it back a few times each.
void echo_over_tcp(int connections, int rounds) {
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = bind_to_loopback(listener);
  CHECK(::listen(listener.get(), 8) == 0, "listen");
  std::thread server([&] {
    std::array<char, 1024> buffer{};
    for (int i = 0; i < connections; ++i) {
      const Fd peer(::accept(listener.get(), nullptr, nullptr));
      ssize_t got = 0;
      while ((got = ::recv(peer.get(), buffer.data(), buffer.size(), 0)) > 0) {
        (void)!::send(peer.get(), buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
      }
    }
  });
  std::array<char, 1024> buffer{};
  for (int i = 0; i < connections; ++i) {
    const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
          "connect");
    for (int round = 0; round < rounds; ++round) {
      CHECK(::send(socket.get(), buffer.data(), buffer.size(), MSG_NOSIGNAL) > 0, "send");
      CHECK(::recv(socket.get(), buffer.data(), buffer.size(), MSG_WAITALL) > 0, "receive");
    }
  }
  server.join();
}

// Datagrams that nobody reads: those past the receive buffer are dropped.
void send_datagrams(int count) {
  const Fd receiver(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = bind_to_loopback(receiver);
  const Fd sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const std::array<char, 512> datagram{};
  for (int i = 0; i < count; ++i) {
    (void)!::sendto(sender.get(), datagram.data(), datagram.size(), 0,
                    reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
}

void read_past_the_cache(int count) {
  std::string path = "/var/tmp/rezolus_bench.XXXXXX";
  const Fd file(::mkostemp(path.data(), O_DIRECT | O_CLOEXEC));
  if (!file.valid()) return;
  ::unlink(path.c_str());
  void* buffer = std::aligned_alloc(kPageBytes, kPageBytes);
  if (::pwrite(file.get(), buffer, kPageBytes, 0) == static_cast<ssize_t>(kPageBytes)) {
    for (int i = 0; i < count; ++i) (void)!::pread(file.get(), buffer, kPageBytes, 0);
  }
  std::free(buffer);
}

void touch_pages(std::size_t count) {
  void* memory = ::mmap(nullptr, count * kPageBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED, "mmap");
  ::madvise(memory, count * kPageBytes, MADV_NOHUGEPAGE);
  for (std::size_t i = 0; i < count; ++i) static_cast<volatile char*>(memory)[i * kPageBytes] = 1;
  ::munmap(memory, count * kPageBytes);
}

// While another CPU runs a thread of this process, what is unmapped has to go from its TLB too.
void unmap_under_another_cpu(int count) {
  std::atomic<bool> stop = false;
  std::thread spinner([&] {
    pin_to_cpu(0);
    while (!stop) {
    }
  });
  for (int i = 0; i < count; ++i) touch_pages(4);
  stop = true;
  spinner.join();
}

}  // namespace

void run_mixed_workload() {
  const int scale = once() ? 1 : 20;
  getppid_ns(static_cast<std::uint64_t>(5'000 * scale));
  ping_pong_ns(static_cast<std::uint64_t>(500 * scale));
  echo_over_tcp(5 * scale, 20);
  send_datagrams(200 * scale);
  read_past_the_cache(20 * scale);
  touch_pages(static_cast<std::size_t>(500 * scale));
  unmap_under_another_cpu(20 * scale);
  for (int i = 0; i < 10 * scale; ++i) std::thread([] {}).join();
}

}  // namespace rezolus::bench
