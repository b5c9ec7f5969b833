// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/definitions.h"

#include <array>
#include <string_view>

#include "base/version.h"

namespace rezolus {
namespace {

using command_line::kFileValue;
using command_line::Manual;
using command_line::one_of;
using command_line::Parser;

constexpr const char* kJsonHelp = "Print JSON instead of a table";
constexpr const char* kMetricsHelp =
    "Only metrics of this name; * and ? stand for any characters (repeatable)";

constexpr std::array<std::string_view, 3> kFormats = {"parquet", "log", "raw"};
constexpr std::array<std::string_view, 2> kLayouts = {"wide", "long"};
constexpr std::array<std::string_view, 2> kOrders = {"name", "change"};

Manual program_manual() {
  return {
      .text =
          "Each takes Parquet files of Rezolus (wide and long) and of the original, logs (.rezlog) "
          "and raw snapshots, also compressed by zstd. `rezolus recording COMMAND --help` has "
          "examples.",
      .exit_codes = {{"0", "ok"},
                     {"1", "failed"},
                     {"2", "wrong usage"},
                     {"3",
                      "convert, recover: written, but some series are only in sums or left out; "
                      "keep the input"}},
      .files = {{"OUTPUT.rezlog", "The log of a recording that runs, or that a crash cut off."},
                {"OUTPUT.part2.parquet",
                 "Where a recording goes on that is too large for one file."},
                {"SNAPSHOT.json", "Why a flight recorder made a snapshot; upload sends it along."}},
      .environment =
          {{"AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
            "Credentials of an object store, and others as the clouds' own programs read "
            "them."}},
      .see_also = {"rezolus(1)", "rezolus-record(1)", "rezolus-flight-recorder(1)"}};
}

void define_info(Parser& app, InfoOptions& given) {
  Parser* parser = app.add_command(
      "info", "What is in recordings: span, ticks, gaps, jitter, sources, metrics, metadata",
      {.text = "Jitter is how far a tick came from one interval after the tick before it.",
       .examples = {{"rezolus recording info rezolus.parquet", ""},
                    {"rezolus recording info --json *.parquet | jq '.[].missed'", ""}},
       .exit_codes = {{"0", "ok"}, {"1", "a file could not be read"}, {"2", "wrong usage"}}});
  parser->add_option("FILE", given.files, "Recordings of any format")
      ->required()
      ->type_name(kFileValue);
  parser->add_flag("--json", given.json, kJsonHelp);
}

void define_summary(Parser& app, SummaryOptions& given) {
  Parser* parser = app.add_command(
      "summary", "Rates of counters, ranges of gauges, quantiles of histograms",
      {.text =
           "CPUs and containers are summed up unless --by splits them. Rates are over the whole "
           "recording; counters that started over are added up. Quantiles are those of what "
           "happened "
           "between the first tick and the last, as the upper bound of their bucket.",
       .examples = {{"rezolus recording summary rezolus.parquet", ""},
                    {"rezolus recording summary rezolus.parquet --metrics 'blockio_*'", ""},
                    {"rezolus recording summary rezolus.parquet --by cgroup", "by container"},
                    {"rezolus recording summary rezolus.parquet --by id --metrics cpu_usage --json",
                     "by CPU"}},
       .exit_codes = {{"0", "ok"}, {"1", "failed"}, {"2", "wrong usage"}}});
  parser->add_option("FILE", given.file, "A recording of any format")
      ->required()
      ->type_name(kFileValue);
  parser
      ->add_option(
          "--by", given.by,
          "Split by this label, as op, id or source; 'cgroup' is by container (repeatable)")
      ->type_name("LABEL")
      ->allow_extra_args(false);
  parser->add_option("--metrics", given.metrics, kMetricsHelp)
      ->type_name("PATTERN")
      ->allow_extra_args(false);
  parser->add_flag("--json", given.json, kJsonHelp);
}

void define_diff(Parser& app, DiffOptions& given) {
  Parser* parser = app.add_command(
      "diff", "Rates and quantiles of two recordings side by side, with the change from A to B",
      {.examples = {{"rezolus recording diff before.parquet after.parquet --sort change | head -30",
                     ""},
                    {"rezolus recording diff a.parquet b.rezlog --metrics '*latency*'", ""}},
       .exit_codes = {
           {"0", "ok, whatever the differences"}, {"1", "failed"}, {"2", "wrong usage"}}});
  parser->add_option("A", given.a, "The recording before")->required()->type_name(kFileValue);
  parser->add_option("B", given.b, "The recording after")->required()->type_name(kFileValue);
  parser->add_option("--metrics", given.metrics, kMetricsHelp)
      ->type_name("PATTERN")
      ->allow_extra_args(false);
  parser->add_option("--by", given.by, "Split by this label, as for summary (repeatable)")
      ->type_name("LABEL")
      ->allow_extra_args(false);
  one_of(parser->add_option("--sort", given.sort,
                            "Order of rows, by name (default) or by change: the largest first"),
         kOrders);
  parser->add_flag("--json", given.json, kJsonHelp);
}

void define_convert(Parser& app, ConvertOptions& given) {
  Parser* parser = app.add_command(
      "convert", "Write recordings in another format, cut, thinned out, or several joined",
      {.text = "Several inputs are joined on time: their series get the label source. Raw "
               "snapshots have "
               "no sums of histograms and no fractions of gauges.",
       .examples =
           {{"rezolus recording convert run.parquet.rezlog run.parquet", ""},
            {"rezolus recording convert run.parquet lake.parquet --layout long", ""},
            {"rezolus recording convert run.parquet end.parquet --from=-30s --metrics 'tcp_*'", ""},
            {"rezolus recording convert run.parquet minutes.parquet --interval 1m", ""},
            {"rezolus recording convert client.parquet server.parquet both.parquet", ""}},
       .exit_codes = {{"0", "ok"},
                      {"1", "failed"},
                      {"2", "wrong usage"},
                      {"3",
                       "written, but some series are only in sums or left out; keep the input, "
                       "or use --layout long"}}});
  parser
      ->add_option("FILES", given.paths,
                   "Recordings of any format, and the file to write: a path, or for Parquet a URL "
                   "(s3://bucket/key)")
      ->required()
      ->option_text("INPUT... OUTPUT")
      ->type_name(kFileValue);
  one_of(parser->add_option("--format", given.format,
                            "Format of the output (default by its name: .rezlog is a log, .raw and "
                            ".msgpack are raw snapshots, all else Parquet)"),
         kFormats);
  one_of(parser->add_option(
             "--layout", given.layout,
             "How Parquet is laid out: wide (default), a column for each series; long, a row for "
             "each series and tick"),
         kLayouts);
  parser
      ->add_option("--from", given.from,
                   "First moment: 2026-11-26T02:00:00Z, seconds since 1970, +10s after the first "
                   "tick, or -30s before the last, as --from=-30s (default: the first tick)")
      ->type_name("TIME");
  parser
      ->add_option("--to", given.to, "Last moment, in the forms of --from (default: the last tick)")
      ->type_name("TIME");
  parser->add_option("--metrics", given.metrics, kMetricsHelp)
      ->type_name("PATTERN")
      ->allow_extra_args(false);
  parser
      ->add_option(
          "-i,--interval", given.interval,
          "At most one tick in this time, as 10s (default: every tick), or in the next multiple of "
          "the recorded interval; it is noted as the interval, unless the recorded one is longer")
      ->type_name("DURATION");
  parser->add_option("-m,--metadata", given.metadata, "A text for the file's metadata (repeatable)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

void define_recover(Parser& app, RecoverOptions& given) {
  Parser* parser = app.add_command(
      "recover", "Finish what a crash left behind, or read what is readable of a damaged log",
      {.text = "Says what was lost. A log PATH.rezlog whose every readable tick is in PATH is "
               "removed, as by the "
               "next record to PATH; it stays where it is damaged, or where the output has another "
               "name.",
       .examples = {{"rezolus recording recover run.parquet", "reads run.parquet.rezlog"},
                    {"rezolus recording recover old.rezlog -o old.parquet", ""}},
       .exit_codes = {
           {"0", "ok; what was lost is printed"},
           {"1", "failed"},
           {"2", "wrong usage"},
           {"3", "written, but some series are only in sums or left out; keep the log"}}});
  parser->add_option("PATH", given.path, "The log, or the output that it stands beside")
      ->required()
      ->type_name(kFileValue);
  parser
      ->add_option("-o,--output", given.output,
                   "Parquet file to write (default: PATH without .rezlog); it must not exist yet")
      ->type_name(kFileValue);
}

void define_upload(Parser& app, UploadOptions& given) {
  Parser* parser = app.add_command(
      "upload", "Copy a file to an object store, and the JSON beside it",
      {.text =
           "What was there is replaced, and parts of a longer recording of that name are removed. "
           "Nothing is sent where a part is missing. A file appears under its name when all of it "
           "is "
           "there. Credentials are those of the environment (AWS_ACCESS_KEY_ID, …) or of the "
           "machine's role.",
       .examples = {{"rezolus recording upload incident.parquet s3://incidents/node7/disk.parquet",
                     ""}},
       .exit_codes = {{"0", "ok"}, {"1", "failed"}, {"2", "wrong usage"}}});
  parser
      ->add_option(
          "FILE", given.path,
          "Any file; its parts (FILE.part2.parquet …) and FILE.json go along where they are")
      ->required()
      ->type_name(kFileValue);
  parser->add_option("URL", given.url, "s3://bucket/key, gs://…, abfs://… or file:///path")
      ->required()
      ->type_name("URL");
}

}  // namespace

RecordingParser::RecordingParser()
    : Parser("rezolus recording", "Look into recordings of Rezolus, compare and convert them",
             program_manual()) {
  set_version_flag("--version", "rezolus-recording " + std::string(kVersion));
  require_subcommand(1);
  define_info(*this, given.info);
  define_summary(*this, given.summary);
  define_diff(*this, given.diff);
  define_convert(*this, given.convert);
  define_recover(*this, given.recover);
  define_upload(*this, given.upload);
}

}  // namespace rezolus
