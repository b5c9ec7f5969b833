// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/commands.h"

#include <algorithm>
#include <memory>
#include <string>

#include <fmt/core.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "recording/parquet/tables.h"

namespace rezolus {
namespace {

constexpr const char* kJsonHelp = "Print JSON instead of a table";
constexpr const char* kMetricsHelp =
    "Only metrics that fit this pattern, as 'cpu_*'; may be repeated";

std::string to_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

struct InfoOptions {
  std::vector<std::string> files;
  bool json = false;
};

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

struct SummaryOptions {
  std::string file;
  std::vector<std::string> by;
  std::vector<std::string> metrics;
  bool json = false;
};

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
  if (digest.tick_count() == 0) return error("{}: there is no sample in it", path);
  const LogLoss loss = opened->stream->loss();
  if (loss.bytes != 0) {
    fmt::print(stderr,
               "rezolus-recording: {} bytes of {} were unreadable, {} samples are known to "
               "be lost\n",
               loss.bytes, path, loss.ticks);
  }
  return digest;
}

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
    fmt::print("  no series fits; see: rezolus recording info {}\n", options.file);
  } else if (digest->tick_count() < 2) {
    fmt::print("  one sample only: there are no rates to show\n\n");
  }
  fmt::print("{}", render_digest(rows, digest->elapsed_ns()));
  return kExitOk;
}

struct DiffOptions {
  std::string a;
  std::string b;
  std::vector<std::string> metrics;
  std::vector<std::string> by;
  std::string sort = "name";
  bool json = false;
};

int run_diff(const DiffOptions& options) {
  DigestSide sides[2];
  for (const auto& [path, side] : {std::pair(&options.a, &sides[0]), {&options.b, &sides[1]}}) {
    const auto digest = digest_recording(*path, options.metrics);
    if (!digest) return fail(digest.error());
    side->rows = digest->rows({.by = options.by});
    side->elapsed_ns = digest->elapsed_ns();
  }
  const auto rows = compare_digests(sides[0], sides[1], options.sort == "change");
  if (options.json) {
    fmt::print("{}", to_text(comparison_json(rows)));
    return kExitOk;
  }
  fmt::print("A: {}\nB: {}\n\n{}", options.a, options.b,
             render_comparison(rows, ::isatty(STDOUT_FILENO) == 1));
  return kExitOk;
}

}  // namespace

Command add_info(CLI::App& app) {
  auto options = std::make_shared<InfoOptions>();
  CLI::App* parser = app.add_subcommand(
      "info", "What is in recordings: span, ticks, gaps, jitter, sources, metrics, metadata");
  parser->add_option("FILE", options->files, "Recordings of any format")->required();
  parser->add_flag("--json", options->json, kJsonHelp);
  parser->footer(
      "Jitter is how far a tick came from one interval after the tick before it.\n\n"
      "Examples:\n"
      "  rezolus recording info rezolus.parquet\n"
      "  rezolus recording info --json *.parquet | jq '.[].missed'");
  return {parser, [options] { return run_info(*options); }};
}

Command add_summary(CLI::App& app) {
  auto options = std::make_shared<SummaryOptions>();
  CLI::App* parser =
      app.add_subcommand("summary", "Rates of counters, ranges of gauges, quantiles of histograms");
  parser->add_option("FILE", options->file, "A recording of any format")->required();
  parser
      ->add_option("--by", options->by,
                   "Split by this label, as op, id or source; 'cgroup' is "
                   "by container; may be repeated")
      ->allow_extra_args(false);
  parser->add_option("--metrics", options->metrics, kMetricsHelp)->allow_extra_args(false);
  parser->add_flag("--json", options->json, kJsonHelp);
  parser->footer(
      "CPUs and containers are summed up unless --by splits them. Rates are over the whole "
      "recording;\ncounters that started over are added up. Quantiles are those of what "
      "happened between the\nfirst tick and the last, as the upper bound of their "
      "bucket.\n\n"
      "Examples:\n"
      "  rezolus recording summary rezolus.parquet\n"
      "  rezolus recording summary rezolus.parquet --metrics 'blockio_*'\n"
      "  rezolus recording summary rezolus.parquet --by cgroup\n"
      "  rezolus recording summary rezolus.parquet --by id --metrics cpu_usage --json");
  return {parser, [options] { return run_summary(*options); }};
}

Command add_diff(CLI::App& app) {
  auto options = std::make_shared<DiffOptions>();
  CLI::App* parser = app.add_subcommand(
      "diff", "Rates and quantiles of two recordings side by side, with the change from A to B");
  parser->add_option("A", options->a, "The recording before")->required();
  parser->add_option("B", options->b, "The recording after")->required();
  parser->add_option("--metrics", options->metrics, kMetricsHelp)->allow_extra_args(false);
  parser->add_option("--by", options->by, "Split by this label, as for summary")
      ->allow_extra_args(false);
  parser->add_option("--sort", options->sort, "'name', or 'change': the largest first")
      ->check(CLI::IsMember({"name", "change"}));
  parser->add_flag("--json", options->json, kJsonHelp);
  parser->footer(
      "Examples:\n"
      "  rezolus recording diff before.parquet after.parquet --sort change | head -30\n"
      "  rezolus recording diff a.parquet b.rezlog --metrics '*latency*'");
  return {parser, [options] { return run_diff(*options); }};
}

}  // namespace rezolus
