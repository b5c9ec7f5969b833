// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/fd.h"

#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/temporary_name.h"

namespace rezolus {

void Fd::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<Fd> Fd::open(const std::string& path, int flags, unsigned mode) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return system_error("open " + path, errno);
  return Fd(fd);
}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, size_bytes_);
}

Result<Mapping> Mapping::map(int fd, std::size_t size_bytes, bool writable) {
  void* address = ::mmap(nullptr, size_bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED,
                         fd, 0);
  if (address == MAP_FAILED) return system_error(fmt::format("mmap {} bytes", size_bytes), errno);
  Mapping mapping;
  mapping.data_ = static_cast<std::byte*>(address);
  mapping.size_bytes_ = size_bytes;
  return mapping;
}

Result<std::string> read_file(const std::string& path, std::size_t size_bytes_max) {
  auto fd = Fd::open(path, O_RDONLY);
  if (!fd) return std::unexpected(fd.error());
  std::string content;
  std::size_t used = 0;
  while (true) {
    if (used == content.size()) content.resize(used == 0 ? 4096 : used * 2);
    const ssize_t got = ::read(fd->get(), content.data() + used, content.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("read " + path, errno);
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
    if (used > size_bytes_max) return error("read {}: larger than {} bytes", path, size_bytes_max);
  }
  content.resize(used);
  return content;
}

Result<std::vector<std::string>> folder_names(const std::string& path) {
  std::vector<std::string> names;
  std::error_code failed;
  // Incremented by hand, since what vanishes during the walk must not throw.
  for (std::filesystem::directory_iterator it(path, failed), end; !failed && it != end;
       it.increment(failed)) {
    names.push_back(it->path().filename().string());
  }
  if (failed == std::errc::no_such_file_or_directory) return std::vector<std::string>{};
  if (failed) return system_error("list " + path, failed.value());
  return names;
}

Result<std::string_view> RereadFile::read() {
  if (!fd_.valid()) {
    auto fd = Fd::open(path_, O_RDONLY);
    if (!fd) return std::unexpected(fd.error());
    fd_ = std::move(*fd);
  }
  if (buffer_.empty()) buffer_.resize(4096);
  std::size_t used = 0;
  while (true) {
    const ssize_t got = ::pread(fd_.get(), buffer_.data() + used, buffer_.size() - used,
                                static_cast<off_t>(used));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error_number = errno;
      fd_.close();
      return system_error("read " + path_, error_number);
    }
    used += static_cast<std::size_t>(got);
    if (got == 0) break;
    if (used < buffer_.size()) continue;
    if (buffer_.size() >= (64u << 20)) return error("read {}: larger than 64 MiB", path_);
    // A file of /proc is generated per read: start over with room for all, so that it is one read.
    buffer_.resize(buffer_.size() * 2);
    used = 0;
  }
  return std::string_view(buffer_.data(), used);
}

Result<void> write_all(int fd, std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t wrote = ::write(fd, data.data(), data.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return system_error("write", errno);
    data = data.subspan(static_cast<std::size_t>(wrote));
  }
  return {};
}

Result<void> write_all(int fd, std::string_view data) {
  return write_all(fd, std::as_bytes(std::span(data.data(), data.size())));
}

Result<void> write_file_atomic(const std::string& path, std::string_view content) {
  const std::string temporary = temporary_name(path);
  auto fd = Fd::open(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  if (!fd) return std::unexpected(fd.error());
  auto wrote = write_all(fd->get(), content);
  if (wrote && ::fsync(fd->get()) != 0) wrote = system_error("fsync " + temporary, errno);
  if (wrote && ::rename(temporary.c_str(), path.c_str()) != 0) {
    wrote = system_error("rename to " + path, errno);
  }
  if (!wrote) ::unlink(temporary.c_str());
  return wrote;
}

}  // namespace rezolus
