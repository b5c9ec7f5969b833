// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus-replay LOG BUFFER`: the buffer of a flight recorder that has run for long, made at once of a
// recording of some seconds: its growth again and again, with time going on, up to now.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "flight_recorder/buffer.h"
#include "metrics/histogram.h"
#include "recording/log/log.h"

namespace rezolus {
namespace {

struct Options {
  std::string log;
  std::string buffer;
  std::uint64_t tick_count = 90'000;
  std::uint64_t interval_ms = 10;
  std::uint64_t duration_s = 900;
};

struct Recorded {
  std::vector<SnapshotRef> ticks;  // with the same series
  SourceMetadata metadata;
};

Result<Recorded> read_recording(const std::string& path) {
  auto reader = LogReader::open(path);
  if (!reader) return std::unexpected(std::move(reader.error()));
  Recorded recorded;
  while (true) {
    auto snapshot = reader->next_snapshot();
    if (!snapshot) return std::unexpected(std::move(snapshot.error()));
    if (!*snapshot) break;
    // The series of its end, as far back as they were there.
    if (!recorded.ticks.empty() && recorded.ticks.back()->schema != (*snapshot)->schema) {
      recorded.ticks.clear();
    }
    recorded.ticks.push_back(std::move(*snapshot));
  }
  if (recorded.ticks.size() < 2) {
    return error("{} has fewer than two ticks with the same series; record for longer", path);
  }
  recorded.metadata = reader->metadata();
  return recorded;
}

// What was recorded happens again in another order, and a little more or less of it each time: what
// is repeated literally would compress as no host does.
class Replay {
 public:
  explicit Replay(const std::vector<SnapshotRef>& ticks) : ticks_(ticks), now_(*ticks.front()) {}

  const Snapshot& next(std::uint64_t realtime_ns, std::uint64_t monotonic_ns) {
    const std::size_t at = random_() % (ticks_.size() - 1);
    const Snapshot& before = *ticks_[at];
    const Snapshot& after = *ticks_[at + 1];
    for (std::size_t i = 0; i < now_.scalars.size(); ++i) {
      const auto& series = now_.schema->series[i];
      if (series == nullptr) continue;
      if (series->type == MetricType::kCounter) {
        now_.scalars[i] += vary(after.scalars[i] - before.scalars[i]);
      } else {
        now_.scalars[i] = after.scalars[i];
      }
    }
    for (std::size_t i = 0; i < now_.histograms.size(); ++i) {
      if (now_.histograms[i] != nullptr)
        add(now_.histograms[i], before.histograms[i], after.histograms[i]);
    }
    now_.realtime_ns = realtime_ns;
    now_.monotonic_ns = monotonic_ns;
    now_.duration_ns = after.duration_ns;
    now_.windows.clear();
    return now_;
  }

 private:
  // Up to an eighth more or less. What is small, or went back, stays.
  std::uint64_t vary(std::uint64_t growth) {
    const std::uint64_t eighth = growth / 8;
    if (eighth == 0 || growth > kGrowthMax) return growth;
    return growth - eighth + random_() % (2 * eighth + 1);
  }

  // The growth of a histogram, on top of its value; each bucket's may go to its neighbour.
  void add(HistogramRef& value, const HistogramRef& before, const HistogramRef& after) {
    if (after == nullptr || before == nullptr || after == before) return;
    auto sum = std::make_shared<HistogramValue>(*value);
    sum->sum += vary(after->sum - before->sum);
    for (std::size_t i = 0; i < sum->buckets.size(); ++i) {
      const std::uint64_t growth = after->buckets[i] - before->buckets[i];
      if (growth == 0) continue;
      sum->buckets[std::min(i + random_() % 2, sum->buckets.size() - 1)] += growth;
    }
    value = std::move(sum);
  }

  static constexpr std::uint64_t kGrowthMax = std::uint64_t{1} << 60;

  const std::vector<SnapshotRef>& ticks_;
  Snapshot now_;
  std::mt19937_64 random_;  // the same each time
};

Result<void> write_buffer(const Options& options) {
  auto recorded = read_recording(options.log);
  if (!recorded) return std::unexpected(std::move(recorded.error()));
  FlightOptions flight;
  flight.buffer = options.buffer;
  flight.interval_ns = options.interval_ms * kNsPerMs;
  flight.duration_ns = options.duration_s * kNsPerSecond;
  flight.size_bytes_max = std::uint64_t{16} << 30;
  auto buffer = FlightBuffer::open(flight);
  if (!buffer) return std::unexpected(std::move(buffer.error()));
  (*buffer)->set_metadata(recorded->metadata);
  Replay replay(recorded->ticks);
  const std::uint64_t length_ns = options.tick_count * flight.interval_ns;
  const std::uint64_t begin_ns = realtime_ns() - length_ns;
  const std::uint64_t monotonic_begin_ns = std::max(monotonic_ns(), length_ns) - length_ns;
  for (std::uint64_t tick = 0; tick < options.tick_count; ++tick) {
    const std::uint64_t since_ns = tick * flight.interval_ns;
    auto wrote = (*buffer)->append(replay.next(begin_ns + since_ns, monotonic_begin_ns + since_ns));
    if (!wrote) return wrote;
  }
  const BufferState state = (*buffer)->state();
  if (state.lost_count != 0) return error("{}", state.problem);
  if (auto finished = (*buffer)->finish({}); !finished) return finished;
  fmt::print("{{\"ticks\": {}, \"recorded_ticks\": {}, \"series\": {}, \"histograms\": {}}}\n",
             state.tick_count, recorded->ticks.size(),
             recorded->ticks.back()->schema->series.size(),
             recorded->ticks.back()->histograms.size());
  return {};
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app("Make the buffer of a flight recorder of a short recording", "rezolus-replay");
  app.add_option("LOG", options.log, "Log of some seconds")->required();
  app.add_option("BUFFER", options.buffer, "Folder to write")->required();
  app.add_option("--ticks", options.tick_count, "How many samples");
  app.add_option("--interval-ms", options.interval_ms, "Their distance");
  app.add_option("--duration-s", options.duration_s, "That the flight recorder keeps");
  CLI11_PARSE(app, argc, argv);
  if (auto done = write_buffer(options); !done) {
    fmt::print(stderr, "rezolus-replay: {}\n", done.error().message);
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace rezolus

int main(int argc, char** argv) { return rezolus::run(argc, argv); }
