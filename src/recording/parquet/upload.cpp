// SPDX-License-Identifier: Apache-2.0 OR MIT
// `upload`: a file and its parts, as they are, to an object store, and the JSON beside it.

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/store_url.h"
#include "recording/parquet/commands.h"
#include "recording/parquet/interruption.h"
#include "recording/parquet/output.h"
#include "recording/parquet/part_files.h"
#include "recording/parquet/parts.h"

namespace rezolus {
namespace {

constexpr std::string_view kBeside = ".json";
constexpr std::size_t kBlockBytes = 4u << 20;

// Object stores have no folders; a file system has.
Result<void> make_folder(const std::string& url) {
  if (!url.starts_with("file:")) return {};
  std::string path;
  const auto store = arrow::fs::FileSystemFromUri(url, &path);
  if (!store.ok()) return arrow_error("open " + url, store.status());
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) return system_error("create folder " + folder.string(), failure.value());
  return {};
}

// The file, and the parts in which it goes on. An error: one of them is not there.
Result<std::vector<std::string>> files_of(const std::string& path) {
  PartFiles found = PartFinder().find(path);
  for (const std::string& file : found.foreign) {
    fmt::print(stderr, "rezolus-recording: {} is not sent: it is part of another recording\n",
               file);
  }
  if (!found.holes.empty()) {
    return error("{} is missing though {} is there; put it beside the others, nothing was sent",
                 found.holes.front().missing, found.holes.front().there);
  }
  if (const auto next = read_footer_value(found.files.back(), std::string(kMetaNextPart))) {
    return error(
        "{} says that it goes on in part {}, which is not beside it; put it there, nothing was sent",
        found.files.back(), *next);
  }
  for (const std::string& file : found.left_over) {
    fmt::print(stderr, "rezolus-recording: {} is not sent: {} says that the recording ends there\n",
               file, found.last);
  }
  return std::move(found.files);
}

Result<void> upload_part(const std::string& path, const std::string& url, Output& output) {
  auto source = Fd::open(path, O_RDONLY);
  if (!source) return std::unexpected(std::move(source.error()));
  auto sink = output.begin_part();
  if (!sink) return std::unexpected(std::move(sink.error()));
  std::vector<char> block(kBlockBytes);
  while (true) {
    if (interrupted()) return error("stopped; nothing is at {}", shown_store_url(url));
    const ssize_t count = ::read(source->get(), block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("read " + path, errno);
    if (count == 0) break;
    if (const auto written = (*sink)->Write(block.data(), count); !written.ok()) {
      return arrow_error("write " + shown_store_url(url), written);
    }
  }
  return output.finish_part();
}

// They appear under the URL as parts are named, the first one last.
Result<void> upload_files(const std::vector<std::string>& files, const std::string& url) {
  auto output = Output::open(url);
  if (!output) return std::unexpected(std::move(output.error()));
  for (const std::string& file : files) {
    if (auto sent = upload_part(file, url, *output); !sent) return sent;
  }
  return output->commit();
}

}  // namespace

int run_upload(const UploadOptions& options) {
  const std::string& path = options.path;
  const std::string& url = options.url;
  if (!is_store_url(url)) {
    return fail({fmt::format("'{}' is not the URL of an object store; write s3://bucket/key, "
                             "gs://…, abfs://… or file:///path",
                             url)},
                kExitUsage);
  }
  watch_signals();
  // The JSON comes last: where it is, the file is.
  for (const std::string_view suffix : {std::string_view(), kBeside}) {
    const std::string file = path + std::string(suffix);
    if (!suffix.empty() && ::access(file.c_str(), F_OK) != 0) continue;
    const std::string target = store_url_with_suffix(url, suffix);
    if (auto made = make_folder(target); !made) return fail(made.error());
    const auto files = suffix.empty() ? files_of(file) : std::vector<std::string>{file};
    if (!files) return fail(files.error());
    if (auto sent = upload_files(*files, target); !sent) return fail(sent.error());
    fmt::print("{}{}\n", shown_store_url(target),
               files->size() > 1 ? fmt::format(", {} files", files->size()) : "");
  }
  return kExitOk;
}

}  // namespace rezolus
