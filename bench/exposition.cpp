// SPDX-License-Identifier: Apache-2.0 OR MIT
// What a page costs to write in each format, and a tick to encode for each protocol of pushes: 10,000
// series and 200 histograms, two readings in turn between which every value has changed. Time is CPU time
// of the calling thread, without compression over HTTP but with that which a protocol demands; beside it
// the time of copying as many bytes, in the same run.

#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "allocations.h"
#include "base/clock.h"
#include "base/result.h"
#include "http/compression.h"
#include "measure.h"
#include "wire/otlp.h"
#include "wire/prometheus.h"
#include "wire/remote_write.h"

namespace rezolus::bench {
namespace {

constexpr std::size_t kFamilies = 250;
constexpr std::size_t kRows = 40;  // 10,000 series
constexpr std::size_t kHistogramFamilies = 20;
constexpr std::size_t kHistogramRows = 10;  // 200 histograms
constexpr std::size_t kBucketsInUse = 60;   // of 496: what a latency of a busy host has
constexpr double kTextTargetMs = 5;

std::shared_ptr<const Schema> make_schema() {
  SchemaBuilder builder;
  const auto add = [&](std::string name, MetricType type, Unit unit, std::size_t row) {
    Series series;
    series.name = name;
    series.type = type;
    series.unit = unit_name(unit);
    series.prometheus = "rezolus_" + name;
    if (unit == Unit::kNanoseconds) series.prometheus += "_seconds";
    if (unit == Unit::kBytes) series.prometheus += "_bytes";
    if (type == MetricType::kCounter) series.prometheus += "_total";
    series.help = "What is measured, in a sentence of the usual length, by operation and device.";
    series.labels = {
        {"device", fmt::format("device{}", row / 4)},
        {"op", std::vector<std::string>{"read", "write", "flush", "discard"}[row % 4]}};
    builder.add(std::move(series));
  };
  for (std::size_t family = 0; family < kFamilies; ++family) {
    const MetricType type = family % 5 == 0 ? MetricType::kGauge : MetricType::kCounter;
    const Unit unit = family % 3 == 0   ? Unit::kNanoseconds
                      : family % 3 == 1 ? Unit::kBytes
                                        : Unit::kOperations;
    for (std::size_t row = 0; row < kRows; ++row) {
      add(fmt::format("subsystem_metric_{}", family), type, unit, row);
    }
  }
  for (std::size_t family = 0; family < kHistogramFamilies; ++family) {
    for (std::size_t row = 0; row < kHistogramRows; ++row) {
      add(fmt::format("subsystem_latency_{}", family), MetricType::kHistogram, Unit::kNanoseconds,
          row);
    }
  }
  return builder.publish();
}

SnapshotRef make_snapshot(std::shared_ptr<const Schema> schema, std::uint64_t seconds) {
  std::mt19937_64 random(seconds);  // the same values in each run
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->realtime_ns = (1'700'000'000 + seconds) * kNsPerSecond;
  snapshot->schema = std::move(schema);
  resize_to_schema(*snapshot);
  for (std::size_t i = 0; i < snapshot->schema->series.size(); ++i) {
    const Series& series = *snapshot->schema->series[i];
    if (series.type != MetricType::kHistogram) {
      snapshot->present[i] = 1;
      snapshot->scalars[i] = (seconds + 1) * (random() % (std::uint64_t{1} << (8 + i % 32)));
      continue;
    }
    auto value = std::make_shared<HistogramValue>();
    value->buckets.resize(series.histogram.bucket_count());
    for (std::size_t bucket = 0; bucket < kBucketsInUse; ++bucket) {
      value->buckets[64 + bucket] = (seconds + 1) * (random() % 100'000);
      value->sum += value->buckets[64 + bucket] * series.histogram.lower(64 + bucket);
    }
    snapshot->histograms[series.histogram_index] = std::move(value);
  }
  return snapshot;
}

struct Format {
  std::string name;
  std::function<std::string(const SnapshotRef&)> encode;
};

Format page(std::string name, PrometheusFormat format) {
  auto encoder = std::make_shared<PrometheusEncoder>();
  return {std::move(name), [encoder, format](const SnapshotRef& snapshot) {
            return encoder->encode(*snapshot, {.format = format});
          }};
}

// A tick on its way to a receiver: samples, requests of the usual size, their bytes.
Format push(std::string name, RemoteHistograms histograms, SampleForm form,
            std::function<Result<std::string>(const RemoteWriteRequest&)> encode) {
  constexpr std::size_t kSamplesMax = 10'000;
  auto collector =
      std::make_shared<RemoteWriteCollector>(PrometheusOptions(), Labels(), histograms, form);
  return {std::move(name), [collector, encode = std::move(encode)](const SnapshotRef& snapshot) {
            collector->add(snapshot);
            std::string bytes;
            for (const RemoteWriteRequest& request : collector->take(kSamplesMax)) {
              auto body = encode(request);
              CHECK(body.has_value(), "a request can be encoded");
              bytes += *body;
            }
            return bytes;
          }};
}

Format otlp(std::string name, RemoteHistograms histograms, bool gzip) {
  const OtlpOptions options{.exponential = histograms == RemoteHistograms::kNative,
                            .resource = {{"service.name", "rezolus"}}};
  return push(std::move(name), histograms, SampleForm::kPoint,
              [options, gzip](const RemoteWriteRequest& request) -> Result<std::string> {
                auto body = encode_otlp(request, options);
                if (!body || !gzip) return body;
                return http::compress(http::Coding::kGzip, *body);
              });
}

std::vector<Format> formats() {
  using Histograms = RemoteHistograms;
  std::vector<Format> list = {page("text", PrometheusFormat::kText),
                              page("OpenMetrics", PrometheusFormat::kOpenMetrics)};
  if (prometheus_has_protobuf()) {
    list.push_back(page("protobuf, classic and native", PrometheusFormat::kProtobuf));
  }
  if (has_remote_write()) {
    list.push_back(push("remote write 1.0, classic", Histograms::kClassic, SampleForm::kSeries,
                        encode_remote_write_1));
    list.push_back(push("remote write 1.0, native", Histograms::kNative, SampleForm::kSeries,
                        encode_remote_write_1));
    list.push_back(push("remote write 2.0, classic", Histograms::kClassic, SampleForm::kSeries,
                        encode_remote_write_2));
    list.push_back(push("remote write 2.0, exact", Histograms::kExact, SampleForm::kSeries,
                        encode_remote_write_2));
  }
  if (has_otlp()) {
    list.push_back(otlp("OTLP, classic", Histograms::kClassic, false));
    list.push_back(otlp("OTLP, classic, gzip", Histograms::kClassic, true));
    list.push_back(otlp("OTLP, native", Histograms::kNative, false));
    list.push_back(otlp("OTLP, exact", Histograms::kExact, false));
  }
  return list;
}

// Nanoseconds, the median.
double copy_ns(const std::string& bytes, int count) {
  std::vector<double> times;
  std::string copy(bytes.size(), '\0');
  for (int i = 0; i < count; ++i) {
    const std::uint64_t begin_ns = thread_cpu_ns();
    std::memcpy(copy.data(), bytes.data(), bytes.size());
    // Read, so that it is done.
    const volatile char last = copy.empty() ? '\0' : copy.back();
    (void)last;
    times.push_back(static_cast<double>(thread_cpu_ns() - begin_ns));
  }
  return median(std::move(times));
}

// Milliseconds.
double measure(const Format& format, const SnapshotRef (&snapshots)[2], int count) {
  std::vector<double> times;
  std::string bytes;
  std::uint64_t allocations = 0;
  for (int i = -2; i < count; ++i) {  // what depends on the schema alone is made at the first
    bytes.clear();
    bytes.shrink_to_fit();
    const std::uint64_t allocated = allocation_count();
    const std::uint64_t begin_ns = thread_cpu_ns();
    bytes = format.encode(snapshots[i & 1]);
    const std::uint64_t end_ns = thread_cpu_ns();
    allocations = allocation_count() - allocated;
    if (i >= 0) times.push_back(static_cast<double>(end_ns - begin_ns));
  }
  const double encode_ns = median(std::move(times));
  const double copied_ns = copy_ns(bytes, count);
  fmt::print("  {:30} {:8.2f} {:9} {:11} {:13.0f}\n", format.name, encode_ns * 1e-6, bytes.size(),
             allocations, encode_ns / copied_ns);
  return encode_ns * 1e-6;
}

}  // namespace
}  // namespace rezolus::bench

int main() {
  using namespace rezolus;
  using namespace rezolus::bench;
  const int count = once() ? 2 : 100;
  const auto schema = make_schema();
  const SnapshotRef snapshots[2] = {make_snapshot(schema, 0), make_snapshot(schema, 1)};
  fmt::print("exposition: {} series and {} histograms{}\n", kFamilies * kRows,
             kHistogramFamilies * kHistogramRows, once() ? ", twice: the figures are noise" : "");
  fmt::print("  {:30} {:>8} {:>9} {:>11} {:>13}\n", "", "ms", "bytes", "allocations",
             "times a copy");
  double text_ms = 0;
  for (const Format& format : formats()) {
    const double ms = measure(format, snapshots, count);
    if (format.name == "text") text_ms = ms;
  }
  print_target("the text page", kTextTargetMs, text_ms, " ms");
  return 0;
}
