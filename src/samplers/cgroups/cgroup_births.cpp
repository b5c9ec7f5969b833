// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cgroup_births.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <bpf/libbpf.h>

namespace rezolus {

void CgroupBirths::Free::operator()(ring_buffer* ring) const { ::ring_buffer__free(ring); }

CgroupBirths::~CgroupBirths() = default;

Result<std::unique_ptr<CgroupBirths>> CgroupBirths::map(int offers_fd, int births_fd) {
  std::unique_ptr<CgroupBirths> births(new CgroupBirths());
  auto mapping = Mapping::map(offers_fd, sizeof(cgroup_offers), true);
  if (!mapping) return context("map the slots for new cgroups", mapping.error());
  births->mapping_ = std::move(*mapping);
  births->offers_ = reinterpret_cast<cgroup_offers*>(births->mapping_.data());
  births->ring_.reset(::ring_buffer__new(births_fd, &CgroupBirths::add, births.get(), nullptr));
  if (!births->ring_) return system_error("open the ring of new cgroups", errno);
  return births;
}

int CgroupBirths::add(void* self, void* data, std::size_t size_bytes) {
  cgroup_birth birth{};
  if (size_bytes < sizeof birth) return 0;
  std::memcpy(&birth, data, sizeof birth);
  static_cast<CgroupBirths*>(self)->taken_.push_back(
      {birth.id, birth.slot, birth.place,
       std::string(birth.path, ::strnlen(birth.path, sizeof birth.path)), nullptr});
  return 0;
}

std::vector<BornCgroup> CgroupBirths::take() {
  taken_.clear();
  ::ring_buffer__consume(ring_.get());
  return std::exchange(taken_, {});
}

std::uint32_t CgroupBirths::room() const {
  const std::uint64_t taken = __atomic_load_n(&offers_->taken, __ATOMIC_ACQUIRE);
  return CGROUP_OFFERS - static_cast<std::uint32_t>(offers_->offered - taken);
}

void CgroupBirths::offer(std::uint32_t slot) {
  const std::uint64_t next = offers_->offered;
  offers_->slots[next % CGROUP_OFFERS] = slot;
  __atomic_store_n(&offers_->offered, next + 1, __ATOMIC_RELEASE);
}

}  // namespace rezolus
