// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/raw_file.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <arrow/io/file.h>

#include "recording/parquet/output.h"

namespace rezolus {
namespace {

constexpr std::size_t kInputBytes = 128u << 10;

}  // namespace

Result<RawFile> RawFile::open(const std::string& path) {
  RawFile file(path);
  auto opened = arrow::io::ReadableFile::Open(path);
  if (!opened.ok()) return arrow_error("read " + path, opened.status());
  file.file_ = std::move(*opened);
  std::array<char, kZstdMagic.size()> magic = {};
  const auto got = file.file_->ReadAt(0, magic.size(), magic.data());
  if (!got.ok()) return arrow_error("read " + path, got.status());
  if (std::string_view(magic.data(), static_cast<std::size_t>(*got)) == kZstdMagic) {
    auto codec = arrow::util::Codec::Create(arrow::Compression::ZSTD);
    if (!codec.ok()) return arrow_error("read " + path, codec.status());
    auto decompressor = (*codec)->MakeDecompressor();
    if (!decompressor.ok()) return arrow_error("read " + path, decompressor.status());
    file.decompressor_ = std::move(*decompressor);
  }
  if (auto begun = file.rewind(); !begun) return std::unexpected(begun.error());
  return file;
}

Result<void> RawFile::rewind() {
  input_.clear();
  taken_ = 0;
  within_frame_ = more_output_ = false;
  damage_.clear();
  auto status = file_->Seek(0);
  if (status.ok() && decompressor_) status = decompressor_->Reset();
  return status.ok() ? Result<void>() : arrow_error("read " + path_, status);
}

Result<std::size_t> RawFile::read_disk(char* to, std::size_t size_bytes) {
  const auto got = file_->Read(static_cast<std::int64_t>(size_bytes), to);
  if (!got.ok()) return arrow_error("read " + path_, got.status());
  return static_cast<std::size_t>(*got);
}

Result<std::size_t> RawFile::read(char* to, std::size_t size_bytes) {
  if (!decompressor_) return read_disk(to, size_bytes);
  while (damage_.empty()) {
    bool at_end = false;
    if (taken_ == input_.size() && !(within_frame_ && more_output_)) {
      input_.resize(kInputBytes);
      const auto got = read_disk(input_.data(), input_.size());
      if (!got) return std::unexpected(got.error());
      input_.resize(*got);
      taken_ = 0;
      if (*got == 0 && !within_frame_) return 0;
      at_end = *got == 0;  // what zstd still holds comes out without input
    }
    if (!within_frame_) {
      if (const auto reset = decompressor_->Reset(); !reset.ok()) {
        return arrow_error("read " + path_, reset);
      }
      within_frame_ = true;
    }
    const auto step = decompressor_->Decompress(
        static_cast<std::int64_t>(input_.size() - taken_),
        reinterpret_cast<const std::uint8_t*>(input_.data()) + taken_,
        static_cast<std::int64_t>(size_bytes), reinterpret_cast<std::uint8_t*>(to));
    if (!step.ok()) {
      damage_ = step.status().message();
      return 0;
    }
    taken_ += static_cast<std::size_t>(step->bytes_read);
    more_output_ = step->need_more_output;
    if (decompressor_->IsFinished()) within_frame_ = more_output_ = false;
    if (step->bytes_written > 0) return static_cast<std::size_t>(step->bytes_written);
    if (at_end && within_frame_) {
      damage_ = "its end is cut off";
    } else if (step->bytes_read == 0 && within_frame_ && !more_output_) {
      damage_ = "zstd makes nothing of it";
    }
  }
  return 0;
}

std::uint64_t RawFile::unread_bytes() const {
  const auto size = file_->GetSize();
  const auto at = file_->Tell();
  if (!size.ok() || !at.ok()) return 0;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, *size - *at)) + input_.size() -
         taken_;
}

}  // namespace rezolus
