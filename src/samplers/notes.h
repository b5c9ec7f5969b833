// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What a person needs to know of a sampler beyond its metrics' help: the text of docs/metrics.md.

#include <string_view>

namespace rezolus {

// Sentences, each with a full stop. A unit test holds that none is empty.
struct SamplerNotes {
  std::string_view measures;  // what starts and stops what is measured, or where it is read
  std::string_view cost;      // per event or per reading, in the terms of docs/overhead.md
  std::string_view needs;     // of the kernel; what is missing without it
  std::string_view reading;   // how to read the values: what is high, what to compare with
};

}  // namespace rezolus
