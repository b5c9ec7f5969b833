// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cli/record_arguments.h"
#include "cli/record_options.h"

namespace rezolus::cli {
namespace {

std::string error_of(std::string_view text) {
  auto config = parse_record_config(text, "record.toml");
  if (!config) return config.error().message;
  auto options = understand(std::move(*config));
  return options ? "" : options.error().message;
}

TEST(RecordConfig, ShippedFileIsTheDefault) {
  const std::string path = REZOLUS_SOURCE_DIR "/config/record.toml";
  EXPECT_TRUE(is_record_config(path));
  EXPECT_FALSE(is_record_config(REZOLUS_SOURCE_DIR "/config/agent.toml"));
  auto read = read_record_config(path);
  ASSERT_TRUE(read) << read.error().message;
  const auto shipped = understand(std::move(*read));
  ASSERT_TRUE(shipped) << shipped.error().message;
  const auto defaults = understand({});
  ASSERT_TRUE(defaults);
  EXPECT_EQ(shipped->plan.interval_ns, defaults->plan.interval_ns);
  EXPECT_EQ(shipped->plan.duration_ns, defaults->plan.duration_ns);
  EXPECT_EQ(shipped->output, defaults->output);
  EXPECT_EQ(shipped->format, defaults->format);
  EXPECT_EQ(shipped->url, defaults->url);
  EXPECT_TRUE(shipped->choice.everything());
  EXPECT_TRUE(shipped->endpoints.empty());
  EXPECT_EQ(shipped->scheduler, SchedulerConfig());
  EXPECT_TRUE(shipped->metadata.empty());
  EXPECT_EQ(shipped->verbose, defaults->verbose);
}

TEST(RecordConfig, EveryKeyIsTaken) {
  auto config = parse_record_config(R"([record]
interval = "10ms"
duration = "5s"
output = "x.parquet"
format = "log"
priority = "realtime"
samplers = ["cpu_usage"]
metrics = "tcp_*"
labels.build = "7"
metadata.note = "a=b"
verbose = true
[[endpoints]]
url = "localhost:4241"
[[endpoints]]
url = "http://localhost:9100/metrics"
source = "node"
role = "host"
protocol = "prometheus"
)",
                                    "record.toml");
  ASSERT_TRUE(config) << config.error().message;
  const auto options = understand(std::move(*config));
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->plan.interval_ns, 10'000'000u);
  EXPECT_EQ(options->plan.duration_ns, 5'000'000'000u);
  EXPECT_EQ(options->output, "x.parquet");
  EXPECT_EQ(options->format, OutputFormat::kLog);
  EXPECT_EQ(options->choice.samplers, std::vector<std::string>{"cpu_usage"});
  EXPECT_EQ(options->choice.metrics, std::vector<std::string>{"tcp_*"});
  EXPECT_EQ(options->choice.labels, (Labels{{"build", "7"}}));
  EXPECT_EQ(options->metadata, (SourceMetadata{{"note", "a=b"}}));
  EXPECT_TRUE(options->verbose);
  EXPECT_EQ(options->scheduler.policy, SchedulerConfig::Policy::kFifo);
  ASSERT_EQ(options->endpoints.size(), 2u);
  EXPECT_EQ(options->endpoints[1].source, "node");
  EXPECT_EQ(options->endpoints[1].role, "host");
  EXPECT_EQ(options->endpoints[1].protocol, Protocol::kPrometheus);
}

TEST(RecordConfig, PrioritiesHaveNames) {
  using Policy = SchedulerConfig::Policy;
  EXPECT_EQ(understand({})->scheduler.policy, Policy::kAuto);
  EXPECT_EQ(understand({.priority = "auto"})->scheduler.policy, Policy::kAuto);
  EXPECT_EQ(understand({.priority = "normal"})->scheduler.policy, Policy::kNormal);
  EXPECT_EQ(understand({.priority = "high"})->scheduler.policy, Policy::kNormal);
  EXPECT_EQ(understand({.priority = "high"})->scheduler.niceness, -20);
  EXPECT_NE(error_of("[record]\npriority = \"fast\"\n").find("auto, normal, high or realtime"),
            std::string::npos);
}

TEST(RecordConfig, WhoAsksForALogDoesNotGetTheFilesLayout) {
  RecordArguments file;
  file.layout = "long";
  for (const RecordArguments& asked :
       {RecordArguments{.format = "log"}, RecordArguments{.output = "run.raw"}}) {
    RecordArguments both = asked;
    fill_in(both, file);
    EXPECT_TRUE(understand(both)) << both.format;
  }
  RecordArguments both{.output = "run.parquet"};
  fill_in(both, file);
  EXPECT_EQ(understand(both)->layout, "long");
  file.format = "parquet";  // whatever the name
  RecordArguments named{.output = "run.raw"};
  fill_in(named, file);
  EXPECT_EQ(understand(named)->layout, "long");
  file.format = "log";  // against its own layout
  RecordArguments none;
  fill_in(none, file);
  EXPECT_FALSE(understand(none));
}

TEST(RecordConfig, AnObjectStoreIsSpooled) {
  RecordArguments arguments;
  arguments.output = "s3://bucket/a/run.parquet";
  arguments.spool = "/spool";
  arguments.layout = "long";
  const auto options = understand(arguments);
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->output, "s3://bucket/a/run.parquet");
  EXPECT_EQ(options->local_output, "/spool/s3_bucket_a_run.parquet");
  EXPECT_EQ(options->layout, "long");
  arguments.format = "raw";
  arguments.layout.clear();
  EXPECT_FALSE(understand(arguments));
  EXPECT_EQ(understand({.output = "here.parquet"})->local_output, "here.parquet");
}

