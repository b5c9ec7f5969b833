// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A Parquet file and the parts in which it goes on, read from front to back in batches of rows, so
// that memory does not grow with the files or their row groups.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <parquet/arrow/reader.h>

#include "base/result.h"
#include "metrics/snapshot.h"

namespace rezolus {

struct ParquetInput {
  std::string path;
  SourceMetadata metadata;  // of the footer, less what is Arrow's own
  std::string facts;        // for people
  std::shared_ptr<arrow::Schema> schema;
  std::vector<std::string> remarks;  // parts that are missing

  // An error: it cannot be read or is damaged, or a part of it is.
  static Result<ParquetInput> open(const std::string& path);

  // What next_batch() returns: these top-level fields in this order.
  void select(const std::vector<int>& fields, std::int64_t rows_per_batch);

  // Null at the end.
  Result<std::shared_ptr<arrow::RecordBatch>> next_batch();

  // Requires: select() was called.
  Result<void> rewind();

 private:
  Result<void> open_part(std::size_t part);
  Result<void> begin_batches();
  void find_parts();

  std::vector<std::string> parts_;  // the first is path
  std::size_t part_ = 0;            // that is open
  std::int64_t rows_per_batch_ = 0;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  std::vector<int> leaves_;
  std::vector<int> groups_;
  // Arrow returns fields in the file's order, whatever order is asked for.
  std::vector<int> order_;
};

}  // namespace rezolus
