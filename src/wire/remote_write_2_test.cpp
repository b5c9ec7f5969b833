// SPDX-License-Identifier: Apache-2.0 OR MIT
// Remote write 2.0, read by a strict decoder. remote_write_test.cpp has what both versions share.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <snappy.h>

#include "wire/protobuf_testing.h"
#include "wire/remote_write.h"
#include "wire/test_snapshot.h"

namespace rezolus {
namespace {

using test::ProtobufField;
using test::read_protobuf;

constexpr std::int64_t kExampleMs = 1'700'000'000'250;

SnapshotRef example() { return std::make_shared<Snapshot>(test::example_snapshot()); }

class RemoteWrite2 : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_remote_write()) GTEST_SKIP() << "no .proto files; scripts/setup fetches them";
  }
};

// A request with its references resolved.
struct Second {
  std::map<std::string, double> values;      // by series
  std::map<std::string, std::string> types;  // "type help unit", by series
  std::map<std::string, std::vector<double>> bounds;
  std::map<std::string, std::map<std::int64_t, std::int64_t>> buckets;
  std::map<std::string, std::int64_t> schemas;
  std::map<std::string, std::uint64_t> starts;  // ms, where there is one
};

Second read_second(const RemoteWriteRequest& request) {
  Second result;
  auto body = encode_remote_write_2(request);
  EXPECT_TRUE(body);
  std::string plain;
  EXPECT_TRUE(snappy::Uncompress(body->data(), body->size(), &plain));
  std::vector<std::string> symbols;
  const auto fields = read_protobuf(plain);
  for (const ProtobufField& field : fields) {
    if (field.number == 4) symbols.push_back(field.bytes());
  }
  EXPECT_EQ(symbols.at(0), "");
  EXPECT_EQ(std::set<std::string>(symbols.begin(), symbols.end()).size(), symbols.size());
  for (const ProtobufField& field : fields) {
    if (field.number == 4) continue;
    EXPECT_EQ(field.number, 5u);
    std::string identity;
    std::string metadata;
    for (const ProtobufField& part : read_protobuf(field.bytes())) {
      if (part.number == 1) {
        const auto refs = part.packed();
        EXPECT_EQ(refs.size() % 2, 0u);
        for (std::size_t i = 0; i + 1 < refs.size(); i += 2) {
          identity += symbols.at(refs[i]) + "=" + symbols.at(refs[i + 1]) + " ";
        }
      } else if (part.number == 2) {
        result.values[identity] = 0;  // which is not written
        for (const ProtobufField& value : read_protobuf(part.bytes())) {
          EXPECT_TRUE(value.number >= 1 && value.number <= 3);
          if (value.number == 3) result.starts[identity] = value.integer();
          if (value.number == 1) result.values[identity] = value.number_value();
          if (value.number == 2) {
            EXPECT_EQ(value.integer(), std::uint64_t{kExampleMs});
          }
        }
      } else if (part.number == 3) {
        std::vector<std::int64_t> deltas;
        std::vector<std::pair<std::int64_t, std::uint64_t>> spans;
        for (const ProtobufField& value : read_protobuf(part.bytes())) {
          if (value.number == 17) result.starts[identity] = value.integer();
          if (value.number == 4) result.schemas[identity] = value.zigzag();
          if (value.number == 11) {
            spans.emplace_back();
            for (const ProtobufField& one : read_protobuf(value.bytes())) {
              if (one.number == 1) spans.back().first = one.zigzag();
              if (one.number == 2) spans.back().second = one.integer();
            }
          }
          if (value.number == 12) deltas = value.packed_zigzags();
          if (value.number == 16) result.bounds[identity] = value.packed_fixed<double>();
        }
        std::int64_t index = 0;
        std::int64_t count = 0;
        std::size_t at = 0;
        for (const auto& [offset, length] : spans) {
          index += offset;
          for (std::uint64_t i = 0; i < length; ++i) {
            count += deltas.at(at++);
            result.buckets[identity][index++] = count;
          }
        }
        EXPECT_EQ(at, deltas.size());
      } else {
        EXPECT_EQ(part.number, 5u);
        std::string type = "0";
        std::string help;
        std::string unit;
        for (const ProtobufField& one : read_protobuf(part.bytes())) {
          if (one.number == 1) type = std::to_string(one.integer());
          if (one.number == 3) help = symbols.at(one.integer());
          if (one.number == 4) unit = symbols.at(one.integer());
        }
        metadata = type + " " + help + " " + unit;
      }
    }
    EXPECT_FALSE(result.types.contains(identity)) << identity;
    result.types[identity] = metadata;
  }
  return result;
}

