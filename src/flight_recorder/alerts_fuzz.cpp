// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/alerts_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
  rezolus::fuzz_alerts(std::string_view(reinterpret_cast<const char*>(data), size_bytes));
  return 0;
}
