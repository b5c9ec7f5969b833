// SPDX-License-Identifier: Apache-2.0 OR MIT
// The committed docs/metrics.md is the one that the tables of this build make.

#include "metrics_page.h"

#include <cctype>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "samplers/collector.h"

namespace rezolus {
namespace {

TEST(MetricsPage, CommittedPageIsUpToDate) {
  const auto committed = read_file(REZOLUS_SOURCE_DIR "/docs/metrics.md");
  ASSERT_TRUE(committed.has_value()) << committed.error().message;
  EXPECT_TRUE(*committed == metrics_page()) << "docs/metrics.md is stale: run `make docs`";
}

TEST(MetricsPage, NamesEveryMetricOnce) {
  const std::string page = metrics_page();
  for (const SamplerMetrics& sampler : all_metrics()) {
    EXPECT_NE(page.find("\n## " + std::string(sampler.sampler) + "\n"), std::string::npos);
    for (const Metric& metric : sampler.metrics) {
      const std::string cell = "\n| `" + std::string(metric.name) + "` |";
      const std::size_t at = page.find(cell);
      EXPECT_NE(at, std::string::npos) << metric.name;
      EXPECT_EQ(page.find(cell, at + 1), std::string::npos) << metric.name;
    }
  }
}

// "One sentence. Or two." A first word such as sched_switch keeps its spelling.
bool is_prose(std::string_view text) {
  if (text.size() < 10 || text.back() != '.') return false;
  const bool name = text.substr(0, text.find(' ')).find('_') != std::string_view::npos;
  const bool capital = std::isupper(static_cast<unsigned char>(text.front())) != 0;
  return (name || capital) && text.find("  ") == std::string_view::npos;
}

TEST(MetricsPage, EverySamplerHasItsNotes) {
  for (const SamplerName& sampler : sampler_names()) {
    EXPECT_TRUE(is_prose(sampler.notes.measures)) << sampler.name << ": measures";
    EXPECT_TRUE(is_prose(sampler.notes.cost)) << sampler.name << ": cost";
    EXPECT_TRUE(is_prose(sampler.notes.needs)) << sampler.name << ": needs";
    EXPECT_TRUE(is_prose(sampler.notes.reading)) << sampler.name << ": reading";
  }
  EXPECT_FALSE(is_prose(""));
  EXPECT_FALSE(is_prose("no sentence"));
}

}  // namespace
}  // namespace rezolus
