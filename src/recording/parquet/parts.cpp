// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/parts.h"

#include <random>
#include <utility>

#include <fmt/core.h>
#include <parquet/arrow/schema.h>
#include <parquet/schema.h>

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

Parts::Parts(Output output) : output_(std::move(output)) {
  std::random_device random;
  id_ = fmt::format("{:08x}{:08x}", random(), random());
}

Result<Parts> Parts::open(const std::string& output, std::shared_ptr<arrow::Schema> schema,
                          std::shared_ptr<parquet::WriterProperties> properties, Footer footer,
                          std::uint64_t chunks_per_part_max, PartContent content) {
  auto opened = Output::open(output);
  if (!opened) return std::unexpected(opened.error());
  Parts parts(std::move(*opened));
  parts.schema_ = std::move(schema);
  parts.properties_ = std::move(properties);
  parts.footer_ = std::move(footer);
  parts.chunks_per_part_max_ = chunks_per_part_max;
  parts.content_ = content;
  return parts;
}

Result<void> Parts::begin_part() {
  auto sink = output_.begin_part();
  if (!sink) return std::unexpected(sink.error());
  auto stream = std::make_shared<BorrowedStream>(*sink);
  if (content_ == PartContent::kArrays) {
    auto options = parquet::ArrowWriterProperties::Builder().store_schema()->build();
    auto writer = parquet::arrow::FileWriter::Open(*schema_, arrow::default_memory_pool(), stream,
                                                   properties_, options);
    if (!writer.ok()) return arrow_error("begin a Parquet file", writer.status());
    array_writer_ = std::move(*writer);
  } else {
    std::shared_ptr<parquet::SchemaDescriptor> descriptor;
    const auto described =
        parquet::arrow::ToParquetSchema(schema_.get(), *properties_, &descriptor);
    if (!described.ok()) return arrow_error("begin a Parquet file", described);
    column_writer_ = parquet::ParquetFileWriter::Open(
        stream, std::static_pointer_cast<parquet::schema::GroupNode>(descriptor->schema_root()),
        properties_);
  }
  chunk_count_ = 0;
  open_ = true;
  return {};
}

Result<void> Parts::end_part(bool last) {
  auto pairs = footer_()->Copy();
  const std::uint64_t part = output_.part_count();
  if (part > 1) pairs->Append(std::string(kMetaPart), std::to_string(part));
  if (!last) pairs->Append(std::string(kMetaNextPart), std::to_string(part + 1));
  if (part > 1 || !last) pairs->Append(std::string(kMetaPartsId), id_);
  if (array_writer_) {
    const auto added = array_writer_->AddKeyValueMetadata(pairs);
    if (!added.ok()) return arrow_error("write metadata", added);
    const auto closed = array_writer_->Close();
    if (!closed.ok()) return arrow_error("finish", closed);
  } else {
    column_writer_->AddKeyValueMetadata(pairs);
    column_writer_->Close();
  }
  array_writer_.reset();
  column_writer_.reset();
  open_ = false;
  return output_.finish_part();
}

Result<void> Parts::make_room() {
  const auto chunks = static_cast<std::uint64_t>(schema_->num_fields());
  if (open_ && chunk_count_ > 0 && chunk_count_ + chunks > chunks_per_part_max_) {
    if (auto ended = end_part(false); !ended) return ended;
  }
  if (!open_) {
    if (auto begun = begin_part(); !begun) return begun;
  }
  chunk_count_ += chunks;
  ++row_group_count_;
  return {};
}

Result<void> Parts::write_row_group(
    const std::function<arrow::Status(parquet::arrow::FileWriter&)>& write) {
  if (auto made = make_room(); !made) return made;
  auto status = array_writer_->NewRowGroup();
  if (status.ok()) status = write(*array_writer_);
  return status.ok() ? Result<void>() : arrow_error("write a row group", status);
}

Result<void> Parts::write_columns(
    const std::function<arrow::Status(parquet::RowGroupWriter&)>& write) {
  if (auto made = make_room(); !made) return made;
  const auto status = write(*column_writer_->AppendRowGroup());
  return status.ok() ? Result<void>() : arrow_error("write a row group", status);
}

Result<void> Parts::commit() {
  if (!open_) {
    if (auto begun = begin_part(); !begun) return begun;
  }
  if (auto ended = end_part(true); !ended) return ended;
  return output_.commit();
}

}  // namespace rezolus
