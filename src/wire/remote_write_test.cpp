// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/remote_write.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <set>

#include <snappy.h>

#include "wire/protobuf_testing.h"
#include "wire/test_snapshot.h"

namespace rezolus {
namespace {

using test::ProtobufField;
using test::read_protobuf;

struct Point {
  std::int64_t time_ms = 0;
  double value = 0;
};

struct Native {
  std::int64_t time_ms = 0;
  std::uint64_t count = 0;
  double sum = 0;
  std::int64_t schema = 0;
  double zero_threshold = 0;
  std::uint64_t zeros = 0;
  std::map<std::int64_t, std::int64_t> buckets;
};

struct Read {
  std::map<std::string, std::vector<Point>> points;  // by `name{key="value",…}`
  std::map<std::string, std::vector<Native>> natives;
  std::map<std::string, std::uint64_t> types;  // by family
};

Native read_native(std::string_view bytes) {
  Native native;
  std::vector<std::pair<std::int64_t, std::uint64_t>> spans;
  std::vector<std::int64_t> deltas;
  for (const ProtobufField& field : read_protobuf(bytes)) {
    switch (field.number) {
      case 1:
        native.count = field.integer();
        break;
      case 3:
        native.sum = field.number_value();
        break;
      case 4:
        native.schema = field.zigzag();
        break;
      case 5:
        native.zero_threshold = field.number_value();
        break;
      case 6:
        native.zeros = field.integer();
        break;
      case 11: {
        std::int64_t offset = 0;
        std::uint64_t length = 0;
        for (const ProtobufField& part : read_protobuf(field.bytes())) {
          if (part.number == 1) {
            offset = part.zigzag();
          } else if (part.number == 2) {
            length = part.integer();
          } else {
            ADD_FAILURE() << "BucketSpan has no field " << part.number;
          }
        }
        spans.emplace_back(offset, length);
        break;
      }
      case 12:
        deltas = field.packed_zigzags();
        break;
      case 15:
        native.time_ms = static_cast<std::int64_t>(field.integer());
        break;
      default:
        ADD_FAILURE() << "not expected in Histogram: field " << field.number;
    }
  }
  std::int64_t index = 0;
  std::int64_t count = 0;
  std::size_t at = 0;
  for (const auto& [offset, length] : spans) {
    index += offset;
    for (std::uint64_t i = 0; i < length; ++i, ++index) {
      if (at >= deltas.size()) {
        ADD_FAILURE() << "fewer deltas than the spans say";
        return native;
      }
      count += deltas[at++];
      native.buckets[index] = count;
    }
  }
  EXPECT_EQ(at, deltas.size()) << "more deltas than the spans say";
  return native;
}

void read_series(std::string_view bytes, Read& into) {
  Labels labels;
  std::vector<Point> points;
  std::vector<Native> natives;
  for (const ProtobufField& field : read_protobuf(bytes)) {
    if (field.number == 1) {
      labels.emplace_back();
      for (const ProtobufField& part : read_protobuf(field.bytes())) {
        ASSERT_TRUE(part.number == 1 || part.number == 2);
        (part.number == 1 ? labels.back().first : labels.back().second) = part.bytes();
      }
      EXPECT_FALSE(labels.back().second.empty());
    } else if (field.number == 2) {
      points.emplace_back();
      for (const ProtobufField& part : read_protobuf(field.bytes())) {
        ASSERT_TRUE(part.number == 1 || part.number == 2);
        if (part.number == 1) points.back().value = part.number_value();
        if (part.number == 2) points.back().time_ms = static_cast<std::int64_t>(part.integer());
      }
    } else {
      ASSERT_EQ(field.number, 4u);
      natives.push_back(read_native(field.bytes()));
    }
  }
  for (std::size_t i = 1; i < labels.size(); ++i) {
    EXPECT_LT(labels[i - 1].first, labels[i].first) << "sorted, and none twice";
  }
  std::string name;
  Labels rest;
  for (auto& label : labels) {
    if (label.first == "__name__") {
      name = label.second;
    } else {
      rest.push_back(label);
    }
  }
  EXPECT_FALSE(name.empty());
  const std::string identity = series_name(name, rest);
  EXPECT_FALSE(into.points.contains(identity) || into.natives.contains(identity)) << identity;
  if (!points.empty()) into.points[identity] = points;
  if (!natives.empty()) into.natives[identity] = natives;
}

Read read(const RemoteWriteRequest& request) {
  Read result;
  auto body = encode_remote_write_1(request);
  EXPECT_TRUE(body);
  std::string plain;
  EXPECT_TRUE(snappy::Uncompress(body->data(), body->size(), &plain));
  for (const ProtobufField& field : read_protobuf(plain)) {
    if (field.number == 1) {
      read_series(field.bytes(), result);
      continue;
    }
    EXPECT_EQ(field.number, 3u);
    std::string family;
    std::uint64_t type = 0;
    for (const ProtobufField& part : read_protobuf(field.bytes())) {
      if (part.number == 1) type = part.integer();
      if (part.number == 2) family = part.bytes();
    }
    result.types[family] = type;
  }
  return result;
}

Read read_all(RemoteWriteCollector& collector) {
  auto requests = collector.take(1'000'000);
  EXPECT_EQ(requests.size(), 1u);
  return requests.empty() ? Read{} : read(requests.front());
}

SnapshotRef example(std::uint64_t later_ns = 0) {
  auto snapshot = std::make_shared<Snapshot>(test::example_snapshot());
  snapshot->realtime_ns += later_ns;
  return snapshot;
}

constexpr std::int64_t kExampleMs = 1'700'000'000'250;
const std::string kBucket = "rezolus_blockio_latency_seconds_bucket";

class RemoteWrite : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_remote_write()) GTEST_SKIP() << "no .proto files; scripts/setup fetches them";
  }
};

