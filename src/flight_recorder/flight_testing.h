// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// For tests: a folder of its own, and a buffer in it with ticks of a synthetic host.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "flight_recorder/buffer.h"
#include "flight_recorder/options.h"
#include "recorder/recorder_testing.h"
#include "recording/log/log.h"

namespace rezolus {

class FlightFolderTest : public testing::Test {
 protected:
  FlightFolderTest() {
    std::string made = testing::TempDir() + "flightXXXXXX";
    EXPECT_NE(::mkdtemp(made.data()), nullptr);
    root_ = made;
    std::filesystem::create_directory(root_ + "/out");
    options_.output = root_ + "/out/flight.rezlog";
    options_.buffer = root_ + "/buffer";
    options_.format = OutputFormat::kLog;  // needs no converter
    options_.free_size_bytes_min = 0;
    options_.duration_ns = 150 * kNsPerSecond;  // ten ticks a segment
  }
  ~FlightFolderTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  // A buffer with so many ticks, one a second.
  std::unique_ptr<FlightBuffer> fill(int tick_count) {
    auto buffer = FlightBuffer::open(options_);
    EXPECT_TRUE(buffer) << buffer.error().message;
    for (int i = 0; i < tick_count; ++i) {
      host_.advance(kNsPerSecond);
      EXPECT_TRUE((*buffer)->append(*host_.snapshot()));
    }
    return std::move(*buffer);
  }

  // Of the host's clock: tick 1 is the first.
  [[nodiscard]] static std::uint64_t tick_ns(std::uint64_t tick) {
    return SyntheticHost().snapshot()->realtime_ns + tick * kNsPerSecond;
  }

  static void write(const std::string& path, const std::string& text = "x") {
    std::ofstream(path) << text;
  }

  static std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  // The times of all ticks of a log, a file or a folder.
  static std::vector<std::uint64_t> ticks_of(const std::string& path) {
    std::vector<std::uint64_t> times;
    auto reader = LogReader::open(path);
    EXPECT_TRUE(reader) << reader.error().message;
    while (reader) {
      const auto snapshot = reader->next_snapshot();
      EXPECT_TRUE(snapshot);
      if (!snapshot || !*snapshot) break;
      times.push_back((*snapshot)->realtime_ns);
    }
    return times;
  }

  std::string root_;
  FlightOptions options_;
  SyntheticHost host_;
};

}  // namespace rezolus
