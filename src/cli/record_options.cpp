// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "cli/record_options.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "base/store_url.h"
#include "cli/access_options.h"
#include "config/toml_keys.h"
#include "http/client.h"
#include "recording/log/log.h"
#include "samplers/collector.h"

namespace rezolus::cli {
namespace {

constexpr const char* kFooter = R"(
A command after -- is started with the first sample, in a process group of its own, and recorded
until it ends, plus one tick. At a terminal, what is typed is the command's, Ctrl-C too. --duration and signals end it: it gets SIGTERM, or the signal that
came, and two seconds later SIGKILL.

Exit codes: 0 recorded, 1 failed, 2 wrong usage or a second signal. With a command, its own exit code
instead of 0, or 128 + the signal that ended it; 124 when --duration ended it; 126 or 127 when it
could not be started or was not found. A recording that failed is 1 whatever the command did.

Examples:
  rezolus record -d 10s
  rezolus record --interval 100ms http://localhost:4241 build.parquet -- make -j4
  rezolus record --samplers syscall_latency,scheduler_runqueue --label build=1234
  rezolus record --endpoint localhost:4241 --endpoint http://localhost:9100/metrics,source=node
  rezolus record --metrics 'tcp_*' --metrics cpu_usage -d 1m)";

void declare(CLI::App& app, RecordArguments& arguments) {
  app.add_option("-i,--interval", arguments.interval,
                 "Time between samples, from 1ms (default 1s)");
  app.add_option("-d,--duration", arguments.duration,
                 "Stop after this long (default: at Ctrl-C, or when the command ends)");
  app.add_option("--url", arguments.url,
                 "Agent or Prometheus page to record from (default: http://localhost:4241 when an "
                 "agent answers there, else samplers in this process)");
  app.add_option("--endpoint", arguments.endpoints,
                 "URL[,source=NAME][,role=TEXT][,protocol=rezolus|prometheus|auto]: an agent or a "
                 "Prometheus endpoint; several are recorded into one file, told apart by the label "
                 "source (repeatable). For https and credentials, options as below with underscores: "
                 ",ca_file=PATH")
      ->allow_extra_args(false);
  app.add_option("-c,--config", arguments.config,
                 "TOML file with these settings, as config/record.toml; options go before it");
  app.add_option("-o,--output", arguments.output,
                 "File to write (default rezolus.parquet), or the URL of an object store "
                 "(s3://bucket/run.parquet)");
  app.add_option("-f,--format", arguments.format,
                 "parquet (default), log, or raw: MessagePack snapshots as upstream's recorder has "
                 "them");
  app.add_option("--layout", arguments.layout,
                 "Of Parquet: wide (default, a column for each series) or long (a row for each "
                 "series and sample)");
  app.add_option("--spool", arguments.spool,
                 "Folder for the recording until it is in the object store (default $TMPDIR, else "
                 "/var/tmp)");
  app.add_option("--priority", arguments.priority,
                 "Of the thread that takes samples in this process, and only of it: normal "
                 "(default), high (niceness -20) or realtime (SCHED_FIFO); with the last two, memory "
                 "is locked as well")
      ->allow_extra_args(false);
  app.add_option("--samplers", arguments.samplers,
                 "Only what these samplers measure, separated by commas; in this process, no other "
                 "is started. `rezolus check --samplers` lists them")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--metrics", arguments.metrics,
                 "Only metrics of this name; * and ? stand for any characters (repeatable)")
      ->allow_extra_args(false);
  app.add_option("-l,--label", arguments.labels,
                 "key=value, a label for every series that has none of that name (repeatable)")
      ->allow_extra_args(false);
  app.add_option("-m,--metadata", arguments.metadata,
                 "key=value for the file's metadata (repeatable)")
      ->allow_extra_args(false);
  app.add_flag("-v,--verbose", arguments.verbose, "Say more");
  add_access_options(app, arguments.access);
  app.add_option("positionals", arguments.positionals, "[URL] [OUTPUT] [-- COMMAND…]")
      ->expected(0, 2);
  app.footer(kFooter);
}

Result<void> take_positionals(RecordArguments& arguments) {
  for (const std::string& text : arguments.positionals) {
    const bool is_url = looks_like_url(text) && !is_store_url(text);
    const bool is_config = !is_url && text.ends_with(".toml");
    std::string& target = is_url ? arguments.url : is_config ? arguments.config : arguments.output;
    if (!target.empty()) {
      return usage_error("'{}': the {} was already given as '{}'", shown_url(text),
                         is_url      ? "URL"
                         : is_config ? "configuration"
                                     : "output",
                         shown_url(target));
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
    const std::string near = config::nearest(name, known);
    return usage_error("--samplers: there is no sampler '{}'{}", name,
                       near.empty() ? "; `rezolus check --samplers` lists them"
                                    : fmt::format("; did you mean '{}'?", near));
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
  if (priority == "high") {
    options.scheduler.niceness = -20;
  } else if (priority == "realtime") {
    options.scheduler.policy = SchedulerConfig::Policy::kFifo;
  } else if (!priority.empty() && priority != "normal") {
    return usage_error("--priority: '{}' is not known; it is normal, high or realtime", priority);
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
  if (format == "log" || (format.empty() && options.output.ends_with(kLogSuffix))) {
    options.format = OutputFormat::kLog;
    if (arguments.output.empty()) options.output = "rezolus.rezlog";
  } else if (format == "raw") {
    options.format = OutputFormat::kRaw;
    if (arguments.output.empty()) options.output = "rezolus.raw";
  } else if (!format.empty() && format != "parquet") {
    return usage_error("--format: '{}' is not known; it is parquet, log or raw", format);
  }
  if (arguments.layout.empty()) return {};
  if (arguments.layout != "wide" && arguments.layout != "long") {
    return usage_error("--layout: '{}' is not known; it is wide or long", arguments.layout);
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

Result<RecordOptions> understand(RecordArguments arguments) {
  RecordOptions options;
  for (const auto take : {take_sources, take_times, take_priority, take_output, take_filters,
                          take_pairs}) {
    if (auto taken = take(arguments, options); !taken) {
      return std::unexpected(std::move(taken.error()));
    }
  }
  options.verbose = arguments.verbose;
  return options;
}

Result<std::optional<RecordOptions>> read_record_options(std::span<const std::string> arguments) {
  CLI::App app("Record snapshots into a Parquet file", "rezolus record");
  RecordArguments given;
  declare(app, given);
  const auto end = std::ranges::find(arguments, "--");
  try {
    app.parse(std::vector<std::string>(std::make_reverse_iterator(end), arguments.rend()));
  } catch (const CLI::Success& help) {
    app.exit(help);
    return std::nullopt;
  } catch (const CLI::ParseError& wrong) {
    return usage_error("{}; see rezolus record --help", wrong.what());
  }
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
