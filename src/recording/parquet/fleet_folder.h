// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A folder of files in the long layout, partitioned as docs/fleet.md writes it: date=…/host=…/HOUR.parquet.
// The files of a host are read one after the other, the hosts joined on time.

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "recording/parquet/open_recording.h"

namespace rezolus {

// More would take too much memory and time at once.
inline constexpr std::size_t kFleetHostsMax = 256;
inline constexpr std::size_t kFleetFilesMax = 20'000;

struct FleetHost {
  std::string name;                // of its partition; empty: the folder has none
  std::vector<std::string> files;  // first files of recordings, by path
};

// The Parquet files below a folder by host: by what the path is without date, hour and file; of the step
// `host=…` its value. Names that begin with '.' or '_' are passed over. None is no error.
Result<std::vector<FleetHost>> list_fleet(const std::string& folder);

// Requires: hosts is not empty. An error: a file is damaged or in another layout.
Result<OpenedRecording> open_fleet(const std::string& folder, const std::vector<FleetHost>& hosts,
                                   const OpenOptions& options);

}  // namespace rezolus
