// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Several recordings as one, joined on time: each tick has what every recording read within it.

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "recording/parquet/snapshot_stream.h"

namespace rezolus {

// The names in a recording's `source`: one, or in a combined recording the texts of a JSON array.
std::vector<std::string> source_names(const std::string& source);

// Series get the label `source`, the recording's. Where the recording itself is of several sources its
// series keep their own, and a label `source` that names none of them becomes `exported_source`. A
// source that an earlier recording has too gets a number (`web-2`), so no two series fall together.
// Ticks are those of the longest interval among the recordings; a recording that read several times
// within one gives its last reading. Requires: not empty.
Result<std::unique_ptr<SnapshotStream>> join_streams(
    std::vector<std::unique_ptr<SnapshotStream>> streams);

}  // namespace rezolus
