// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Rows that stand once for each kind of operation.

#include <array>

#include "metrics/metric.h"
#include "samplers/block/block.h"

namespace rezolus {

inline constexpr std::array<std::string_view, BLOCK_OPERATION_COUNT> kBlockOperationNames = {
    "read",        "write",       "flush",       "discard", "secure_erase",
    "write_zeroes", "zone_append", "zone_manage", "driver",  "other"};

// The row with each operation in turn as its label `op`; slots follow row.slot. On the lean page
// stand those that every disk has.
template <std::size_t count>
consteval std::array<Metric, count> by_operation(Metric row) {
  std::array<Metric, count> rows;
  for (std::uint32_t i = 0; i < count; ++i) {
    rows[i] = row;
    rows[i].slot = row.slot + i;
    rows[i].labels[0] = {"op", kBlockOperationNames[i]};
    rows[i].lean = row.lean && i < BLOCK_TIMED_COUNT;
  }
  return rows;
}
consteval auto by_any_operation(const Metric& row) {
  return by_operation<BLOCK_OPERATION_COUNT>(row);
}
consteval auto by_timed_operation(const Metric& row) { return by_operation<BLOCK_TIMED_COUNT>(row); }

// The concatenation of tables.
template <std::size_t... sizes>
consteval auto joined(const std::array<Metric, sizes>&... tables) {
  std::array<Metric, (sizes + ...)> all;
  std::size_t at = 0;
  const auto append = [&](const auto& table) {
    for (const Metric& row : table) all[at++] = row;
  };
  (append(tables), ...);
  return all;
}

}  // namespace rezolus