TEST(RecordConfig, AnObjectStoreThatCannotBeWrittenIsRefused) {
  for (const char* wrong : {"foo://b/k", "s3:///k", "s3://", "s3://b"}) {
    const auto options = understand({.output = wrong});
    ASSERT_FALSE(options) << wrong;
    EXPECT_EQ(options.error().kind, ErrorKind::kUsage) << wrong;
  }
}

TEST(RecordConfig, TheRecordingsOwnMetadataIsNoUsers) {
  for (const char* key : {"ARROW:schema", "parquet_next_part", "sampling_interval_ms", "sources"}) {
    const auto options = understand({.metadata = {fmt::format("{}=9", key)}});
    ASSERT_FALSE(options) << key;
    EXPECT_EQ(options.error().kind, ErrorKind::kUsage);
  }
  EXPECT_EQ(error_of("[record]\nmetadata.version = \"9\"\n"),
            "--metadata: 'version' is a key that the recording itself has; choose another");
}

TEST(RecordConfig, TheNameSaysTheFormatWhereNothingElseDoes) {
  EXPECT_EQ(understand({.output = "a.rezlog"})->format, OutputFormat::kLog);
  EXPECT_EQ(understand({.output = "a.raw"})->format, OutputFormat::kRaw);
  EXPECT_EQ(understand({.output = "a.msgpack"})->format, OutputFormat::kRaw);
  for (const char* name : {"a.rezlog", "a.raw", "a.x"}) {
    const auto options = understand({.output = name, .format = "parquet"});
    EXPECT_EQ(options->format, OutputFormat::kParquet) << name;
    EXPECT_EQ(options->output, name);
  }
}

TEST(RecordConfig, UpstreamsSectionsAreTheSame) {
  auto config = parse_record_config(
      "[recording]\noutput = \"a.parquet\"\ninterval = \"2s\"\nformat = \"parquet\"\n"
      "[[endpoints]]\nurl = \"http://localhost:4241\"\nprotocol = \"msgpack\"\n",
      "r.toml");
  ASSERT_TRUE(config) << config.error().message;
  const auto options = understand(std::move(*config));
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->endpoints.at(0).protocol, Protocol::kRezolus);
  EXPECT_EQ(options->plan.interval_ns, 2'000'000'000u);
}

TEST(RecordConfig, ErrorsNameTheKey) {
  EXPECT_EQ(error_of("[record]\nintervall = \"1s\"\n"),
            "record.toml:2: unknown key 'record.intervall'; did you mean 'record.interval'?");
  EXPECT_EQ(error_of("[[endpoints]]\nsource = \"a\"\n"),
            "record.toml:1: endpoints: an endpoint needs a url");
  EXPECT_EQ(error_of("[record]\ninterval = \"10us\"\n"),
            "--interval: 10us is too short; the shortest is 1ms");
  EXPECT_EQ(error_of("[record]\ninterval = \"1900us\"\n"),
            "--interval: '1900us' is not a whole number of milliseconds");
  EXPECT_NE(error_of("[record]\nsamplers = [\"cpu_usag\"]\n").find("did you mean 'cpu_usage'?"),
            std::string::npos);
}

TEST(RecordConfig, TheCommandLineGoesFirst) {
  RecordArguments line;
  line.interval = "5ms";
  line.labels = {"a=line"};
  line.url = "localhost:1";
  RecordArguments file;
  file.interval = "1s";
  file.duration = "9s";
  file.labels = {"a=file", "b=file"};
  file.endpoints = {"localhost:2"};
  fill_in(line, std::move(file));
  EXPECT_EQ(line.interval, "5ms");
  EXPECT_EQ(line.duration, "9s");
  EXPECT_EQ(line.labels, (std::vector<std::string>{"b=file", "a=line"}));
  EXPECT_TRUE(line.endpoints.empty());
}

}  // namespace
}  // namespace rezolus::cli
