// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Where a Parquet file goes: a path, or a URL of an object store that Arrow knows. What was written
// appears under its name when commit() was called, and not before.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/filesystem/filesystem.h>
#include <arrow/io/interfaces.h>
#include <arrow/status.h>

#include "base/result.h"

namespace rezolus {

std::unexpected<Error> arrow_error(const std::string& what, const arrow::Status& status);

// Ends what object stores keep running; call once before the process ends.
void close_stores();

// An error when something is there that is not a regular file: the finished file is renamed into
// place, which would replace a device or a pipe. shown: what the message calls it.
Result<void> check_replaceable(const std::string& path, const std::string& shown);

// The parts of one output, which appear together: the first one last.
class Output {
 public:
  // An error when something is in the way that is not a regular file.
  static Result<Output> open(const std::string& output);

  Output(Output&&) = default;
  Output& operator=(Output&&) = delete;
  // What was not committed is removed.
  ~Output();

  // Begins the next part. The stream is valid until finish_part().
  Result<arrow::io::OutputStream*> begin_part();

  // The part is complete, and on its disk.
  Result<void> finish_part();

  // Gives all parts their names, and removes parts that an earlier, longer recording of this name
  // has left. Requires: every part that was begun is finished.
  Result<void> commit();

  [[nodiscard]] std::uint64_t part_count() const { return parts_.size(); }

 private:
  struct Part {
    std::string path;       // final
    std::string temporary;  // local files only
    std::shared_ptr<arrow::io::OutputStream> sink;
    bool finished = false;
    bool shown = false;  // has its name before commit(), as later parts in a store do
  };

  Output() = default;
  Result<void> remove_stale_parts();

  std::string path_;
  std::shared_ptr<arrow::fs::FileSystem> store_;  // null: local files
  std::vector<Part> parts_;
  bool committed_ = false;
};

}  // namespace rezolus
