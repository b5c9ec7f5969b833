// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/frame/frame_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rezolus::fuzz_frames(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
