// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus-synthesize LOG`: a log of a host that does not exist, the same for the same arguments, and
// on standard output as JSON what a reader has to find in it. For tests of readers, of fleets and of
// long recordings.

#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "metrics/histogram.h"
#include "recording/log/log.h"

namespace rezolus {
namespace {

struct Options {
  std::string output;
  std::string host = "host-0";
  std::uint64_t seed = 1;
  std::uint64_t tick_count = 60;
  std::uint64_t interval_ms = 10'000;
  std::uint64_t start_s = 1'767'225'600;  // 2026-01-01
  std::uint64_t series_count = 60;
  std::uint64_t histogram_count = 0;  // beside those and the first five
  std::uint64_t gap_at = 0;           // this tick and the one after it are missing; 0: none
  std::uint64_t change_at = 0;        // from this tick on, everything takes twice as long; 0: never
  std::uint64_t churn = 0;            // containers that come and go each tick
};

// SplitMix64, so that the numbers are the same everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ull) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }

 private:
  std::uint64_t state_;
};

class SyntheticHost {
 public:
  explicit SyntheticHost(const Options& options) : options_(options), random_(options.seed) {
    histogram("scheduler_runqueue_latency", {});
    for (const char* op : {"read", "write", "poll", "lock"}) {
      histogram("syscall_latency", {{"op", op}});
    }
    for (std::uint64_t i = 0; i < options.histogram_count; ++i) {
      histogram("softirq_latency", {{"id", std::to_string(i)}});
    }
    for (int cpu = 0; cpu < 8; ++cpu) {
      for (const char* state : {"user", "system"}) {
        scalar("cpu_usage", MetricType::kCounter, "nanoseconds",
               {{"id", std::to_string(cpu)}, {"state", state}});
      }
    }
    for (int i = 0; i < 12; ++i) {
      scalar("cgroup_cpu_usage", MetricType::kCounter, "nanoseconds", {{"name", container(i)}});
    }
    scalar("cache_hit_ratio", MetricType::kGauge, "", {}, true);
    for (std::uint64_t i = 0; series_.size() < options.series_count + options.histogram_count;
         ++i) {
      const bool gauge = i % 2 == 0;
      scalar(gauge ? "queue_depth" : "network_bytes",
             gauge ? MetricType::kGauge : MetricType::kCounter, gauge ? "tasks" : "bytes",
             {{"device", fmt::format("d{}", i / 2)}});
    }
    // How slow this host is, in quarters.
    slowness_ = 4 + random_.below(13);
  }

  Snapshot tick(std::uint64_t k) {
    if (options_.churn > 0) replace_containers(k);
    Snapshot snapshot;
    snapshot.schema = builder_.publish();
    resize_to_schema(snapshot);
    snapshot.realtime_ns = (options_.start_s * 1000 + k * options_.interval_ms) * 1'000'000;
    snapshot.monotonic_ns = 1'000'000'000 + k * options_.interval_ms * 1'000'000;
    snapshot.duration_ns = 100'000 + random_.below(1000);
    for (Live& live : series_) {
      snapshot.present[live.index] = 1;
      if (live.type == MetricType::kHistogram) {
        grow(*live.value, k);
        const Series& series = *snapshot.schema->series[live.index];
        snapshot.histograms[series.histogram_index] = std::make_shared<HistogramValue>(*live.value);
      } else {
        snapshot.scalars[live.index] = step(live);
      }
    }
    return snapshot;
  }

  struct Live {
    std::uint32_t index = 0;
    MetricType type = MetricType::kCounter;
    bool floating = false;
    std::uint64_t weight = 0;
    std::uint64_t scalar = 0;
    std::shared_ptr<HistogramValue> value;
  };
  [[nodiscard]] const std::vector<Live>& series() const { return series_; }
  [[nodiscard]] static std::string container(std::uint64_t i) {
    return fmt::format("/kubepods/pod{}", i);
  }

 private:
  void histogram(std::string name, Labels labels) {
    auto value = std::make_shared<HistogramValue>();
    value->buckets.resize(kAgentHistogram.bucket_count());
    add({.type = MetricType::kHistogram, .value = std::move(value)}, std::move(name), "nanoseconds",
        std::move(labels));
  }

  void scalar(std::string name, MetricType type, std::string unit, Labels labels,
              bool floating = false) {
    add({.type = type, .floating = floating, .weight = 1 + random_.below(1'000'000)},
        std::move(name), std::move(unit), std::move(labels));
  }

  void add(Live live, std::string name, std::string unit, Labels labels) {
    Series series;
    series.name = std::move(name);
    series.unit = std::move(unit);
    series.labels = std::move(labels);
    series.type = live.type;
    series.floating = live.floating;
    series.help = "A series of a host that does not exist.";
    series.sampler = "synthetic";
    live.index = builder_.add(std::move(series));
    series_.push_back(std::move(live));
  }

  void replace_containers(std::uint64_t k) {
    while (series_.size() > options_.series_count + options_.histogram_count) {
      builder_.retire(series_.back().index);
      series_.pop_back();
    }
    const auto moved = builder_.compact();
    for (Live& live : series_) {
      if (!moved.empty()) live.index = moved[live.index];
    }
    for (std::uint64_t i = 0; i < options_.churn; ++i) {
      scalar("cgroup_cpu_usage", MetricType::kCounter, "nanoseconds",
             {{"name", container(1000 + k * options_.churn + i)}});
    }
  }

