// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// For tests of sources: one pass over a captured host of tests/fixtures/hosts, values found by the
// name that V2 and Parquet give a series.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "samplers/source.h"

namespace rezolus {

inline Host fixture_host(const std::string& name) {
  auto host = read_host(std::string(REZOLUS_SOURCE_DIR "/tests/fixtures/hosts/") + name);
  EXPECT_TRUE(host.has_value());
  host->user_hz = 100;
  return *host;
}

// Keeps one source and what it said last.
class SourceReader {
 public:
  SourceReader(const FileSampler& sampler, const Host& host)
      : SourceReader(sampler.make(host).value()) {}
  explicit SourceReader(std::unique_ptr<Source> source) : source_(std::move(source)) {
    reading_.series = make_series_list(source_->series());
  }

  Result<void> read() {
    reading_.values.assign(reading_.series->size(), 0);
    reading_.present.assign(reading_.series->size(), 0);
    auto result = source_->read(reading_);
    EXPECT_EQ(reading_.values.size(), reading_.series->size());
    EXPECT_EQ(reading_.present.size(), reading_.series->size());
    return result;
  }
  // Of the last pass.
  [[nodiscard]] std::vector<Series> series() const {
    std::vector<Series> all;
    for (const auto& series : *reading_.series) all.push_back(*series);
    return all;
  }
  [[nodiscard]] const SeriesList& series_list() const { return reading_.series; }
  [[nodiscard]] std::size_t present_count() const {
    std::size_t count = 0;
    for (const std::uint8_t present : reading_.present) count += present;
    return count;
  }
  // Nothing when the series is absent; a test failure when it does not exist.
  [[nodiscard]] std::optional<std::uint64_t> value(const std::string& name) const {
    for (std::size_t i = 0; i < reading_.series->size(); ++i) {
      const Series& series = *(*reading_.series)[i];
      if (series_name(series.name, series.labels) != name) continue;
      if (reading_.present[i] == 0) return std::nullopt;
      return reading_.values[i];
    }
    ADD_FAILURE() << "no series " << name;
    return std::nullopt;
  }

 private:
  std::unique_ptr<Source> source_;
  Reading reading_;
};

}  // namespace rezolus
