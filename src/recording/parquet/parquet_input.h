// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// A Parquet file and the parts in which it goes on, read in batches of rows, so that memory does not
// grow with the files or their row groups.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <arrow/api.h>
#include <parquet/arrow/reader.h>

#include "base/result.h"
#include "metrics/snapshot.h"
#include "recording/parquet/gap_finder.h"

namespace rezolus {

class PartFinder;

// Rows that stand together in a file.
struct RowGroup {
  std::uint32_t part = 0;  // of the input, from 0
  int group = 0;           // of the part
  std::uint64_t row_count = 0;
  std::uint64_t values_per_row = 1;  // of the column with the longest lists, on average
  // The range of the column `timestamp_ns`, where the footer has it.
  bool times_known = false;
  std::int64_t first_ns = 0;
  std::int64_t last_ns = 0;
  // The same of the column `metric`.
  bool metrics_known = false;
  std::string first_metric;
  std::string last_metric;
};

struct ParquetInput {
  std::string path;
  SourceMetadata metadata;  // of the footer, less what is Arrow's own
  std::string facts;        // for people
  std::shared_ptr<arrow::Schema> schema;
  std::vector<std::string> remarks;  // parts that are missing, or not read
  std::vector<std::string> files;    // with all parts
  std::vector<RowGroup> row_groups;  // of all parts, in order
  bool of_our_recorder = false;      // which says at its end how many ticks it missed
  std::optional<std::uint64_t> missed_ticks;  // that number, where all parts are there

  // For the ticks of all rows.
  [[nodiscard]] GapFinder gap_finder() const;

  // An error: it cannot be read or is damaged, or a part of it is.
  static Result<ParquetInput> open(const std::string& path) { return open_all(path, {path}); }

  // Recordings of one source at different times, read one after the other. name: what they are called
  // as a whole. Metadata is the first one's, less what is true of that alone. Requires: not empty.
  static Result<ParquetInput> open_all(const std::string& name,
                                       const std::vector<std::string>& paths);

  // Columns of the file.
  struct Selection {
    std::vector<int> leaves;
    std::vector<int>
        order;  // Arrow returns fields in the file's order, whatever order is asked for
  };
  // Of top-level fields. Requires: close() was not called.
  [[nodiscard]] Selection selection(const std::vector<int>& fields) const;

  // What next_batch() returns from the next rewind() or read() on: these fields in this order. Where lists
  // are long, a batch has fewer rows.
  void select(Selection selection, std::int64_t rows_per_batch);
  void select(const std::vector<int>& fields, std::int64_t rows_per_batch) {
    select(selection(fields), rows_per_batch);
  }

  // Null at the end.
  Result<std::shared_ptr<arrow::RecordBatch>> next_batch();

  // From the first row of the first part on. Requires: select() was called.
  Result<void> rewind();

  // From now on next_batch() gives these row groups, which may be of several parts, in their order.
  // Requires: select() was called.
  Result<void> read(std::span<const RowGroup> groups);

  // Gives up the file that is open, so that it takes no memory until the next rewind() or read().
  void close();

 private:
  // Row groups of one part.
  struct Run {
    std::size_t part = 0;
    std::vector<int> groups;
    std::uint64_t values_per_row = 1;
  };

  Result<void> open_part(std::size_t part);
  Result<void> begin_run();
  [[nodiscard]] std::unexpected<Error> memory_error() const;
  void find_parts(PartFinder& finder, const std::string& first);
  void find_clock_set_back(const parquet::FileMetaData& file);
  void find_missed_ticks(const parquet::FileMetaData& last);
  void find_missing_end(std::size_t part, const parquet::FileMetaData& last);
  void take_metadata(const parquet::FileMetaData& first);
  void note_row_groups(const parquet::FileMetaData& file);

  bool part_missing_ = false;
  std::size_t part_ = 0;   // of files, that is open if any is
  std::vector<Run> runs_;  // what is read
  std::size_t run_ = 0;
  std::int64_t rows_per_batch_ = 0;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  Selection selection_;
};

}  // namespace rezolus
