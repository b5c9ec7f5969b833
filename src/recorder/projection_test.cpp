// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/projection.h"

#include <gtest/gtest.h>

#include "recorder/recorder_testing.h"

namespace rezolus {
namespace {

// Gives what the host says at the moment.
class HostSource : public SnapshotSource {
 public:
  explicit HostSource(SyntheticHost& host) : host_(host) {}
  Result<SnapshotRef> sample() override { return host_.snapshot(); }
  [[nodiscard]] std::string description() const override { return "a host"; }
  SourceMetadata facts() override { return {}; }
  AbsentReasons absent_reasons() override { return {}; }

 private:
  SyntheticHost& host_;
};

std::vector<std::string> names(const Snapshot& snapshot) {
  std::vector<std::string> found;
  for (const auto& series : snapshot.schema->series) {
    if (series) found.push_back(series_name(series->name, series->labels));
  }
  return found;
}

std::uint64_t value(const Snapshot& snapshot, const std::string& name, const Labels& labels) {
  const std::int64_t index = find_series(*snapshot.schema, name, labels);
  EXPECT_GE(index, 0) << name;
  EXPECT_EQ(snapshot.present[static_cast<std::size_t>(index)], 1);
  return snapshot.scalars[static_cast<std::size_t>(index)];
}

TEST(SelectedSource, PatternsChooseMetrics) {
  SyntheticHost host;
  host.set("blockio_bytes", {{"op", "write"}}, 4096);
  host.record("syscall_latency", {{"op", "read"}}, 1000, 5);
  SelectedSource source(std::make_unique<HostSource>(host),
                        {.metrics = {"blockio_b*", "syscall_laten?y"}});
  const auto snapshot = source.sample().value();
  EXPECT_EQ(names(*snapshot), (std::vector<std::string>{
                                  "blockio_bytes{op=\"read\"}", "syscall_latency{op=\"read\"}",
                                  "blockio_bytes{op=\"write\"}", "syscall_latency{op=\"write\"}"}));
  EXPECT_EQ(value(*snapshot, "blockio_bytes", {{"op", "write"}}), 4096u);
  ASSERT_EQ(snapshot->histograms.size(), 2u);
  EXPECT_EQ(snapshot->histograms[0]->sum, 5000u);
  EXPECT_EQ(snapshot->realtime_ns, host.snapshot()->realtime_ns);
}

TEST(SelectedSource, SamplersAreKnownByTheTablesWhereAPeerIsSilent) {
  SyntheticHost host;
  SelectedSource source(std::make_unique<HostSource>(host), {.samplers = {"syscall_latency"}});
  EXPECT_EQ(
      names(*source.sample().value()),
      (std::vector<std::string>{"syscall_latency{op=\"read\"}", "syscall_latency{op=\"write\"}"}));
}

TEST(SelectedSource, LabelsAreAddedWhereThereIsNone) {
  SyntheticHost host;
  SelectedSource source(
      std::make_unique<HostSource>(host),
      {.metrics = {"syscall"}, .labels = {{"op", "none"}, {"build", "7"}}, .origin = {}});
  EXPECT_EQ(names(*source.sample().value()),
            (std::vector<std::string>{"syscall{build=\"7\",op=\"read\"}"}));
  SelectedSource joined(std::make_unique<HostSource>(host),
                        {.metrics = {"syscall"}, .origin = {{"op", "here"}}});
  EXPECT_EQ(names(*joined.sample().value()),
            (std::vector<std::string>{"syscall{exported_op=\"read\",op=\"here\"}"}));
}

TEST(SelectedSource, SchemaStaysTheSameUntilAChosenSeriesComes) {
  SyntheticHost host;
  SelectedSource source(std::make_unique<HostSource>(host), {.metrics = {"cpu_*"}});
  const auto before = source.sample().value()->schema;
  host.add_counter("tcp_bytes", {});
  EXPECT_EQ(source.sample().value()->schema, before) << "not chosen";
  host.add_counter("cpu_cycles", {{"id", "0"}});
  host.set("cpu_cycles", {{"id", "0"}}, 12);
  const auto snapshot = source.sample().value();
  ASSERT_EQ(snapshot->schema->series.size(), before->series.size() + 1);
  EXPECT_EQ(snapshot->schema->series[0], before->series[0]);
  EXPECT_EQ(value(*snapshot, "cpu_cycles", {{"id", "0"}}), 12u);
}

TEST(SelectedSource, AbsentStaysAbsent) {
  SyntheticHost host;
  SelectedSource source(std::make_unique<HostSource>(host), {.metrics = {"syscall"}});
  host.hide("syscall", {{"op", "read"}});
  EXPECT_EQ(source.sample().value()->present, std::vector<std::uint8_t>{0});
  host.show("syscall", {{"op", "read"}});
  EXPECT_EQ(source.sample().value()->present, std::vector<std::uint8_t>{1});
}

TEST(SelectedSource, ASchemaThatStartsOverIsFollowed) {
  auto one = std::make_unique<SyntheticHost>();
  SyntheticHost other;
  other.set("syscall", {{"op", "read"}}, 5);
  struct Switching : SnapshotSource {
    SyntheticHost* now;
    Result<SnapshotRef> sample() override { return now->snapshot(); }
    [[nodiscard]] std::string description() const override { return "two hosts"; }
    SourceMetadata facts() override { return {}; }
    AbsentReasons absent_reasons() override { return {}; }
  };
  auto switching = std::make_unique<Switching>();
  Switching& handle = *switching;
  handle.now = one.get();
  SelectedSource source(std::move(switching), {.metrics = {"syscall"}});
  ASSERT_TRUE(source.sample().has_value());
  handle.now = &other;
  for (int restart = 0; restart < 3; ++restart) {
    EXPECT_EQ(value(*source.sample().value(), "syscall", {{"op", "read"}}), 5u);
  }
}

TEST(CheckLabelName, RefusesWhatFilesUse) {
  EXPECT_TRUE(check_label_name("build_id").has_value());
  for (const char* wrong : {"", "1st", "a-b", "metric", "unit"}) {
    EXPECT_FALSE(check_label_name(wrong).has_value()) << wrong;
  }
}

}  // namespace
}  // namespace rezolus
