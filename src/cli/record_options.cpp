// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "cli/record_options.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "base/clock.h"
#include "base/nearest.h"
#include "base/store_url.h"
#include "cli/access_options.h"
#include "cli/subcommand.h"
#include "command_line/parser.h"
#include "http/client.h"
#include "recording/frame/metadata_keys.h"
#include "recording/log/log.h"
#include "samplers/collector.h"

namespace rezolus::cli {
namespace {

constexpr std::array<std::string_view, 3> kFormats = {"parquet", "log", "raw"};
constexpr std::array<std::string_view, 2> kLayouts = {"wide", "long"};
constexpr std::array<std::string_view, 4> kPriorities = {"auto", "normal", "high", "realtime"};

command_line::Manual record_manual() {
  return {
      .text =
          "A command after -- is started with the first sample, in a process group of its own, and "
          "recorded until it ends, plus one tick. At a terminal, what is typed is the command's, "
          "Ctrl-C too. --duration and signals end it: it gets SIGTERM, or the signal that came, "
          "and two seconds later SIGKILL.\n\n"
          "What was recorded survives a crash: it is in a log beside the output, and the next "
          "record to that output recovers it. Samplers in this process need root, or CAP_BPF and "
          "CAP_PERFMON; asking an agent needs no privilege.\n\n"
          "A DURATION is a number with its unit: 250us, 10ms, 1.5s, 5m, 1h 30m, 2days.",
      .examples =
          {{"rezolus record -d 10s", ""},
           {"rezolus record --interval 100ms http://localhost:4241 build.parquet -- make -j4", ""},
           {"rezolus record --samplers syscall_latency,scheduler_runqueue --label build=1234", ""},
           {"rezolus record --endpoint localhost:4241 --endpoint "
            "http://localhost:9100/metrics,source=node",
            ""},
           {"rezolus record --metrics 'tcp_*' --metrics cpu_usage -d 1m", ""},
           {"rezolus record config/record.toml", ""}},
      .exit_codes =
          {{"0",
            "recorded; with a command, its own exit code instead, or 128 + the signal that "
            "ended it"},
           {"1", "failed, whatever the command did"},
           {"2", "wrong usage, or a second signal"},
           {"124", "--duration ended the command"},
           {"126, 127", "the command could not be started, or was not found"}},
      .signals =
          {{"SIGINT, SIGTERM, SIGHUP",
            "finish the file; a second SIGINT or SIGTERM ends it at once, and leaves the log"}},
      .files = {{"rezolus.parquet", "The output, where none is named."},
                {"OUTPUT.rezlog", "The log beside it, until the output is complete."}},
      .environment =
          {{"TMPDIR",
            "Folder for the log of a recording to an object store; else "
            "/var/tmp."},
           {"AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
            "Credentials of an object store, and others as the clouds' own programs read "
            "them."}},
      .see_also = {"rezolus(1)", "rezolus-recording(1)", "rezolus-flight-recorder(1)",
                   "rezolus-check(1)"}};
}

class RecordParser : public command_line::Parser {
 public:
  RecordParser()
      : Parser("rezolus record", "Record snapshots into a Parquet file", record_manual()) {
    add_time_options();
    add_source_options();
    add_output_options();
    add_choice_options();
    add_flag("-v,--verbose", given.verbose, "Say more");
    add_access_options(*this, given.access);
    add_option("PLACES", given.positionals,
               "An agent or a Prometheus page as with --url, the file as with --output (or "
               "CONFIG.toml, as with --config), and the command during which to record")
        ->expected(0, kPlacesMax)
        ->option_text("[URL] [OUTPUT] [-- COMMAND...]")
        ->type_name(command_line::kFileValue);
    takes_command();
  }
  static constexpr const char* kSampler = "SAMPLER";
  RecordArguments given;

 private:
  // More than there can be, so that a command without -- is seen as one.
  static constexpr int kPlacesMax = 1000;

