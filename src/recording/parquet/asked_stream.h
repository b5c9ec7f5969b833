// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What a converter is asked for: where that is nothing, its stream ends with an error, so that no empty
// file takes the place of another.

#include <cstdint>
#include <memory>
#include <string>

#include "recording/parquet/snapshot_stream.h"

namespace rezolus {

// --metrics was given: an error at the end when no tick had a series.
std::unique_ptr<SnapshotStream> require_series(std::unique_ptr<SnapshotStream> stream);

// What a message says where no series fits, of a recording of that name.
std::string no_series_text(const std::string& name);

}  // namespace rezolus