TEST_F(RemoteWrite2, SaysTheSame) {
  RemoteWriteCollector collector({}, {}, RemoteHistograms::kClassic);
  collector.add(example());
  const auto requests = collector.take(1'000'000);
  const Second second = read_second(requests.at(0));
  std::multiset<double> theirs;
  for (const RemoteTimeSeries& series : requests.at(0).series) {
    theirs.insert(series.samples.at(0).value);
  }
  std::multiset<double> ours;
  for (const auto& [identity, value] : second.values) ours.insert(value);
  EXPECT_EQ(ours, theirs);
  EXPECT_EQ(second.types.at("__name__=rezolus_memory_free_bytes "),
            "2 Memory that nobody uses. bytes");
  EXPECT_EQ(second.types.at("__name__=rezolus_blockio_latency_seconds_bucket le=+Inf op=read "),
            "3 Time from issue to completion of block requests. seconds");
}

TEST_F(RemoteWrite2, SamplesSaySinceWhenTheyCountWhereThatIsKnown) {
  constexpr std::string_view kCounting[] = {"scheduler_runqueue", "blockio_latency"};
  constexpr std::uint64_t kStartMs = 1'600'000'000'250;
  PrometheusOptions page;
  page.full = true;
  page.starts = {.counters_ns = kStartMs * 1'000'000, .samplers = kCounting};
  for (const RemoteHistograms histograms : {RemoteHistograms::kClassic, RemoteHistograms::kNative}) {
    RemoteWriteCollector collector(page, {}, histograms);
    collector.add(example());
    const Second second = read_second(collector.take(1'000'000).at(0));
    std::set<std::string> names;
    for (const auto& [identity, start_ms] : second.starts) {
      EXPECT_EQ(start_ms, kStartMs);
      names.insert(identity.substr(0, identity.find(' ')));
    }
    std::set<std::string> wanted = {"__name__=rezolus_scheduler_context_switches_total"};
    const std::string latency = "__name__=rezolus_blockio_latency_seconds";
    if (histograms == RemoteHistograms::kNative) {
      wanted.insert(latency);
    } else {
      wanted.insert({latency + "_bucket", latency + "_count", latency + "_sum"});
    }
    EXPECT_EQ(names, wanted);
  }
}

TEST_F(RemoteWrite2, ExactHistogramsHaveEveryBucketWhereItWas) {
  RemoteWriteCollector collector({}, {}, RemoteHistograms::kExact);
  const SnapshotRef snapshot = example();
  collector.add(snapshot);
  const Second second = read_second(collector.take(1'000'000).at(0));
  const std::string name = "__name__=rezolus_blockio_latency_seconds op=read ";
  EXPECT_EQ(second.schemas.at(name), -53);
  const std::vector<double>& bounds = second.bounds.at(name);
  ASSERT_EQ(bounds.size(), 495u);
  EXPECT_TRUE(std::ranges::is_sorted(bounds));
  EXPECT_EQ(bounds[0], 0);
  EXPECT_EQ(bounds[63], 1023e-9);
  // The same buckets as were measured, the last one above all bounds.
  std::map<std::int64_t, std::int64_t> found;
  for (const auto& [index, count] : second.buckets.at(name)) {
    if (count != 0) found[index] = count;
  }
  EXPECT_EQ(found,
            (std::map<std::int64_t, std::int64_t>{{9, 1}, {63, 4}, {64, 2}, {143, 3}, {495, 1}}));
}

}  // namespace
}  // namespace rezolus