bool is_stale(const Point& point) {
  return std::bit_cast<std::uint64_t>(point.value) == kStaleBits;
}

TEST_F(RemoteWrite, SaysWhatThePageSays) {
  RemoteWriteCollector collector({}, {{"instance", "db-1"}, {"op", "not this"}, {"none", ""}},
                                 RemoteHistograms::kClassic);
  collector.add(example());
  const Read got = read_all(collector);
  // Every line of the text page, whose values are decimal fractions of integers, is a series.
  std::size_t lines = 0;
  const std::string page = encode_prometheus(*example(), {});
  for (std::size_t at = 0; at < page.size();) {
    const std::size_t end = page.find('\n', at);
    const std::string line = page.substr(at, end - at);
    at = end + 1;
    if (line.starts_with('#')) continue;
    ++lines;
    const double value = std::stod(line.substr(line.rfind(' ') + 1));
    std::string name = line.substr(0, line.find_first_of("{ "));
    std::size_t same = 0;
    for (const auto& [identity, points] : got.points) {
      if (!identity.starts_with(name + "{")) continue;
      ASSERT_EQ(points.size(), 1u);
      EXPECT_EQ(points[0].time_ms, kExampleMs);
      if (points[0].value == value) ++same;
    }
    EXPECT_GE(same, 1u) << line;
  }
  EXPECT_EQ(got.points.size(), lines);
  const auto bucket = got.points.find(kBucket + R"({instance="db-1",le="0.000001023",op="read"})");
  ASSERT_NE(bucket, got.points.end());
  EXPECT_EQ(bucket->second[0].value, 5);  // buckets 9 and 63; 64 begins at 1024
  EXPECT_TRUE(got.points.contains(kBucket + R"({instance="db-1",le="+Inf",op="read"})"));
  EXPECT_TRUE(got.natives.empty());
}

