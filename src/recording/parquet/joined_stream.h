// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Several recordings as one, joined on time: each tick has what every recording read within it.

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "recording/parquet/snapshot_stream.h"

namespace rezolus {

// Series get the label `source` unless they have it: the recording's source, with a number where two
// are of the same. Ticks are those of the longest interval among the recordings; a recording that read
// several times within one gives its last reading. Requires: not empty.
Result<std::unique_ptr<SnapshotStream>> join_streams(
    std::vector<std::unique_ptr<SnapshotStream>> streams);

}  // namespace rezolus
