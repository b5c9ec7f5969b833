// SPDX-License-Identifier: Apache-2.0 OR MIT
// The worked examples of docs/formats, byte by byte.
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "recording/frame/frame.h"
#include "recording/log/folder_log.h"
#include "recording/log/log.h"

namespace rezolus {
namespace {

std::string as_hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x} ", static_cast<unsigned char>(byte));
  return text;
}

// The bytes of a code block of a document, counted from its end: on each line those before the
// explanation.
std::string listing(const std::string& name, int from_end = 1) {
  const auto document = read_file(std::string(REZOLUS_SOURCE_DIR) + "/docs/formats/" + name);
  EXPECT_TRUE(document);
  std::size_t end = document->rfind("```");
  for (int i = 1; i < from_end; ++i) {
    end = document->rfind("```", document->rfind("```", end - 1) - 1);
  }
  const std::size_t begin = document->rfind("```", end - 1) + 4;
  std::istringstream lines(document->substr(begin, end - begin));
  std::string hex;
  for (std::string line; std::getline(lines, line);) {
    hex += line.substr(0, std::min(line.find("  "), line.find("    "))) + " ";
  }
  return hex;
}

SchemaBuilder example_schema() {
  SchemaBuilder builder;
  Series calls;
  calls.name = "calls";
  calls.labels = {{"op", "read"}};
  calls.unit = "syscalls";
  calls.help = "Calls.";
  calls.sampler = "syscall";
  calls.prometheus = "rezolus_calls_total";
  builder.add(calls);
  Series latency;
  latency.name = "latency";
  latency.type = MetricType::kHistogram;
  latency.unit = "nanoseconds";
  latency.sampler = "syscall";
  latency.histogram = {1, 3};
  latency.group = builder.add_group("syscall/banks");
  latency.lean = false;
  builder.add(latency);
  return builder;
}

TEST(FormatExample, Frame) {
  SchemaBuilder builder = example_schema();
  FrameEncoder encoder{SourceMetadata{{"source", "rezolus"}}};
  std::string out;
  for (std::uint64_t k = 0; k < 2; ++k) {
    Snapshot snapshot;
    snapshot.schema = builder.publish();
    resize_to_schema(snapshot);
    snapshot.realtime_ns = 1'000'000 + k * 1000;
    snapshot.monotonic_ns = 5000 + k * 1000;
    snapshot.duration_ns = 20 + k;
    snapshot.windows[1] = {snapshot.realtime_ns + 2, snapshot.realtime_ns + 7};
    snapshot.present = {1, 1};
    snapshot.scalars[0] = 300 + 2 * k;
    auto latency = std::make_shared<HistogramValue>();
    latency->buckets = {0, 2, 0, 0, k, 0};
    latency->sum = 2 + 5 * k;
    snapshot.histograms[0] = latency;
    ASSERT_TRUE(encoder.encode(snapshot, out));
  }
  FrameEncoder::encode_gap({.realtime_ns = 1'002'000, .missed_count = 3, .reason = "late"}, out);
  encoder.encode_end(out);
  EXPECT_EQ(as_hex(out), listing("frame.md"));
}

TEST(FormatExample, Log) {
  std::string folder = (std::filesystem::temp_directory_path() / "rezolus-log-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  LogOptions options;
  options.clock.realtime_ns = [] { return std::uint64_t{1'700'000'000'000'000'000}; };
  auto writer = LogWriter::create(folder + "/x.rezlog", {{"source", "rezolus"}}, options);
  ASSERT_TRUE(writer && writer->finish());
  const auto content = read_file(folder + "/x.rezlog");
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(content);
  EXPECT_EQ(as_hex(*content), listing("log.md", 2));
}

TEST(FormatExample, CompressedSegment) {
  std::string folder = (std::filesystem::temp_directory_path() / "rezolus-log-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  FolderLogOptions options;
  options.clock.realtime_ns = [] { return std::uint64_t{1'700'000'000'000'000'000}; };
  auto writer = FolderLog::open(folder, {{"source", "rezolus"}}, options);
  ASSERT_TRUE(writer && writer->finish());
  const auto content = read_file(segment_path(folder, 0));
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(content);
  EXPECT_EQ(as_hex(*content), listing("log.md"));
}

}  // namespace
}  // namespace rezolus
