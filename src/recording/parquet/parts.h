// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// One recording as one or more Parquet files. A file's footer describes every chunk (a column of a
// row group) and grows in memory until the file ends; a long recording goes on in the next part.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <arrow/api.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_writer.h>

#include "base/result.h"
#include "recording/frame/metadata_keys.h"
#include "recording/parquet/output.h"

namespace rezolus {

// About 600 bytes each while a file is written: 39 MiB of the converter's 256.
inline constexpr std::uint64_t kChunksPerPartMax = 64u << 10;


// What fills the row groups: Arrow's arrays, with the Arrow schema in the footer; or values and levels,
// column by column, which costs half of that where lists are long.
enum class PartContent : std::uint8_t { kArrays, kColumns };

class Parts {
 public:
  using Footer = std::function<std::shared_ptr<const arrow::KeyValueMetadata>()>;

  // footer: asked at the end of each part.
  static Result<Parts> open(const std::string& output, std::shared_ptr<arrow::Schema> schema,
                            std::shared_ptr<parquet::WriterProperties> properties, Footer footer,
                            std::uint64_t chunks_per_part_max,
                            PartContent content = PartContent::kArrays);

  // Writes a row group by calling write on the current part's writer, right after NewRowGroup().
  // Requires: the content is arrays.
  Result<void> write_row_group(
      const std::function<arrow::Status(parquet::arrow::FileWriter&)>& write);

  // The same for columns, which write takes from the row group one by one, in order. Throws what
  // Parquet's writers throw.
  Result<void> write_columns(const std::function<arrow::Status(parquet::RowGroupWriter&)>& write);

  // Ends the last part, and shows the files. There is a file even when nothing was written.
  Result<void> commit();

  [[nodiscard]] std::uint64_t part_count() const { return output_.part_count(); }
  [[nodiscard]] std::uint64_t row_group_count() const { return row_group_count_; }

 private:
  explicit Parts(Output output);
  // Goes on to the next part when this one has no room for a row group.
  Result<void> make_room();
  Result<void> begin_part();
  Result<void> end_part(bool last);

  Output output_;
  std::string id_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<parquet::WriterProperties> properties_;
  Footer footer_;
  std::uint64_t chunks_per_part_max_ = kChunksPerPartMax;
  PartContent content_ = PartContent::kArrays;
  bool open_ = false;              // there is a current part
  std::uint64_t chunk_count_ = 0;  // of the current part
  std::uint64_t row_group_count_ = 0;
  std::unique_ptr<parquet::arrow::FileWriter> array_writer_;  // of the current part, by content
  std::unique_ptr<parquet::ParquetFileWriter> column_writer_;
};

}  // namespace rezolus
