// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/prometheus_parse_fuzz.h"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
  rezolus::fuzz_prometheus_page({reinterpret_cast<const char*>(data), size_bytes});
  return 0;
}
