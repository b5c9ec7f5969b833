// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "metrics/snapshot.h"

namespace rezolus {

void resize_to_schema(Snapshot& snapshot) {
  const std::size_t count = snapshot.schema->series.size();
  snapshot.scalars.assign(count, 0);
  snapshot.present.assign(count, 0);
  snapshot.histograms.assign(snapshot.schema->histogram_count, nullptr);
  snapshot.windows.assign(snapshot.schema->groups.size(), AcquisitionWindow{});
}

std::uint64_t elapsed_between(ReadingTime earlier, ReadingTime later) {
  if (earlier.monotonic_ns != 0 && later.monotonic_ns > earlier.monotonic_ns) {
    return later.monotonic_ns - earlier.monotonic_ns;
  }
  return later.realtime_ns > earlier.realtime_ns ? later.realtime_ns - earlier.realtime_ns : 0;
}

std::int64_t find_series(const Schema& schema, std::string_view name, const Labels& labels) {
  for (std::size_t i = 0; i < schema.series.size(); ++i) {
    const Series* series = schema.series[i].get();
    if (series != nullptr && series->name == name && series->labels == labels) {
      return static_cast<std::int64_t>(i);
    }
  }
  return -1;
}

}  // namespace rezolus
