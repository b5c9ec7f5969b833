// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Rows that stand once for each kind of operation.

#include <array>

#include "metrics/metric.h"
#include "samplers/block/block.h"

namespace rezolus {

inline constexpr std::array<std::string_view, BLOCK_OPERATION_COUNT> kBlockOperationNames = {
    "read", "write", "flush", "discard"};

// The row with each operation in turn as its label `op`; slots follow row.slot.
consteval std::array<Metric, BLOCK_OPERATION_COUNT> by_operation(Metric row) {
  std::array<Metric, BLOCK_OPERATION_COUNT> rows;
  for (std::uint32_t i = 0; i < BLOCK_OPERATION_COUNT; ++i) {
    rows[i] = row;
    rows[i].slot = row.slot + i;
    rows[i].labels[0] = {"op", kBlockOperationNames[i]};
  }
  return rows;
}

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
