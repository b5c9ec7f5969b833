// SPDX-License-Identifier: Apache-2.0 OR MIT
// A known number of pages touched for the first time, by the program and by the kernel, against the
// kernel's own count for this process.

#include <cstdint>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "live/live.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE(page_faults);

constexpr std::size_t kPage = 4096;
constexpr std::uint64_t kPages = 300;

// Faults of this process, by the kernel.
std::uint64_t own_faults() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_minflt + usage.ru_majflt);
}

// Memory of small pages that nobody touched yet.
class FreshPages {
 public:
  FreshPages() {
    void* memory = ::mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED, "memory can be mapped");
    ::madvise(memory, kPages * kPage, MADV_NOHUGEPAGE);
    first_ = static_cast<char*>(memory);
  }
  ~FreshPages() { ::munmap(first_, kPages * kPage); }
  [[nodiscard]] char* page(std::uint64_t index) const { return first_ + index * kPage; }

 private:
  char* first_ = nullptr;
};

struct Counted {
  std::uint64_t user;
  std::uint64_t kernel;
  std::uint64_t user_on_cpu_0;
  std::uint64_t kernel_on_cpu_0;
};

// The work faults once per page; in a VM nobody else does but our own reading of the counters,
// which the process's own count has too.
template <typename Work>
Counted count_faults(Mode mode, Work work) {
  LiveCollector collector({"page_faults"}, mode);
  pin_to_cpu(0);
  const FreshPages pages;
  const std::uint64_t outer_before = own_faults();
  collector.begin();
  const std::uint64_t inner_before = own_faults();
  work(pages);
  const std::uint64_t inner_after = own_faults();
  const Delta delta = collector.end();
  const std::uint64_t outer_after = own_faults();
  unpin();
  EXPECT_EQ(inner_after - inner_before, kPages) << "the workload faults once per page";
  const Labels user = {{"kind", "user"}};
  const Labels kernel = {{"kind", "kernel"}};
  const Counted counted = {delta.counter("page_fault", user), delta.counter("page_fault", kernel),
                           delta.counter("page_fault", {{"id", "0"}, user[0]}),
                           delta.counter("page_fault", {{"id", "0"}, kernel[0]})};
  if (in_vm()) {
    EXPECT_LE(counted.user + counted.kernel, outer_after - outer_before);
  }
  collector.expect_no_losses();
  return counted;
}

TEST_P(page_faults, TouchedPagesAreUserFaults) {
  const Counted counted = count_faults(GetParam(), [](const FreshPages& pages) {
    for (std::uint64_t i = 0; i < kPages; ++i) *const_cast<volatile char*>(pages.page(i)) = 1;
  });
  EXPECT_GE(counted.user_on_cpu_0, kPages);
  if (in_vm()) {
    EXPECT_LT(counted.user, kPages + kPages / 2);
    EXPECT_LT(counted.kernel, kPages / 2);
  }
}

TEST_P(page_faults, BuffersThatTheKernelFillsAreKernelFaults) {
  const Fd zero(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(zero.valid());
  const Counted counted = count_faults(GetParam(), [&zero](const FreshPages& pages) {
    for (std::uint64_t i = 0; i < kPages; ++i) {
      ASSERT_EQ(::read(zero.get(), pages.page(i), kPage), static_cast<ssize_t>(kPage));
    }
  });
  EXPECT_GE(counted.kernel_on_cpu_0, kPages);
  if (in_vm()) {
    EXPECT_LT(counted.kernel, kPages + kPages / 2);
    EXPECT_LT(counted.user, kPages / 2);
  }
}

}  // namespace
}  // namespace rezolus::live
