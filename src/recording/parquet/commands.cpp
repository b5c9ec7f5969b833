// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/commands.h"

#include <algorithm>
#include <memory>
#include <string>

#include <fmt/core.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "recording/parquet/asked_stream.h"
#include "recording/parquet/tables.h"

namespace rezolus {
namespace {

std::string to_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

int run_info(const InfoOptions& options) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  int exit_code = kExitOk;
  bool first = true;
  for (const std::string& path : options.files) {
    const auto info = inspect_recording(path);
    if (!info) {
      exit_code = fail(info.error());
    } else if (options.json) {
      list.push_back(info_json(*info));
    } else {
      fmt::print("{}{}", first ? "" : "\n", render_info(*info));
      first = false;
    }
  }
  if (options.json) fmt::print("{}", to_text(list));
  return exit_code;
}

namespace {

// Reads a recording to its end; what is odd in it goes to stderr.
Result<Digest> digest_recording(const std::string& path, const std::vector<std::string>& metrics) {
  auto opened = open_recording(path, {.metrics = metrics});
  if (!opened) return std::unexpected(opened.error());
  for (const std::string& remark : opened->remarks) {
    fmt::print(stderr, "rezolus-recording: {}: {}\n", path, remark);
  }
  Digest digest;
  while (true) {
    auto snapshot = opened->stream->next();
    if (!snapshot) return std::unexpected(snapshot.error());
    if (!*snapshot) break;
    digest.add(*snapshot);
  }
  const LogLoss loss = opened->stream->loss();
  if (digest.tick_count() == 0) return error("{}: {}", path, no_sample_text(loss));
  if (loss.bytes != 0) {
    fmt::print(stderr,
               "rezolus-recording: {} bytes of {} were unreadable, {} samples are known to "
               "be lost\n",
               loss.bytes, path, loss.ticks);
  }
  return digest;
}

}  // namespace

int run_summary(const SummaryOptions& options) {
  std::vector<std::string> metrics = options.metrics;
  const bool by_cgroup = std::ranges::find(options.by, kByCgroup) != options.by.end();
  if (by_cgroup && metrics.empty()) metrics = {"cgroup_*"};
  const auto digest = digest_recording(options.file, metrics);
  if (!digest) return fail(digest.error());
  const auto rows = digest->rows({.by = options.by});
  if (options.json) {
    fmt::print("{}", to_text(digest_json(rows, digest->elapsed_ns())));
    return kExitOk;
  }
  fmt::print("{}: {} ticks in {}, from {}\n\n", options.file, digest->tick_count(),
             format_duration(digest->elapsed_ns() / kNsPerMs * kNsPerMs),
             format_utc(digest->first_ns()));
  if (rows.empty()) {
    fmt::print("  {}\n", no_series_text(options.file));
  } else if (digest->tick_count() < 2) {
    fmt::print("  one sample only: there are no rates to show\n\n");
  }
  fmt::print("{}", render_digest(rows, digest->elapsed_ns()));
  return kExitOk;
}

int run_diff(const DiffOptions& options) {
  DigestSide sides[2];
  for (const auto& [path, side] : {std::pair(&options.a, &sides[0]), {&options.b, &sides[1]}}) {
    const auto digest = digest_recording(*path, options.metrics);
    if (!digest) return fail(digest.error());
    side->rows = digest->rows({.by = options.by});
    side->elapsed_ns = digest->elapsed_ns();
  }
  if (sides[0].rows.empty() && sides[1].rows.empty()) return fail({no_series_text(options.a)});
  const auto rows = compare_digests(sides[0], sides[1], options.sort == "change");
  if (options.json) {
    fmt::print("{}", to_text(comparison_json(rows)));
    return kExitOk;
  }
  fmt::print("A: {}\nB: {}\n\n{}", options.a, options.b,
             render_comparison(rows, ::isatty(STDOUT_FILENO) == 1));
  return kExitOk;
}

}  // namespace rezolus
