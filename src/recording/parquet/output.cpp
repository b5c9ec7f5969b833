// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/output.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <utility>

#include <arrow/config.h>
#include <arrow/io/file.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/part_names.h"
#include "base/store_url.h"
#include "base/temporary_name.h"

namespace rezolus {
namespace {

Result<void> sync_path(const std::string& path, int flags) {
  auto fd = Fd::open(path, flags);
  if (!fd) return std::unexpected(fd.error());
  if (::fsync(fd->get()) != 0) return system_error("sync " + path, errno);
  return {};
}

// Some builds of Arrow have S3 in a library of its own, beside the main one.
void load_s3() {
  static bool tried = false;
  if (std::exchange(tried, true)) return;
  Dl_info library = {};
  if (::dladdr(reinterpret_cast<const void*>(&arrow::fs::EnsureFinalized), &library) == 0) return;
  const auto path = std::filesystem::path(library.dli_fname).parent_path() /
                    ("libarrow_s3.so." + arrow::GetBuildInfo().so_version);
  std::error_code ignored;
  // When it cannot be loaded, opening the URL says what is missing.
  if (std::filesystem::exists(path, ignored)) {
    (void)arrow::fs::LoadFileSystemFactories(path.c_str());
  }
}

// To a store, a stream takes what it is given and sends it by and by: with a slow line, all of a file
// would be in memory. This one waits every so often until nothing is left to be sent.
class BoundedSink final : public arrow::io::OutputStream {
 public:
  explicit BoundedSink(std::shared_ptr<arrow::io::OutputStream> store) : store_(std::move(store)) {}

  using arrow::io::OutputStream::Write;
  arrow::Status Write(const void* data, std::int64_t size_bytes) override {
    ARROW_RETURN_NOT_OK(store_->Write(data, size_bytes));
    unsent_bytes_ += size_bytes;
    return unsent_bytes_ < kUnsentBytesMax ? arrow::Status::OK() : Flush();
  }
  arrow::Status Flush() override {
    unsent_bytes_ = 0;
    return store_->Flush();
  }
  arrow::Status Close() override { return store_->Close(); }
  arrow::Status Abort() override { return store_->Abort(); }
  arrow::Result<std::int64_t> Tell() const override { return store_->Tell(); }
  bool closed() const override { return store_->closed(); }

 private:
  static constexpr std::int64_t kUnsentBytesMax = 32 << 20;

  std::shared_ptr<arrow::io::OutputStream> store_;
  std::int64_t unsent_bytes_ = 0;
};

}  // namespace

std::unexpected<Error> arrow_error(const std::string& what, const arrow::Status& status) {
  return error("{}: {}", what, status.message());
}

void close_stores() { arrow::fs::EnsureFinalized(); }

Result<void> check_replaceable(const std::string& path, const std::string& shown) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return error("write {}: it is not a regular file; choose another output", shown);
  }
  return {};
}

Result<Output> Output::open(const std::string& output) {
  Output result;
  result.path_ = output;
  if (is_store_url(output)) {
    if (output.starts_with("s3://")) load_s3();
    auto store = arrow::fs::FileSystemFromUri(output, &result.path_);
    if (!store.ok()) {
      // Arrow repeats the URL, and there may be a secret in it.
      const std::string shown = shown_store_url(output);
      std::string why = store.status().message();
      for (std::size_t at = 0; (at = why.find(output, at)) != why.npos; at += shown.size()) {
        why.replace(at, output.size(), shown);
      }
      return error("open {}: {}", shown, why);
    }
    if ((*store)->type_name() != "local") {
      result.store_ = std::move(*store);
      return result;
    }
  }
  if (auto free = check_replaceable(result.path_, output); !free) {
    return std::unexpected(std::move(free.error()));
  }
  return result;
}

Output::~Output() {
  if (committed_) return;
  for (Part& part : parts_) {
    // Of a store's file, the parts of its upload are given up: it never existed.
    if (part.sink && !part.sink->closed()) (void)part.sink->Abort();
    if (part.shown) (void)store_->DeleteFile(part.path);
    if (!part.temporary.empty()) ::unlink(part.temporary.c_str());
  }
}

Result<arrow::io::OutputStream*> Output::begin_part() {
  Part part;
  part.path = part_name(path_, parts_.size() + 1);
  if (store_) {
    auto sink = store_->OpenOutputStream(part.path);
    if (!sink.ok()) return arrow_error("write " + part.path, sink.status());
    part.sink = std::make_shared<BoundedSink>(std::move(*sink));
  } else {
    part.temporary = temporary_name(part.path);
    auto fd = Fd::open(part.temporary, O_WRONLY | O_CREAT | O_TRUNC);
    if (!fd) return context("write Parquet", fd.error());
    auto sink = arrow::io::FileOutputStream::Open(fd->release());
    if (!sink.ok()) return arrow_error("write " + part.path, sink.status());
    part.sink = std::move(*sink);
  }
  parts_.push_back(std::move(part));
  return parts_.back().sink.get();
}

Result<void> Output::finish_part() {
  CHECK(!parts_.empty() && !parts_.back().finished, "a part was begun");
  Part& part = parts_.back();
  part.finished = true;
  // In a store a file appears when it is closed; the first part's upload stays open until commit().
  if (store_ && parts_.size() == 1) return {};
  if (const auto closed = part.sink->Close(); !closed.ok()) {
    return arrow_error("close " + part.path, closed);
  }
  part.shown = store_ != nullptr;
  if (store_) return {};
  return sync_path(part.temporary, O_RDONLY);
}

Result<void> Output::commit() {
  if (store_) {
    if (const auto closed = parts_.front().sink->Close(); !closed.ok()) {
      return arrow_error("close " + parts_.front().path, closed);
    }
    committed_ = true;
    return remove_stale_parts();
  }
  for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) {
    if (::rename(part->temporary.c_str(), part->path.c_str()) != 0) {
      return system_error("rename to " + part->path, errno);
    }
    part->temporary.clear();
  }
  committed_ = true;
  if (auto removed = remove_stale_parts(); !removed) return removed;
  const auto folder = std::filesystem::path(path_).parent_path();
  return sync_path(folder.empty() ? "." : folder.string(), O_RDONLY | O_DIRECTORY);
}

Result<void> Output::remove_stale_parts() {
  for (std::uint64_t part = parts_.size() + 1; store_; ++part) {
    const std::string path = part_name(path_, part);
    // Who may write but not look or list is told 403: then what is left over is for readers to find.
    const auto there = store_->GetFileInfo(path);
    if (!there.ok() || !there->IsFile()) return {};
    const auto removed = store_->DeleteFile(path);
    if (!removed.ok()) return arrow_error("remove the earlier recording's " + path, removed);
  }
  const auto name_of = [](const std::string& path) {
    return std::filesystem::path(path).filename().string();
  };
  for (const std::string& path : find_later_parts(path_)) {
    if (part_number(name_of(path_), name_of(path)) <= parts_.size()) continue;
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) continue;
    return system_error("remove the earlier recording's " + path, errno);
  }
  return {};
}

}  // namespace rezolus
