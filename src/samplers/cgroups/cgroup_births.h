// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Cgroups that got their slot from the kernel side when they were made (samplers/core/
// cgroup_births.bpf.h): hands free slots over, and says which cgroups took them.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "bpf/bank.h"
#include "samplers/cgroups/cgroup_names.h"

struct ring_buffer;

namespace rezolus {

struct BornCgroup {
  std::uint64_t id = 0;
  std::uint32_t slot = 0;
  std::uint32_t place = 0;  // of its entry in the table
  std::string path;
  CgroupNamesRef names = nullptr;  // filled by the lister
};

class CgroupBirths {
 public:
  // The two maps of the core object.
  static Result<std::unique_ptr<CgroupBirths>> map(int offers_fd, int births_fd);
  ~CgroupBirths();
  CgroupBirths(const CgroupBirths&) = delete;
  CgroupBirths& operator=(const CgroupBirths&) = delete;

  // Those since the last call, in order. One thread; no system call.
  std::vector<BornCgroup> take();

  // One thread, not necessarily the same:
  // How many slots may be offered now.
  [[nodiscard]] std::uint32_t room() const;
  // Requires: room() is not 0.
  void offer(std::uint32_t slot);

 private:
  CgroupBirths() = default;
  static int add(void* self, void* data, std::size_t size_bytes);

  Mapping mapping_;
  cgroup_offers* offers_ = nullptr;
  struct Free {
    void operator()(ring_buffer* ring) const;
  };
  std::unique_ptr<ring_buffer, Free> ring_;
  std::vector<BornCgroup> taken_;
};

}  // namespace rezolus
