// SPDX-License-Identifier: Apache-2.0 OR MIT
// `convert` and `recover`: a recording in another format, or cut out of one.

#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/core.h>
#include <malloc.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/version.h"
#include "recording/frame/metadata_keys.h"
#include "recording/log/log.h"
#include "recording/log/log_segment.h"
#include "recording/parquet/asked_stream.h"
#include "recording/parquet/commands.h"
#include "recording/parquet/cut_stream.h"
#include "recording/parquet/gap_finder.h"
#include "recording/parquet/interruption.h"
#include "recording/parquet/joined_stream.h"
#include "recording/parquet/long.h"
#include "recording/parquet/open_recording.h"
#include "recording/parquet/overview.h"
#include "recording/parquet/wide.h"
#include "recording/parquet/write_log.h"

namespace rezolus {
namespace {

void say_loss(const std::string& input, std::uint64_t lost_bytes, std::uint64_t lost_ticks) {
  if (lost_bytes == 0) return;
  fmt::print(stderr,
             "rezolus-recording: {} bytes of {} were unreadable, {} samples are known to "
             "be lost\n",
             lost_bytes, input, lost_ticks);
}

int convert_wide(SnapshotStream& recording, const std::string& output, const WideOptions& options) {
  auto report = write_wide(recording, output, options);
  if (!report) return fail(report.error());
  say_loss(recording.name(), report->lost_bytes, report->lost_ticks);
  int exit_code = kExitOk;
  if (report->folded_series != 0 || report->left_out_series != 0) {
    fmt::print(stderr,
               "rezolus-recording: {} has more series than {} columns: {} are summed by "
               "metric into series labelled \"other\", {} are left out; --layout long "
               "keeps all\n",
               recording.name(), kColumnsMax, report->folded_series, report->left_out_series);
    exit_code = kExitFolded;
  }
  fmt::print("{}: {} rows, {} columns{}\n", output, report->rows, report->columns,
             report->parts > 1 ? fmt::format(", {} files", report->parts) : "");
  return exit_code;
}

int convert_long(SnapshotStream& recording, const std::string& output, const LongOptions& options) {
  auto report = write_long(recording, output, options);
  if (!report) return fail(report.error());
  say_loss(recording.name(), report->lost_bytes, report->lost_ticks);
  if (report->same_time_ticks > 0) {
    fmt::print(stderr,
               "rezolus-recording: {} samples of {} are left out: they have the time of the "
               "one before\n",
               report->same_time_ticks, recording.name());
  }
  fmt::print("{}: {} rows of {} samples{}\n", output, report->rows, report->ticks,
             report->parts > 1 ? fmt::format(", {} files", report->parts) : "");
  return kExitOk;
}

Result<SourceMetadata> parse_metadata(const std::vector<std::string>& pairs) {
  SourceMetadata metadata;
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return error("--metadata: '{}' is not key=value", pair);
    }
    const std::string key = pair.substr(0, equals);
    if (auto free = check_metadata_key(key); !free) {
      return context("--metadata", std::move(free.error()));
    }
    metadata[key] = pair.substr(equals + 1);
  }
  return metadata;
}

std::string format_of(const ConvertOptions& options, const std::string& output) {
  if (!options.format.empty()) return options.format;
  if (output.ends_with(kLogSuffix)) return "log";
  return output.ends_with(".raw") || output.ends_with(".msgpack") ? "raw" : "parquet";
}

struct ConvertPlan {
  std::optional<std::uint64_t> interval_ms;
  SourceMetadata metadata;
  Cut cut;
};

Result<ConvertPlan> make_plan(const ConvertOptions& options) {
  ConvertPlan plan;
  if (!options.interval.empty()) {
    auto interval_ns = parse_duration_ns(options.interval);
    if (!interval_ns) return context("--interval", interval_ns.error());
    if (*interval_ns == 0 || *interval_ns % kNsPerMs != 0) {
      return error("--interval: '{}' is not a whole number of milliseconds", options.interval);
    }
    plan.interval_ms = *interval_ns / kNsPerMs;
    plan.cut.interval_ns = *interval_ns;
  }
  auto metadata = parse_metadata(options.metadata);
  if (!metadata) return std::unexpected(metadata.error());
  plan.metadata = std::move(*metadata);
  const auto parse = [](const char* name, const std::string& text,
                        std::optional<Moment>& moment) -> Result<void> {
    if (text.empty()) return {};
    auto parsed = parse_moment(text);
    if (!parsed) return context(name, parsed.error());
    moment = *parsed;
    return {};
  };
  if (auto from = parse("--from", options.from, plan.cut.from); !from) {
    return std::unexpected(from.error());
  }
  if (auto to = parse("--to", options.to, plan.cut.to); !to) return std::unexpected(to.error());
  return plan;
}

