// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Numbers with units as people read them: three digits, so that columns stay calm.

#include <cstdint>
#include <string>

namespace rezolus {

// "812 ns", "4.1 µs", "12.3 ms", "1.50 s": three digits.
std::string format_latency(std::uint64_t ns);
// "12", "3,450", "1.23 M"
std::string format_rate(double per_second);
// "512 B", "1.25 MiB"
std::string format_bytes(double bytes);

}  // namespace rezolus
