// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Which series each column of a wide Parquet file is, whoever wrote it: upstream names columns by
// number or by labels joined with slashes, we by `metric{label="value"}`; the metadata of the field is
// what counts.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/type.h>

#include "metrics/snapshot.h"
#include "recording/parquet/open_recording.h"

namespace rezolus {

// A series and the columns that hold it; -1 where there is none.
struct WideSeries {
  std::uint32_t index = 0;  // in the schema
  int column = -1;          // the value, or a histogram's buckets
  int sum_column = -1;      // a histogram's sum
};

struct WideColumns {
  int timestamp = -1;
  int duration = -1;
  std::vector<WideSeries> series;
  std::shared_ptr<const Schema> schema;
  // `source` and `endpoint` where every column has the same: they are the recording's.
  SourceMetadata common;
  std::vector<std::string> remarks;
};

// metadata: the file's, for the help of the metrics. An error: there is no usable timestamp.
Result<WideColumns> find_wide_columns(const arrow::Schema& fields, const SourceMetadata& metadata,
                                      const OpenOptions& options);

}  // namespace rezolus