// The longer of the interval that is asked for and the recorded one: a shorter one would be noted as the
// interval of ticks that were never due. A multiple of the recorded one where the metadata names that:
// else ticks would seem to be missed. Nothing is asked for: nothing changes. Rewinds the stream.
Result<void> limit_interval(SnapshotStream& stream, ConvertPlan& plan) {
  if (!plan.interval_ms) return {};
  Overview first_ticks;
  std::uint64_t recorded_ns = 0;
  while (first_ticks.rows <= kMeasuredIntervalsMax) {
    auto snapshot = stream.next();
    if (!snapshot) return std::unexpected(snapshot.error());
    if (!*snapshot) break;
    first_ticks.add(**snapshot);
    recorded_ns = metadata_interval_ns(stream.metadata());  // which comes with the first tick
    if (recorded_ns != 0) break;
  }
  const std::uint64_t due_ns = interval_multiple_ns(plan.cut.interval_ns, recorded_ns);
  if (recorded_ns == 0) recorded_ns = measured_interval_ms(first_ticks) * kNsPerMs;
  if (auto rewound = stream.rewind(); !rewound) return rewound;
  if (recorded_ns <= plan.cut.interval_ns) {
    if (due_ns == plan.cut.interval_ns) return {};
    fmt::print(stderr,
               "rezolus-recording: --interval {} is no multiple of the recorded {}; {} is taken\n",
               format_duration(plan.cut.interval_ns), format_duration(recorded_ns),
               format_duration(due_ns));
    plan.cut.interval_ns = due_ns;
    plan.interval_ms = due_ns / kNsPerMs;
    return {};
  }
  fmt::print(stderr,
             "rezolus-recording: --interval {} is shorter than the recorded {}, which stays\n",
             format_duration(plan.cut.interval_ns), format_duration(recorded_ns));
  plan.cut.interval_ns = 0;
  plan.interval_ms.reset();
  return {};
}

Result<std::unique_ptr<SnapshotStream>> open_inputs(const ConvertOptions& options, bool remarks) {
  std::vector<std::unique_ptr<SnapshotStream>> streams;
  for (std::size_t i = 0; i + 1 < options.paths.size(); ++i) {
    auto opened = open_recording(options.paths[i], {.metrics = options.metrics});
    if (!opened) return std::unexpected(opened.error());
    for (const std::string& remark : opened->remarks) {
      if (!remarks) break;
      fmt::print(stderr, "rezolus-recording: {}: {}\n", options.paths[i], remark);
    }
    streams.push_back(std::move(opened->stream));
  }
  return join_streams(std::move(streams));
}

// What is asked for of the inputs.
Result<std::unique_ptr<SnapshotStream>> open_part(const ConvertOptions& options,
                                                  ConvertPlan& plan) {
  auto joined = open_inputs(options, true);
  if (!joined) return joined;
  if (auto limited = limit_interval(**joined, plan); !limited) {
    return std::unexpected(limited.error());
  }
  auto part = cut_stream(std::move(*joined), plan.cut);
  if (!part) return part;
  if (plan.cut.from || plan.cut.to) {
    // The cut may have passed over the ends.
    part = require_ticks(std::move(*part), [&options]() -> Result<SnapshotStream::Span> {
      auto whole = open_inputs(options, false);
      if (!whole) return std::unexpected(whole.error());
      return find_span(**whole);
    });
  }
  if (!options.metrics.empty()) part = require_series(std::move(*part));
  return part;
}

}  // namespace