  void grow(HistogramValue& value, std::uint64_t k) {
    const bool changed = options_.change_at != 0 && k >= options_.change_at;
    for (int i = 0; i < 40; ++i) {
      // Mostly microseconds, a tail of milliseconds.
      std::uint64_t latency_ns = 500 + random_.below(4000) * slowness_ / 4;
      if (random_.below(50) == 0) latency_ns *= 1 + random_.below(400);
      if (changed) latency_ns *= 2;
      value.buckets[kAgentHistogram.index(latency_ns)] += 1;
      value.sum += latency_ns;
    }
  }

  std::uint64_t step(Live& live) {
    if (live.floating) {
      return std::bit_cast<std::uint64_t>(static_cast<double>(random_.below(1000)) / 1000);
    }
    if (live.type == MetricType::kGauge) return random_.below(100) - 50;
    return live.scalar += live.weight + random_.below(1000);
  }

  Options options_;
  Random random_;
  SchemaBuilder builder_;
  std::vector<Live> series_;
  std::uint64_t slowness_ = 4;
};

// What a series did between two snapshots: what readers of the file are compared with.
nlohmann::ordered_json answer(const Series& series, std::uint32_t index, const Snapshot& first,
                              const Snapshot& last) {
  nlohmann::ordered_json json = {{"metric", series.name}, {"type", metric_type_name(series.type)}};
  json["labels"] = nlohmann::ordered_json::object();
  for (const auto& [key, value] : series.labels) json["labels"][key] = value;
  if (series.type == MetricType::kGauge) {
    if (series.floating) {
      json["last"] = last.floating_gauge(index);
    } else {
      json["last"] = last.gauge(index);
    }
  } else if (series.type == MetricType::kCounter) {
    json["growth"] = last.scalars[index] - first.scalars[index];
  } else {
    const auto grown = histogram_subtract(*last.histograms[series.histogram_index],
                                          *first.histograms[series.histogram_index]);
    json["growth"] = grown->count();
    json["sum"] = grown->sum;
    json["p50"] = *histogram_quantile(series.histogram, grown->buckets, 0.5);
    json["p99"] = *histogram_quantile(series.histogram, grown->buckets, 0.99);
  }
  return json;
}

Result<void> write_log(const Options& options) {
  auto log = LogWriter::create(options.output,
                               {{"source", "rezolus"},
                                {"version", "0"},
                                {"host", options.host},
                                {"sampling_interval_ms", std::to_string(options.interval_ms)}},
                               {.replace = true});
  if (!log) return std::unexpected(log.error());
  SyntheticHost host(options);
  Snapshot first;
  Snapshot last;
  std::uint64_t written = 0;
  for (std::uint64_t k = 0; k < options.tick_count; ++k) {
    Snapshot snapshot = host.tick(k);
    if (options.gap_at != 0 && (k == options.gap_at || k == options.gap_at + 1)) {
      if (k != options.gap_at) continue;
      const Gap gap{.realtime_ns = snapshot.realtime_ns, .missed_count = 2, .reason = "synthetic"};
      if (auto done = log->append_gap(gap); !done) return done;
      continue;
    }
    if (auto done = log->append(snapshot); !done) return done;
    if (written++ == 0) first = snapshot;
    last = std::move(snapshot);
  }
  if (auto done = log->finish(); !done) return done;
  nlohmann::ordered_json found = {
      {"ticks", written},
      {"seconds", static_cast<double>(last.realtime_ns - first.realtime_ns) / 1e9}};
  // With containers that come and go, indexes do not last.
  if (options.churn == 0) {
    for (const auto& live : host.series()) {
      found["series"].push_back(answer(*last.schema->series[live.index], live.index, first, last));
    }
  }
  fmt::print("{}\n", found.dump());
  return {};
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app("Write the log of a host that does not exist", "rezolus-synthesize");
  app.add_option("LOG", options.output, "Log to write")->required();
  app.add_option("--host", options.host, "Its name, for the metadata");
  app.add_option("--seed", options.seed, "Another seed, another host");
  app.add_option("--ticks", options.tick_count, "How many samples");
  app.add_option("--interval-ms", options.interval_ms, "Their distance");
  app.add_option("--start", options.start_s, "The first one's time, seconds since 1970");
  app.add_option("--series", options.series_count, "How many series, at least 34");
  app.add_option("--histograms", options.histogram_count, "How many more, histograms all");
  app.add_option("--gap-at", options.gap_at, "Two samples are missing from here on");
  app.add_option("--change-at", options.change_at, "Latencies double from this sample on");
  app.add_option("--churn", options.churn, "Containers that live for one sample each");
  CLI11_PARSE(app, argc, argv);
  if (auto done = write_log(options); !done) {
    fmt::print(stderr, "rezolus-synthesize: {}\n", done.error().message);
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace rezolus

int main(int argc, char** argv) { return rezolus::run(argc, argv); }