TEST_F(RemoteWrite, TicksOfASeriesStandTogether) {
  RemoteWriteCollector collector({}, {}, RemoteHistograms::kClassic);
  collector.add(example());
  collector.add(example(1'000'000'000));
  const std::size_t samples = collector.sample_count();
  auto requests = collector.take(7);
  std::size_t series = 0;
  std::size_t seen = 0;
  for (const RemoteWriteRequest& request : requests) {
    EXPECT_LE(request.sample_count, 7u);
    const Read got = read(request);
    series += got.points.size();
    for (const auto& [identity, points] : got.points) {
      ASSERT_EQ(points.size(), 2u) << identity;
      EXPECT_EQ(points[1].time_ms, points[0].time_ms + 1000);
      seen += points.size();
    }
  }
  EXPECT_EQ(seen, samples);
  EXPECT_EQ(series * 2, samples);
  EXPECT_EQ(collector.sample_count(), 0u);
  EXPECT_TRUE(collector.take(7).empty());
}

TEST_F(RemoteWrite, SplittingByTimeLosesNothing) {
  RemoteWriteCollector collector({}, {}, RemoteHistograms::kClassic);
  collector.add(example());
  collector.add(example(1'000'000'000));
  const auto requests = collector.take(1'000'000);
  ASSERT_EQ(requests.size(), 1u);
  const auto parts = split_by_time(requests[0]);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].sample_count + parts[1].sample_count, requests[0].sample_count);
  for (std::size_t i = 0; i < 2; ++i) {
    for (const auto& [identity, points] : read(parts[i]).points) {
      ASSERT_EQ(points.size(), 1u);
      EXPECT_EQ(points[0].time_ms, kExampleMs + static_cast<std::int64_t>(i) * 1000);
    }
  }
}

TEST_F(RemoteWrite, WhatIsGoneBecomesStale) {
  RemoteWriteCollector collector({}, {}, RemoteHistograms::kClassic);
  collector.add(example());
  const Read before = read_all(collector);
  // The same schema, one series absent.
  auto without = std::make_shared<Snapshot>(*example(1'000'000'000));
  const auto memory = find_series(*without->schema, "memory_free", {});
  ASSERT_GE(memory, 0);
  without->present[static_cast<std::size_t>(memory)] = 0;
  collector.add(without);
  Read got = read_all(collector);
  EXPECT_EQ(got.points.size(), before.points.size());
  for (const auto& [identity, points] : got.points) {
    EXPECT_EQ(is_stale(points[0]), identity == "rezolus_memory_free_bytes") << identity;
  }
  // Stale once, and another schema object with the same series changes nothing.
  auto anew = std::make_shared<Snapshot>(*example(2'000'000'000));
  anew->schema = std::make_shared<Schema>(*anew->schema);
  anew->present[static_cast<std::size_t>(memory)] = 0;
  collector.add(anew);
  got = read_all(collector);
  EXPECT_EQ(got.points.size(), before.points.size() - 1);
  for (const auto& [identity, points] : got.points) EXPECT_FALSE(is_stale(points[0]));
  // A schema without the histograms.
  auto fewer = std::make_shared<Snapshot>(*example(3'000'000'000));
  auto schema = std::make_shared<Schema>(*fewer->schema);
  for (auto& series : schema->series) {
    if (series != nullptr && series->type == MetricType::kHistogram) series = nullptr;
  }
  fewer->schema = schema;
  collector.add(fewer);
  got = read_all(collector);
  for (const auto& [identity, points] : got.points) {
    EXPECT_EQ(is_stale(points[0]), identity.starts_with("rezolus_blockio")) << identity;
  }
  // Everything.
  collector.end(fewer->realtime_ns + 5'000'000'000);
  got = read_all(collector);
  EXPECT_FALSE(got.points.empty());
  for (const auto& [identity, points] : got.points) {
    EXPECT_TRUE(is_stale(points[0]));
    EXPECT_EQ(points[0].time_ms, kExampleMs + 8000);
  }
  collector.end(fewer->realtime_ns + 6'000'000'000);
  EXPECT_EQ(collector.sample_count(), 0u);
}

TEST_F(RemoteWrite, NativeHistogramsKeepEveryCount) {
  RemoteWriteCollector collector({}, {}, RemoteHistograms::kNative);
  collector.add(example());
  collector.end(example()->realtime_ns + 1'000'000);
  const Read got = read_all(collector);
  EXPECT_FALSE(got.points.contains(kBucket + R"({le="+Inf",op="read"})"));
  const auto found = got.natives.find(R"(rezolus_blockio_latency_seconds{op="read"})");
  ASSERT_NE(found, got.natives.end());
  ASSERT_EQ(found->second.size(), 2u);
  const Native& native = found->second[0];
  EXPECT_EQ(native.count, 11u);
  EXPECT_EQ(native.sum, 0.003004005);
  EXPECT_EQ(native.schema, 3);
  EXPECT_EQ(native.time_ms, kExampleMs);
  std::uint64_t total = native.zeros;
  for (const auto& [index, count] : native.buckets) {
    EXPECT_GE(count, 0);
    total += static_cast<std::uint64_t>(count);
  }
  EXPECT_EQ(total, native.count);
  // Bucket 9 holds the value 9 alone: 9 ns lie in (2^((i-1)/8), 2^(i/8)] seconds.
  const auto nine = static_cast<std::int64_t>(std::ceil(std::log2(9e-9) * 8));
  EXPECT_EQ(native.buckets.at(nine), 1);
  EXPECT_EQ(std::bit_cast<std::uint64_t>(found->second[1].sum), kStaleBits);
  EXPECT_EQ(found->second[1].time_ms, kExampleMs + 1);
}

TEST_F(RemoteWrite, SummariesAndMetadata) {
  const std::vector<std::string> quantiles = {"0.5", "0.99"};
  const std::vector<HistogramRule> rules = {{"*", HistogramForm::kSummary}};
  PrometheusOptions options;
  options.quantiles = quantiles;
  options.histograms = rules;
  RemoteWriteCollector collector(options, {}, RemoteHistograms::kClassic);
  collector.add(example());
  collector.add_metadata();
  Read got = read_all(collector);
  const std::string name = "rezolus_blockio_latency_seconds";
  EXPECT_EQ(got.types.at(name), 5u);
  EXPECT_EQ(got.types.at("rezolus_cpu_usage_seconds_total"), 1u);
  EXPECT_EQ(got.types.at("rezolus_memory_free_bytes"), 2u);
  EXPECT_EQ(got.points.at(name + R"(_count{op="read"})")[0].value, 11);
  EXPECT_FALSE(got.points.contains(name + R"({op="read",quantile="0.5"})")) << "no interval yet";
  auto later = std::make_shared<Snapshot>(*example(1'000'000'000));
  const auto index = find_series(*later->schema, "blockio_latency", {{"op", "read"}});
  auto& histogram = later->histograms[later->schema->series[index]->histogram_index];
  auto grown = std::make_shared<HistogramValue>(*histogram);
  grown->buckets[9] += 5;
  histogram = grown;
  collector.add(later);
  got = read_all(collector);
  EXPECT_TRUE(got.types.empty()) << "once";
  EXPECT_EQ(got.points.at(name + R"({op="read",quantile="0.5"})")[0].value, 9e-9);
}

TEST_F(RemoteWrite, FamiliesOfTheProcess) {
  const std::vector<ExtraFamily> families = {
      {"process_cpu_seconds_total", "counter", "CPU.", {{{}, 1.5}}},
      {"up", "gauge", "Up.", {{{{"source", "a"}}, 1}, {{{"source", "b"}}, 0}}}};
  RemoteWriteCollector collector({}, {{"job", "rezolus"}}, RemoteHistograms::kClassic);
  collector.add_extra(families, 5'000'000'000);
  const Read got = read_all(collector);
  ASSERT_EQ(got.points.size(), 3u);
  EXPECT_EQ(got.points.at(R"(up{job="rezolus",source="b"})")[0].time_ms, 5000);
  EXPECT_EQ(got.points.at(R"(process_cpu_seconds_total{job="rezolus"})")[0].value, 1.5);
}

}  // namespace
}  // namespace rezolus
