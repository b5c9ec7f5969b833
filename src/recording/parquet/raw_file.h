// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The bytes of a raw recording from front to back, taken out of their zstd compression where the file
// begins as one; frames may follow one another. Memory is bounded by what zstd itself allows: a
// window of 128 MiB, of which `zstd -3` uses 2 MiB.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <arrow/io/interfaces.h>
#include <arrow/util/compression.h>

#include "base/result.h"

namespace rezolus {

inline constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";

class RawFile {
 public:
  static Result<RawFile> open(const std::string& path);

  // Fills the beginning of to and returns how many bytes there were; 0: at the end. An error: it could
  // not be read. Where the compression is damaged or cut off, that is the end.
  Result<std::size_t> read(char* to, std::size_t size_bytes);

  Result<void> rewind();

  [[nodiscard]] bool compressed() const { return decompressor_ != nullptr; }
  // Of a compressed file: why it ended early; empty: it did not.
  [[nodiscard]] const std::string& damage() const { return damage_; }
  // On disk, behind what was read.
  [[nodiscard]] std::uint64_t unread_bytes() const;

 private:
  explicit RawFile(std::string path) : path_(std::move(path)) {}
  Result<std::size_t> read_disk(char* to, std::size_t size_bytes);

  std::string path_;
  std::shared_ptr<arrow::io::RandomAccessFile> file_;
  std::shared_ptr<arrow::util::Decompressor> decompressor_;  // null: the file is not compressed
  std::string input_;                                        // compressed
  std::size_t taken_ = 0;                                    // of input_
  bool within_frame_ = false;
  bool more_output_ = false;  // that had no room
  std::string damage_;
};

}  // namespace rezolus
