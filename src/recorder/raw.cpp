// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/raw.h"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/temporary_name.h"
#include "recording/log/log.h"
#include "wire/msgpack.h"

namespace rezolus {
namespace {

constexpr std::size_t kBufferSizeBytes = std::size_t{1} << 20;
// Metadata goes with every snapshot: texts of a page are left out.
constexpr std::size_t kMetadataBytesMax = 256;

SourceMetadata short_metadata(const SourceMetadata& metadata) {
  SourceMetadata kept;
  for (const auto& [key, value] : metadata) {
    if (key.size() + value.size() <= kMetadataBytesMax) kept.emplace(key, value);
  }
  return kept;
}

Result<void> write_snapshots(LogReader& log, const Fd& fd, const std::string& path) {
  MsgpackEncoder encoder;
  std::string buffer;
  const auto write_out = [&]() -> Result<void> {
    auto written = write_all(fd.get(), buffer);
    if (!written) return context("write " + path, std::move(written.error()));
    buffer.clear();
    return {};
  };
  while (true) {
    auto snapshot = log.next_snapshot();
    if (!snapshot) return std::unexpected(std::move(snapshot.error()));
    if (*snapshot == nullptr) break;
    buffer += encoder.encode_v2(**snapshot, short_metadata(log.metadata()));
    if (buffer.size() < kBufferSizeBytes) continue;
    if (auto written = write_out(); !written) return written;
  }
  if (auto written = write_out(); !written) return written;
  if (::fsync(fd.get()) != 0) return system_error("write " + path, errno);
  return {};
}

}  // namespace

Result<void> write_raw(const std::string& log_path, const std::string& path) {
  auto log = LogReader::open(log_path);
  if (!log) return std::unexpected(std::move(log.error()));
  const std::string unfinished = temporary_name(path);
  auto fd = Fd::open(unfinished, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (!fd) return std::unexpected(std::move(fd.error()));
  auto written = write_snapshots(*log, *fd, unfinished);
  if (written && std::rename(unfinished.c_str(), path.c_str()) != 0) {
    written = system_error(fmt::format("rename {} to {}", unfinished, path), errno);
  }
  if (!written) ::unlink(unfinished.c_str());
  return written;
}

}  // namespace rezolus
