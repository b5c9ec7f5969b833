// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/file_body.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

namespace rezolus::http {
namespace {

constexpr std::size_t kPendingBytesMax = 256u << 10;

class FileBody final : public BodyStream {
 public:
  FileBody(Fd file, std::uint64_t size_bytes) : file_(std::move(file)), size_bytes_(size_bytes) {}

  void begin(Wake wake) override { wake(); }

  // What cannot be read ends it early, and the client sees that it has less than it was told.
  void fill(std::string& pending) override {
    if (ended_ || pending.size() >= kPendingBytesMax) return;
    const std::size_t had = pending.size();
    const std::size_t wanted =
        std::min<std::uint64_t>(kPendingBytesMax - had, size_bytes_ - offset_);
    pending.resize(had + wanted);
    ssize_t count = 0;
    do {
      count = ::pread(file_.get(), pending.data() + had, wanted, static_cast<off_t>(offset_));
    } while (count < 0 && errno == EINTR);
    const auto got = static_cast<std::size_t>(std::max<ssize_t>(count, 0));
    pending.resize(had + got);
    offset_ += got;
    ended_ = got == 0 || offset_ == size_bytes_;
  }
  void keep_alive(std::string& /*pending*/) override {}
  void end(std::string& /*pending*/) override {}
  [[nodiscard]] bool ended() const override { return ended_; }
  [[nodiscard]] std::optional<std::uint64_t> size_bytes() const override { return size_bytes_; }

 private:
  Fd file_;
  const std::uint64_t size_bytes_;
  std::uint64_t offset_ = 0;
  bool ended_ = false;
};

}  // namespace

Result<Response> file_response(const std::string& path, const std::string& file_name,
                               std::string content_type) {
  auto file = Fd::open(path, O_RDONLY);
  if (!file) return std::unexpected(std::move(file.error()));
  struct stat status{};
  if (::fstat(file->get(), &status) != 0) return system_error("read " + path, errno);
  Response response;
  response.content_type = std::move(content_type);
  response.stream =
      std::make_shared<FileBody>(std::move(*file), static_cast<std::uint64_t>(status.st_size));
  response.headers.emplace_back("Content-Disposition",
                                fmt::format("attachment; filename=\"{}\"", file_name));
  return response;
}

}  // namespace rezolus::http
