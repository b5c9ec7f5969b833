// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// OTLP metrics as binary protobuf: what was collected, as one ExportMetricsServiceRequest. All sums
// and histograms are cumulative. docs/opentelemetry.md has what becomes of what.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "wire/otlp_names.h"
#include "wire/remote_write.h"

namespace rezolus {

// Whether this build can encode it: the set-up could fetch its definitions.
bool has_otlp();

struct OtlpOptions {
  OtlpNaming naming = OtlpNaming::kOtel;
  bool exponential = false;  // the histograms are those of RemoteHistograms::kNative
  Labels resource;           // attributes of what is measured; an empty value is left out
};

// The body of a request, not compressed. Requires: the samples are of SampleForm::kPoint. An error
// where this build has none.
Result<std::string> encode_otlp(const RemoteWriteRequest& request, const OtlpOptions& options);

// What a receiver that took a request said about it.
struct OtlpAnswer {
  std::uint64_t rejected_points = 0;
  std::string message;
};

// An error: the body is not an answer.
Result<OtlpAnswer> read_otlp_answer(std::string_view body);

}  // namespace rezolus
