// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Owners of what the operating system hands out: a file descriptor, a memory mapping. And whole-file
// reads, whole-file atomic writes.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace rezolus {

// Owns one file descriptor and closes it.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { close(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void close();

  // open(2) with O_CLOEXEC added. The error names the path.
  static Result<Fd> open(const std::string& path, int flags, unsigned mode = 0644);

 private:
  int fd_ = -1;
};

// Owns one mmap(2)ed region.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_bytes_(std::exchange(other.size_bytes_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  // Maps size_bytes of fd from offset 0, shared. Writable when asked for.
  static Result<Mapping> map(int fd, std::size_t size_bytes, bool writable);

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size_bytes() const { return size_bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_bytes_ = 0;
};

// The whole content of a file; files of /proc and /sys, whose size is 0, included.
// size_bytes_max bounds what is read: a larger file is an error.
Result<std::string> read_file(const std::string& path, std::size_t size_bytes_max = 64u << 20);

// The names in a folder, in no order; none when it does not exist. An error when it cannot be read to
// its end.
Result<std::vector<std::string>> folder_names(const std::string& path);

// A file of /proc or /sys that is read again and again: opened once, then one pread(2) per refresh
// into a buffer that grows to what the file needs.
class RereadFile {
 public:
  explicit RereadFile(std::string path) : path_(std::move(path)) {}
  // The content, valid until the next read. Opens the file at first use, and again after a failure.
  Result<std::string_view> read();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  Fd fd_;
  std::string buffer_;
};

// Writes all of data, or fails.
Result<void> write_all(int fd, std::span<const std::byte> data);
Result<void> write_all(int fd, std::string_view data);

// Writes path through a temporary file beside it and rename(2): readers see the old content or the
// new, never a part. Syncs the file first.
Result<void> write_file_atomic(const std::string& path, std::string_view content);

}  // namespace rezolus
