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
  explicit SourceReader(std::unique_ptr<Source> source)
      : source_(std::move(source)), series_(source_->series()) {}

  Result<void> read() {
    reading_.values.assign(series_.size(), 0);
    reading_.present.assign(series_.size(), 0);
    return source_->read(reading_);
  }
  [[nodiscard]] const std::vector<Series>& series() const { return series_; }
  [[nodiscard]] std::size_t present_count() const {
    std::size_t count = 0;
    for (const std::uint8_t present : reading_.present) count += present;
    return count;
  }
  // Nothing when the series is absent; a test failure when it does not exist.
  [[nodiscard]] std::optional<std::uint64_t> value(const std::string& name) const {
    for (std::size_t i = 0; i < series_.size(); ++i) {
      if (series_name(series_[i].name, series_[i].labels) != name) continue;
      if (reading_.present[i] == 0) return std::nullopt;
      return reading_.values[i];
    }
    ADD_FAILURE() << "no series " << name;
    return std::nullopt;
  }

 private:
  std::unique_ptr<Source> source_;
  std::vector<Series> series_;
  Reading reading_;
};

}  // namespace rezolus
