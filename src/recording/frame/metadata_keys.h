// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Keys that our writers put into the footer of a Parquet file, beside those of frame.h. What readers
// believe of them is no user's to say.

#include <algorithm>
#include <array>
#include <string_view>

#include "recording/frame/frame.h"
#include "recording/frame/stream_metadata.h"

namespace rezolus {

inline constexpr std::string_view kMetaSources = "sources";  // JSON: what is known of each source
inline constexpr std::string_view kMetaPerSource = "per_source_metadata";  // JSON
// In the footer of a long file, which has no metadata of fields: the sampler by metric, as JSON.
inline constexpr std::string_view kMetaSamplers = "samplers";
// In the footer of a long file, which has no order of ticks but time: how often the clock was set back
// while it was recorded, where it was.
inline constexpr std::string_view kMetaClockSetBack = "clock_set_back";
// Where a part stands; a recording in one file has none of them.
inline constexpr std::string_view kMetaPart = "parquet_part";           // its number, of all but the first
inline constexpr std::string_view kMetaNextPart = "parquet_next_part";  // of all but the last
// The same in all parts of a recording, and in no other recording's: 16 hexadecimal digits.
inline constexpr std::string_view kMetaPartsId = "parquet_parts_id";
// Of a wide file that has not room for every series: how many are summed or left out.
inline constexpr std::string_view kMetaFoldedSeries = "folded_series";
inline constexpr std::string_view kMetaLeftOutSeries = "left_out_series";
inline constexpr std::string_view kMetaArrowSchema = "ARROW:schema";

inline constexpr std::array kReservedMetadata = {kMetaSource,
                                                 kMetaVersion,
                                                 kMetaSamplingIntervalMs,
                                                 kMetaSystemInfo,
                                                 kMetaDescriptions,
                                                 kMetaSamplerStatus,
                                                 kMetaMissedTicks,
                                                 kMetaMissedTicksBySource,
                                                 kMetaEndpoint,
                                                 kMetaGrantedInterval,
                                                 kMetaSources,
                                                 kMetaPerSource,
                                                 kMetaSamplers,
                                                 kMetaClockSetBack,
                                                 kMetaPart,
                                                 kMetaNextPart,
                                                 kMetaPartsId,
                                                 kMetaFoldedSeries,
                                                 kMetaLeftOutSeries,
                                                 kMetaArrowSchema};

// Whether a user may give a text for the metadata this key. A usage error otherwise.
inline Result<void> check_metadata_key(std::string_view key) {
  if (std::ranges::find(kReservedMetadata, key) == kReservedMetadata.end()) return {};
  return usage_error("'{}' is a key that the recording itself has; choose another", key);
}

}  // namespace rezolus
