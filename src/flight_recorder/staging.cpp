// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/staging.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/temporary_name.h"
#include "recording/log/log_segment.h"

namespace rezolus {
namespace {

constexpr std::string_view kPrefix = "snapshot-";

// As long as the source is now; what is written to it meanwhile is not part of the copy.
Result<void> copy_content(const std::string& from, int to_fd, const std::string& to) {
  auto source = Fd::open(from, O_RDONLY);
  if (!source) return std::unexpected(std::move(source.error()));
  struct stat status{};
  if (::fstat(source->get(), &status) != 0) return system_error("read " + from, errno);
  auto left = static_cast<std::size_t>(status.st_size);
  while (left > 0) {
    ssize_t copied = ::copy_file_range(source->get(), nullptr, to_fd, nullptr, left, 0);
    if (copied < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS)) {
      char bytes[64u << 10];
      copied = ::read(source->get(), bytes, std::min(left, sizeof bytes));
      if (copied > 0) {
        auto wrote = write_all(to_fd, std::string_view(bytes, static_cast<std::size_t>(copied)));
        if (!wrote) return context("write " + to, std::move(wrote.error()));
      }
    }
    if (copied < 0) return system_error(fmt::format("copy {} to {}", from, to), errno);
    if (copied == 0) return {};
    left -= static_cast<std::size_t>(copied);
  }
  return {};
}

Result<void> copy_file(const std::string& from, const std::string& to) {
  auto target = Fd::open(to, O_WRONLY | O_CREAT | O_TRUNC);
  if (!target) return std::unexpected(std::move(target.error()));
  return copy_content(from, target->get(), to);
}

struct Found {
  std::uint64_t sequence = 0;
  std::optional<std::uint64_t> begin_ns;  // none: its header is damaged
};

// Without knowing the clock's steps: a segment before one that begins earlier may reach anywhere.
bool may_touch(const std::vector<Found>& all, std::size_t index, std::uint64_t from_ns,
               std::uint64_t to_ns) {
  if (!all[index].begin_ns) return true;
  const std::uint64_t begin_ns = *all[index].begin_ns;
  if (to_ns != 0 && begin_ns > to_ns) return false;
  if (index + 1 == all.size() || !all[index + 1].begin_ns) return true;
  const std::uint64_t end_ns = *all[index + 1].begin_ns;
  return end_ns < begin_ns || end_ns >= from_ns;
}

std::vector<Found> find_segments(const std::string& buffer,
                                 const std::vector<std::uint64_t>& sequences) {
  std::vector<Found> all;
  for (const std::uint64_t sequence : sequences) {
    Found found{.sequence = sequence, .begin_ns = std::nullopt};
    if (const auto header = read_segment_header(segment_path(buffer, sequence))) {
      found.begin_ns = header->realtime_ns;
    }
    all.push_back(found);
  }
  return all;
}

}  // namespace

Result<StagedSegments> StagedSegments::stage(const std::string& buffer, std::uint64_t from_ns,
                                             std::uint64_t to_ns) {
  auto sequences = list_segments(buffer);
  if (!sequences) return std::unexpected(std::move(sequences.error()));
  if (sequences->empty()) return error("there is nothing in the buffer {} yet", buffer);
  std::string folder = fmt::format("{}/{}XXXXXX", buffer, kPrefix);
  if (::mkdtemp(folder.data()) == nullptr) {
    return system_error(fmt::format("make a folder in {}", buffer), errno);
  }
  StagedSegments staged(std::move(folder));
  const std::vector<Found> all = find_segments(buffer, *sequences);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!may_touch(all, i, from_ns, to_ns)) continue;
    const std::string from = segment_path(buffer, all[i].sequence);
    const std::string to = segment_path(staged.folder_, all[i].sequence);
    const bool written = i + 1 == all.size();
    if (written || ::link(from.c_str(), to.c_str()) != 0) {
      if (!written && errno == ENOENT) continue;  // retention was faster
      if (auto copied = copy_file(from, to); !copied) return std::unexpected(copied.error());
    }
    if (staged.count_++ == 0) staged.begin_ns_ = all[i].begin_ns.value_or(0);
  }
  if (staged.count_ == 0) return error("nothing of the buffer {} is from that time", buffer);
  return staged;
}

StagedSegments::StagedSegments(StagedSegments&& other) noexcept
    : folder_(std::exchange(other.folder_, {})), count_(other.count_), begin_ns_(other.begin_ns_) {}

StagedSegments::~StagedSegments() {
  if (folder_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

Result<void> StagedSegments::write_log(const std::string& path) const {
  auto sequences = list_segments(folder_);
  if (!sequences) return std::unexpected(std::move(sequences.error()));
  const std::string partial = temporary_name(path);
  auto target = Fd::open(partial, O_WRONLY | O_CREAT | O_TRUNC);
  if (!target) return std::unexpected(std::move(target.error()));
  const auto fill = [&]() -> Result<void> {
    for (const std::uint64_t sequence : *sequences) {
      auto copied = copy_content(segment_path(folder_, sequence), target->get(), partial);
      if (!copied) return copied;
    }
    if (::fsync(target->get()) != 0) return system_error("sync " + partial, errno);
    if (std::rename(partial.c_str(), path.c_str()) == 0) return {};
    return system_error(fmt::format("rename {} to {}", partial, path), errno);
  };
  auto filled = fill();
  if (!filled) ::unlink(partial.c_str());
  return filled;
}

void remove_staged(const std::string& buffer) {
  const auto names = folder_names(buffer);
  if (!names) return;
  for (const std::string& name : *names) {
    std::error_code ignored;
    if (name.starts_with(kPrefix)) std::filesystem::remove_all(buffer + "/" + name, ignored);
  }
}

}  // namespace rezolus
