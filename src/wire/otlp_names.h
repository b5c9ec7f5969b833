// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What metrics are called over OTLP. docs/opentelemetry.md describes the mapping.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "wire/remote_write.h"

namespace rezolus {

enum class OtlpNaming : std::uint8_t {
  kOtel,  // OpenTelemetry's semantic conventions where one means the same, else `rezolus.` and the
          // metric's own name
  kPage,  // those of the Prometheus page
};

struct OtlpName {
  std::string name;
  std::string unit;    // UCUM; empty: none
  bool level = false;  // an OTLP gauge's values are those of an UpDownCounter by convention
  friend auto operator<=>(const OtlpName&, const OtlpName&) = default;
};

// The metric that a series belongs to. Labels decide as well: a convention may know some of them only.
OtlpName otlp_name(const RemoteSeries& series, OtlpNaming naming);

// How the attribute is called that a label of the series becomes, and its value; the same where no
// convention has it. Of the value nothing outlives the label's.
std::pair<std::string_view, std::string_view> otlp_attribute(const RemoteSeries& series,
                                                             OtlpNaming naming,
                                                             std::string_view key,
                                                             std::string_view value);

// The attribute that is an integer: the number of a CPU.
inline constexpr std::string_view kOtlpCpuNumber = "cpu.logical_number";

// A unit of ours in UCUM: nanoseconds, which are sent as seconds, "s"; bytes "By"; things in braces.
std::string ucum_unit(std::string_view unit, bool seconds);

}  // namespace rezolus
