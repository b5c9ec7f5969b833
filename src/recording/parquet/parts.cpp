// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/parts.h"

#include <utility>

namespace rezolus {
namespace {

// What the writer of a file gets: closing is left to the Output, which tells a complete file from one
// that was given up.
class BorrowedStream final : public arrow::io::OutputStream {
 public:
  explicit BorrowedStream(arrow::io::OutputStream* stream) : stream_(stream) {}
  arrow::Status Close() override { return stream_->Flush(); }
  arrow::Status Abort() override { return arrow::Status::OK(); }
  [[nodiscard]] bool closed() const override { return stream_->closed(); }
  arrow::Result<std::int64_t> Tell() const override { return stream_->Tell(); }
  arrow::Status Write(const void* data, std::int64_t size_bytes) override {
    return stream_->Write(data, size_bytes);
  }
  arrow::Status Write(const std::shared_ptr<arrow::Buffer>& data) override {
    return stream_->Write(data);
  }
  arrow::Status Flush() override { return stream_->Flush(); }

 private:
  arrow::io::OutputStream* stream_;
};

}  // namespace

Result<Parts> Parts::open(const std::string& output, std::shared_ptr<arrow::Schema> schema,
                          std::shared_ptr<parquet::WriterProperties> properties, Footer footer,
                          std::uint64_t chunks_per_part_max, SchemaWrittenBy schema_written_by) {
  auto opened = Output::open(output);
  if (!opened) return std::unexpected(opened.error());
  Parts parts(std::move(*opened));
  parts.schema_ = std::move(schema);
  parts.properties_ = std::move(properties);
  parts.footer_ = std::move(footer);
  parts.chunks_per_part_max_ = chunks_per_part_max;
  parts.schema_written_by_ = schema_written_by;
  return parts;
}

Result<void> Parts::begin_part() {
  auto sink = output_.begin_part();
  if (!sink) return std::unexpected(sink.error());
  auto arrow_properties = parquet::ArrowWriterProperties::Builder();
  if (schema_written_by_ == SchemaWrittenBy::kArrow) arrow_properties.store_schema();
  auto writer = parquet::arrow::FileWriter::Open(*schema_, arrow::default_memory_pool(),
                                                 std::make_shared<BorrowedStream>(*sink),
                                                 properties_, arrow_properties.build());
  if (!writer.ok()) return arrow_error("begin a Parquet file", writer.status());
  writer_ = std::move(*writer);
  chunk_count_ = 0;
  return {};
}

Result<void> Parts::end_part() {
  const auto added = writer_->AddKeyValueMetadata(footer_());
  if (!added.ok()) return arrow_error("write metadata", added);
  if (const auto closed = writer_->Close(); !closed.ok()) return arrow_error("finish", closed);
  writer_.reset();
  return output_.finish_part();
}

Result<void> Parts::write_row_group(
    const std::function<arrow::Status(parquet::arrow::FileWriter&)>& write) {
  const auto chunks = static_cast<std::uint64_t>(schema_->num_fields());
  if (writer_ && chunk_count_ > 0 && chunk_count_ + chunks > chunks_per_part_max_) {
    if (auto ended = end_part(); !ended) return ended;
  }
  if (!writer_) {
    if (auto begun = begin_part(); !begun) return begun;
  }
  auto status = writer_->NewRowGroup();
  if (status.ok()) status = write(*writer_);
  if (!status.ok()) return arrow_error("write a row group", status);
  chunk_count_ += chunks;
  ++row_group_count_;
  return {};
}

Result<void> Parts::commit() {
  if (!writer_) {
    if (auto begun = begin_part(); !begun) return begun;
  }
  if (auto ended = end_part(); !ended) return ended;
  return output_.commit();
}

}  // namespace rezolus