int run_convert(const ConvertOptions& options) {
  if (options.paths.size() < 2) return fail({"convert needs an input and an output"}, kExitUsage);
  auto plan = make_plan(options);
  if (!plan) return fail(plan.error(), kExitUsage);
  // The parent limits this process's memory: buffers of this size go back to the system when freed.
  ::mallopt(M_MMAP_THRESHOLD, 512 << 10);
  watch_signals();
  const auto stopped = interrupted;
  auto recording = open_part(options, *plan);
  if (!recording) return fail(recording.error());
  const std::string& output = options.paths.back();
  const std::string format = format_of(options, output);
  if (format == "parquet") {
    if (options.layout == "long") {
      return convert_long(
          **recording, output,
          {.metadata = plan->metadata, .interval_ms = plan->interval_ms, .stopped = stopped});
    }
    return convert_wide(
        **recording, output,
        {.metadata = plan->metadata, .interval_ms = plan->interval_ms, .stopped = stopped});
  }
  const CopyOptions copy{
      .metadata = plan->metadata, .interval_ms = plan->interval_ms, .stopped = stopped};
  std::set<std::string> fractional;
  if (format == "raw") recording = note_fractions(std::move(*recording), fractional);
  const auto ticks =
      format == "log" ? write_log(**recording, output, copy) : write_raw(**recording, output, copy);
  if (!ticks) return fail(ticks.error());
  const LogLoss loss = (*recording)->loss();
  say_loss((*recording)->name(), loss.bytes, loss.ticks);
  if (!fractional.empty()) {
    fmt::print(stderr,
               "rezolus-recording: raw snapshots have whole numbers only: the fractions of {} "
               "gauges are cut off\n",
               fractional.size());
  }
  fmt::print("{}: {} samples\n", output, *ticks);
  return kExitOk;
}

// PATH may be the log, or the output that it stands beside.
int run_recover(const RecoverOptions& options) {
  const std::string& path = options.path;
  std::string output = options.output;
  const bool is_log = path.ends_with(kLogSuffix);
  const std::string log_path = is_log ? path : path + std::string(kLogSuffix);
  if (output.empty()) {
    output = is_log ? path.substr(0, path.size() - kLogSuffix.size()) : path;
    if (!output.ends_with(".parquet")) output += ".parquet";
  }
  if (::access(output.c_str(), F_OK) == 0) {
    return fail({fmt::format("{} exists; name another file with --output", output)});
  }
  auto fd = Fd::open(log_path, O_RDONLY);
  if (!fd) return fail(fd.error());
  if (::flock(fd->get(), LOCK_SH | LOCK_NB) != 0) {
    return fail({fmt::format("{} is still being written; end that recording first", log_path)});
  }
  if (!leads_to(log_path, *fd)) {
    return fail({fmt::format("{} was just replaced by another recording", log_path)});
  }
  ::mallopt(M_MMAP_THRESHOLD, 512 << 10);
  watch_signals();
  auto log = open_log_stream(log_path);
  if (!log) return fail(log.error());
  const int converted = convert_wide(**log, output, {.stopped = interrupted});
  if (converted != kExitOk && converted != kExitFolded) return converted;
  // The writer stops at the last row; what is lost may stand behind it.
  while (true) {
    auto rest = (*log)->next();
    if (!rest) return fail(rest.error());
    if (!*rest) break;
  }
  const LogLoss loss = (*log)->loss();
  // What the next `record` to this output would recover once more. Of a log of another name, or one in
  // which something is damaged, the output is no replacement.
  struct stat status = {};
  const bool left_behind = log_path == output + std::string(kLogSuffix) &&
                           ::fstat(fd->get(), &status) == 0 && S_ISREG(status.st_mode) &&
                           leads_to(log_path, *fd);
  if (left_behind && converted == kExitOk && loss.damage_count == 0) {
    if (::unlink(log_path.c_str()) != 0)
      return fail(system_error("remove " + log_path, errno).error());
    fmt::print("{}; {} is removed\n",
               loss.bytes == 0 ? std::string("nothing was lost")
                               : fmt::format("the end was cut off, {} bytes", loss.bytes),
               log_path);
  } else if (loss.bytes == 0 && converted == kExitFolded) {
    fmt::print("nothing was lost; {} is kept, since it alone has every series\n", log_path);
  } else if (loss.bytes == 0) {
    fmt::print("nothing was lost; {} is no longer needed\n", log_path);
  } else {
    fmt::print("lost: {} bytes{}, {} ticks{}; {} is kept\n", loss.bytes,
               loss.torn_tail ? " (the end was cut off)" : "", loss.ticks,
               loss.ticks_known ? "" : " at least", log_path);
  }
  return converted;
}

}  // namespace rezolus