  void add_time_options() {
    add_option("-i,--interval", given.interval,
               "Time between samples, in whole milliseconds (default 1s)")
        ->type_name("DURATION");
    add_option("-d,--duration", given.duration,
               "Stop after this long (default: at Ctrl-C, or when the command ends)")
        ->type_name("DURATION");
  }
  void add_source_options() {
    add_option("--url", given.url,
               "Agent or Prometheus page to record from (default: http://localhost:4241 when an "
               "agent answers there, else samplers in this process)")
        ->type_name("URL");
    add_option("--endpoint", given.endpoints,
               "An agent or a Prometheus endpoint, as "
               "URL[,source=NAME][,role=TEXT][,protocol=rezolus|prometheus|auto]; several are "
               "recorded into one file, told apart by the label source (repeatable). For https and "
               "credentials, options as below with underscores: ,ca_file=PATH")
        ->type_name("ENDPOINT")
        ->allow_extra_args(false);
    add_option("-c,--config", given.config,
               "TOML file with these settings, as config/record.toml; options overrule it")
        ->type_name(command_line::kFileValue);
  }
  void add_output_options() {
    add_option("-o,--output", given.output,
               "File to write (default rezolus.parquet), or the URL of an object store "
               "(s3://bucket/run.parquet)")
        ->type_name(command_line::kFileValue);
    command_line::one_of(
        add_option("-f,--format", given.format,
                   "Format of the output (default parquet; log where its name ends with .rezlog, "
                   "raw where with .raw or .msgpack); raw is MessagePack snapshots as upstream's "
                   "recorder has them"),
        kFormats);
    command_line::one_of(add_option("--layout", given.layout,
                                    "How Parquet is laid out: wide (default, a column for each "
                                    "series) or long (a row for each series and sample)"),
                         kLayouts);
    add_option("--spool", given.spool,
               "Folder for the recording until it is in the object store (default $TMPDIR, else "
               "/var/tmp)")
        ->type_name(command_line::kFolderValue);
  }
  void add_choice_options() {
    command_line::one_of(
        add_option("--priority", given.priority,
                   "Priority of the thread that takes samples in this process: auto (default: "
                   "SCHED_RR where that is allowed, else normal), normal, high (niceness -20) or "
                   "realtime (SCHED_FIFO); with the last two, memory is locked as well")
            ->allow_extra_args(false),
        kPriorities);
    add_option(
        "--samplers", given.samplers,
        "Only what these samplers measure, separated by commas; in this process, no other is "
        "started. `rezolus check --samplers` lists them")
        ->type_name(kSampler)
        ->delimiter(',')
        ->allow_extra_args(false);
    add_option("--metrics", given.metrics,
               "Only metrics of this name; * and ? stand for any characters (repeatable)")
        ->type_name("PATTERN")
        ->allow_extra_args(false);
    add_option("-l,--label", given.labels,
               "A label for every series that has none of that name (repeatable)")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
    add_option("-m,--metadata", given.metadata, "A text for the file's metadata (repeatable)")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
  }
};

Result<void> take_positionals(RecordArguments& arguments) {
  for (const std::string& text : arguments.positionals) {
    const bool is_url = looks_like_url(text) && !is_store_url(text);
    const bool is_config = !is_url && text.ends_with(".toml");
    std::string& target = is_url ? arguments.url : is_config ? arguments.config : arguments.output;
    if (!target.empty()) {
      return usage_error("'{}': the {} was already given as '{}'{}", shown_url(text),
                         is_url      ? "URL"
                         : is_config ? "configuration"
                                     : "output",
                         shown_url(target),
                         is_url || is_config ? "" : "; a command stands behind --");
    }
    target = text;
  }
  return {};
}

using Pair = std::pair<std::string, std::string>;

Result<Pair> split_pair(std::string_view option, const std::string& item) {
  const std::size_t equals = item.find('=');
  if (equals == std::string::npos || equals == 0) {
    return usage_error("{}: '{}' is not key=value", option, item);
  }
  return Pair{item.substr(0, equals), item.substr(equals + 1)};
}

Result<void> take_pairs(const RecordArguments& arguments, RecordOptions& options) {
  for (const std::string& item : arguments.metadata) {
    auto pair = split_pair("--metadata", item);
    if (!pair) return std::unexpected(std::move(pair.error()));
    if (auto free = check_metadata_key(pair->first); !free) {
      return context("--metadata", std::move(free.error()));
    }
    options.metadata[pair->first] = pair->second;
  }
  Labels& labels = options.choice.labels;
  for (const std::string& item : arguments.labels) {
    auto pair = split_pair("--label", item);
    if (!pair) return std::unexpected(std::move(pair.error()));
    if (auto named = check_label_name(pair->first); !named) {
      return context("--label", std::move(named.error()));
    }
    if (std::ranges::find(labels, pair->first, &Pair::first) != labels.end()) {
      return usage_error("--label: '{}' is given twice", pair->first);
    }
    labels.push_back(std::move(*pair));
  }
  return {};
}

Result<void> take_filters(const RecordArguments& arguments, RecordOptions& options) {
  std::vector<std::string> known;
  for (const SamplerName& sampler : sampler_names()) known.emplace_back(sampler.name);
  for (const std::string& name : arguments.samplers) {
    if (std::ranges::find(known, name) != known.end()) continue;
    return usage_error("--samplers: there is no sampler '{}'{}", name,
                       did_you_mean(name, known, "; `rezolus check --samplers` lists them"));
  }
  options.choice.samplers = arguments.samplers;
  options.choice.metrics = arguments.metrics;
  return {};
}

Result<void> take_times(const RecordArguments& arguments, RecordOptions& options) {
  if (!arguments.interval.empty()) {
    auto interval_ns = parse_duration_ns(arguments.interval);
    if (!interval_ns) return context("--interval", std::move(interval_ns.error()));
    if (*interval_ns < kNsPerMs) {
      return usage_error("--interval: {} is too short; the shortest is 1ms", arguments.interval);
    }
    // The file's metadata has it in milliseconds, and tells gaps by it.
    if (*interval_ns % kNsPerMs != 0) {
      return usage_error("--interval: '{}' is not a whole number of milliseconds",
                         arguments.interval);
    }
    options.plan.interval_ns = *interval_ns;
  }
  if (arguments.duration.empty()) return {};
  auto duration_ns = parse_duration_ns(arguments.duration);
  if (!duration_ns) return context("--duration", std::move(duration_ns.error()));
  options.plan.duration_ns = *duration_ns;
  return {};
}

Result<void> take_priority(const RecordArguments& arguments, RecordOptions& options) {
  const std::string& priority = arguments.priority;
  using Policy = SchedulerConfig::Policy;
  if (priority == "normal") {
    options.scheduler.policy = Policy::kNormal;
  } else if (priority == "high") {
    options.scheduler = {.policy = Policy::kNormal, .niceness = -20};
  } else if (priority == "realtime") {
    options.scheduler.policy = Policy::kFifo;
  } else if (!priority.empty() && priority != "auto") {
    return usage_error("--priority: {}", command_line::not_one_of(priority, kPriorities));
  }
  return {};
}

// "s3://bucket/a.parquet", recorded into "s3_bucket_a.parquet" of the spool until it is sent. Options
// and credentials of the URL are no part of the name.
std::string spooled_name(std::string url) {
  url = shown_store_url(url);
  url.erase(url.find("://"), 2);
  std::ranges::replace_if(url, [](char c) { return c == '/' || c == ':'; }, '_');
  return url;
}

std::string spool_folder(const RecordArguments& arguments) {
  if (!arguments.spool.empty()) return arguments.spool;
  const char* folder = std::getenv("TMPDIR");
  return folder != nullptr && *folder != '\0' ? folder : "/var/tmp";
}

Result<void> take_format(const RecordArguments& arguments, RecordOptions& options) {
  const std::string& format = arguments.format;
  if (!format.empty() && std::ranges::find(kFormats, format) == kFormats.end()) {
    return usage_error("--format: {}", command_line::not_one_of(format, kFormats));
  }
  options.format = named_format(format, options.output);
  if (arguments.output.empty() && options.format == OutputFormat::kLog) {
    options.output = "rezolus.rezlog";
  } else if (arguments.output.empty() && options.format == OutputFormat::kRaw) {
    options.output = "rezolus.raw";
  }
  if (arguments.layout.empty()) return {};
  if (std::ranges::find(kLayouts, arguments.layout) == kLayouts.end()) {
    return usage_error("--layout: {}", command_line::not_one_of(arguments.layout, kLayouts));
  }
  if (options.format != OutputFormat::kParquet) {
    return usage_error("--layout is one of Parquet files; it has no meaning for this format");
  }
  options.layout = arguments.layout;
  return {};
}

Result<void> take_output(const RecordArguments& arguments, RecordOptions& options) {
  if (!arguments.output.empty()) options.output = arguments.output;
  if (auto taken = take_format(arguments, options); !taken) return taken;
  options.local_output = options.output;
  if (!is_store_url(options.output)) return {};
  if (options.format != OutputFormat::kParquet) {
    return usage_error(
        "'{}': only Parquet is written to object stores; name a file for a log or "
        "raw snapshots",
        options.output);
  }
  if (auto right = check_store_url(options.output); !right) return right;
  options.local_output =
      (std::filesystem::path(spool_folder(arguments)) / spooled_name(options.output)).string();
  return {};
}

Result<void> take_sources(const RecordArguments& arguments, RecordOptions& options) {
  for (const std::string& text : arguments.endpoints) {
    auto endpoint = parse_endpoint(text);
    if (!endpoint) return context("--endpoint", std::move(endpoint.error()));
    options.endpoints.push_back(std::move(*endpoint));
  }
  if (!options.endpoints.empty() && arguments.access != HttpAccess{}) {
    return usage_error("with --endpoint, credentials and files stand behind each URL: {},ca_file=…",
                       options.endpoints.front().url.display());
  }
  options.access = arguments.access;
  if (arguments.url.empty()) return {};
  if (!options.endpoints.empty()) {
    return usage_error("'{}' and --endpoint exclude each other; give --url as an --endpoint too",
                       shown_url(arguments.url));
  }
  auto url = parse_url(arguments.url, arguments.access);
  if (!url) return std::unexpected(std::move(url.error()));
  if (auto right = check_access(url->access); !right) return right;
  options.url = arguments.url;
  return {};
}

}  // namespace

OutputFormat named_format(std::string_view format, std::string_view output) {
  const auto named = [&](std::string_view suffix) {
    return format.empty() && output.ends_with(suffix);
  };
  if (format == "log" || named(kLogSuffix)) return OutputFormat::kLog;
  if (format == "raw" || named(".raw") || named(".msgpack")) return OutputFormat::kRaw;
  return OutputFormat::kParquet;
}

Result<RecordOptions> understand(RecordArguments arguments) {
  RecordOptions options;
  for (const auto take :
       {take_sources, take_times, take_priority, take_output, take_filters, take_pairs}) {
    if (auto taken = take(arguments, options); !taken) {
      return std::unexpected(std::move(taken.error()));
    }
  }
  options.verbose = arguments.verbose;
  return options;
}

command_line::CommandDescription describe_record() {
  std::vector<std::string> samplers;
  for (const SamplerName& sampler : sampler_names()) samplers.emplace_back(sampler.name);
  return command_line::describe(RecordParser(), {{RecordParser::kSampler, samplers}});
}

Result<std::optional<RecordOptions>> read_record_options(std::span<const std::string> arguments) {
  RecordParser parser;
  RecordArguments& given = parser.given;
  const auto end = std::ranges::find(arguments, "--");
  const auto read = parser.read({arguments.begin(), end});
  if (!read) return usage_error("{}; see rezolus record --help", read.error().message);
  if (!*read) return std::nullopt;
  if (auto taken = take_positionals(given); !taken) {
    return std::unexpected(std::move(taken.error()));
  }
  if (!given.config.empty()) {
    auto file = read_record_config(given.config);
    if (!file) return std::unexpected(std::move(file.error()));
    fill_in(given, std::move(*file));
  }
  auto options = understand(std::move(given));
  if (!options) return std::unexpected(std::move(options.error()));
  if (end != arguments.end()) {
    options->command.assign(end + 1, arguments.end());
    if (options->command.empty()) return usage_error("name the command behind --");
  }
  return std::move(*options);
}

}  // namespace rezolus::cli
