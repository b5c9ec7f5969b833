// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "exporter/config.h"

#include <gtest/gtest.h>

namespace rezolus {
namespace {

ExporterConfig parsed(std::string_view text) {
  auto config = parse_exporter_config(text, "test.toml");
  EXPECT_TRUE(config) << config.error().message;
  return config ? *config : ExporterConfig{};
}

std::string refused(std::string_view text) {
  auto config = parse_exporter_config(text, "test.toml");
  return config ? "it was accepted" : config.error().message;
}

HistogramForm form(const ExporterConfig& config) { return config.histograms.front().form; }

TEST(ExporterConfig, NothingIsTheShippedFile) {
  const ExporterConfig none = parsed("");
  auto file = read_exporter_config(std::string(REZOLUS_SOURCE_DIR) + "/config/exporter.toml");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->listen, none.listen);
  EXPECT_EQ(file->listen, std::vector<std::string>{"127.0.0.1:4242"});
  EXPECT_EQ(file->source, none.source);
  EXPECT_EQ(file->interval_ns, none.interval_ns);
  EXPECT_EQ(file->quantiles, none.quantiles);
  EXPECT_EQ(file->histograms.size(), 1u);
  EXPECT_EQ(form(*file), form(none));
  EXPECT_TRUE(file->notes.empty());
}

TEST(ExporterConfig, UpstreamsFilesOfBothEras) {
  const ExporterConfig older = parsed(
      "[general]\nlisten = \"0.0.0.0:4242\"\ntarget = \"127.0.0.1:5000\"\n"
      "[log]\nlevel = \"debug\"\n"
      "[prometheus]\nhistograms = false\nhistogram_grouping_power = 3\nsummaries = true\n");
  EXPECT_EQ(older.source_url.display(), "http://127.0.0.1:5000");
  EXPECT_EQ(form(older), HistogramForm::kSummary);
  EXPECT_EQ(older.notes.size(), 1u) << "the grouping power has no effect";
  const ExporterConfig newer =
      parsed("[general]\nsource = \"127.0.0.1:5000\"\n[prometheus]\nhistograms = true\n");
  EXPECT_EQ(form(newer), HistogramForm::kClassic);
  EXPECT_EQ(form(parsed("[prometheus]\nsummaries = false\n")), HistogramForm::kNone);
}

TEST(ExporterConfig, RulesByPattern) {
  const ExporterConfig config =
      parsed("[metrics.histograms]\n\"*\" = \"none\"\n\"scheduler_*\" = \"summary\"\n");
  ASSERT_EQ(config.histograms.size(), 2u);
  EXPECT_EQ(form(config), HistogramForm::kNone);
  EXPECT_EQ(config.histograms[1].pattern, "scheduler_*");
  EXPECT_EQ(parsed("[metrics]\nquantiles = [0.5, 1]\n").quantiles,
            (std::vector<std::string>{"0.5", "1"}));
}

TEST(ExporterConfig, WhatIsWrongIsNamed) {
  EXPECT_NE(refused("[exporter]\nintervall = \"1s\"\n").find("interval"), std::string::npos);
  EXPECT_NE(refused("[exporter]\ninterval = \"1ms\"\n").find("100ms"), std::string::npos);
  EXPECT_NE(refused("[metrics]\nquantiles = [1.5]\n").find("0 to 1"), std::string::npos);
  EXPECT_NE(refused("[metrics]\nquantiles = [nan]\n").find("0 to 1"), std::string::npos);
  EXPECT_NE(refused("[metrics.histograms]\n\"*\" = \"native\"\n").find("classic"),
            std::string::npos);
  EXPECT_NE(refused("[exporter]\nsource = \"http://\"\n"), "it was accepted");
}

}  // namespace
}  // namespace rezolus
