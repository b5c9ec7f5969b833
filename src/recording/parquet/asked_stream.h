// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What a converter is asked for: where that is nothing, its stream ends with an error, so that no empty
// file takes the place of another.

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/result.h"
#include "recording/parquet/snapshot_stream.h"

namespace rezolus {

// --metrics was given: an error at the end when no tick had a series.
std::unique_ptr<SnapshotStream> require_series(std::unique_ptr<SnapshotStream> stream);

// From here on: an error at the end when there was no tick, though the recording has some.
// span: finds out from when to when, which is then said.
std::unique_ptr<SnapshotStream> require_ticks(std::unique_ptr<SnapshotStream> stream,
                                              std::function<Result<SnapshotStream::Span>()> span);

// Puts the names of the gauges into fractional that had a value with a fraction. Requires: that outlives the stream.
std::unique_ptr<SnapshotStream> note_fractions(std::unique_ptr<SnapshotStream> stream,
                                               std::set<std::string>& fractional);

// "there is no sample in it", and what of it could not be read.
std::string no_sample_text(const LogLoss& loss);

// How many ticks are in what could not be read.
std::string lost_ticks_text(const LogLoss& loss);

// What a message says where no series fits, of a recording of that name.
std::string no_series_text(const std::string& name);

}  // namespace rezolus
