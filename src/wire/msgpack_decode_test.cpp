// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <deque>
#include <random>

#include <gtest/gtest.h>

#include "wire/msgpack.h"
#include "wire/test_snapshot.h"

namespace rezolus {
namespace {

std::string bytes_of(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes += static_cast<char>(value);
  return bytes;
}

const std::string kTime = bytes_of({0x92, 0xce, 0x65, 0x53, 0xf1, 0x00, 0xce, 0x0e, 0xe6, 0xb2,
                                    0x80});
const std::string kDuration = bytes_of({0x92, 0x00, 0xce, 0x00, 0x16, 0xe3, 0x60});
const std::string kSource = "\x81\xa6source\xa7rezolus";
const std::string kLists =
    "\x91\x93\xa1" "0\x07\x81\xa6metric\xa1" "c"
    "\x91\x93\xa1" "1\xfb\x81\xa6metric\xa1" "g"
    "\x91\x93\xa1" "2" +
    bytes_of({0x92, 0x98, 0x0f, 1, 4, 2, 4, 4, 2, 4, 0x98, 0, 1, 2, 0, 0, 0, 0, 0xcd, 1, 0x2c}) +
    "\x81\xa6metric\xa1" "h";
const std::string kV1 = "\x95" + kTime + kSource + kLists;
const std::string kV2 = "\x96" + kTime + kDuration + kSource + kLists;

TEST(MsgpackDecode, UpstreamsExamplesOfV1AndV2) {
  ASSERT_EQ(kV1.size(), 93u);
  ASSERT_EQ(kV2.size(), 100u);
  for (const std::string& bytes : {kV1, kV2}) {
    const auto decoded = decode_snapshot(bytes);
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(decoded->version, bytes == kV1 ? 1 : 2);
    EXPECT_EQ(decoded->realtime_ns, 1'700'000'000'250'000'000u);
    EXPECT_EQ(decoded->duration_ns, bytes == kV1 ? 0u : 1'500'000u);
    EXPECT_EQ(decoded->metadata, (SourceMetadata{{"source", "rezolus"}}));
    ASSERT_EQ(decoded->entries.size(), 3u);
    EXPECT_EQ(decoded->entries[0].name, "0");
    EXPECT_EQ(decoded->entries[0].scalar, 7u);
    EXPECT_EQ(static_cast<std::int64_t>(decoded->entries[1].scalar), -5);
    EXPECT_EQ(decoded->entries[2].config, (HistogramConfig{1, 4}));
    EXPECT_EQ(decoded->entries[2].buckets,
              (std::vector<std::uint64_t>{0, 1, 2, 0, 0, 0, 0, 300}));
  }
}

TEST(MsgpackDecode, TakesWindowsNilAndWideForms) {
  const std::string window = bytes_of({0x92, 0xcf, 0, 0, 0, 0, 0, 0, 0, 5, 0x06});
  const std::string rest = "\x90\x90";
  std::deque<std::string> kept;  // what was parsed is pointed into
  const auto counter = [&](const std::string& entry) {
    kept.push_back("\x96" + kTime + kDuration + "\x80\x91" + entry + rest);
    return decode_snapshot(kept.back());
  };
  const auto windowed = counter("\x94\xa1" "0\x07\x80" + window);
  ASSERT_TRUE(windowed);
  EXPECT_EQ(windowed->entries[0].window, (AcquisitionWindow{5, 6}));
  EXPECT_TRUE(counter("\x94\xa1" "0\x07\x80\xc0"));
  // array16, str8, an 8-byte 7, map16; then bin8 and a signed positive 7.
  const auto wide = counter(bytes_of({0xdc, 0, 3, 0xd9, 1, '0', 0xcf, 0, 0, 0, 0, 0, 0, 0, 7, 0xde,
                                      0, 0}));
  ASSERT_TRUE(wide);
  EXPECT_EQ(wide->entries[0].scalar, 7u);
  const auto binary = counter(bytes_of({0x93, 0xc4, 1, '0', 0xd1, 0, 7, 0x80}));
  ASSERT_TRUE(binary);
  EXPECT_EQ(binary->entries[0].scalar, 7u);
  EXPECT_EQ(binary->entries[0].name, "0");

  EXPECT_FALSE(counter(bytes_of({0x95, 0xa1, '0', 7, 0x80, 0xc0, 0xc0}))) << "5 elements";
  EXPECT_FALSE(counter(bytes_of({0x92, 0xa1, '0', 7}))) << "no metadata";
  EXPECT_FALSE(counter(bytes_of({0x93, 0xa1, '0', 0xff, 0x80}))) << "negative counter";
  EXPECT_FALSE(counter(bytes_of({0x93, 0xa1, '0', 0xcb, 0, 0, 0, 0, 0, 0, 0, 0, 0x80}))) << "float";
}

TEST(MsgpackDecode, ReadsOurV3Back) {
  const Snapshot snapshot = test::example_snapshot();
  const std::string bytes = encode_v3(snapshot, {{"version", "1"}});
  const auto decoded = decode_snapshot(bytes);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->version, 3);
  EXPECT_EQ(decoded->entries.size(), 12u);
  bool found = false;
  for (const auto& group : decoded->groups) {
    if (group.name != "cpu_usage/cpu_usage_cpu") continue;
    found = true;
    EXPECT_EQ(group.window.begin_ns, 1'700'000'000'250'100'000u);
  }
  EXPECT_TRUE(found);
}

TEST(MsgpackDecode, V3GroupWithoutSchemaIsSkipped) {
  const std::string groups = "\x91\x97\xa1g" + bytes_of({0x92, 1, 2, 0xc0, 0xc0, 0x92, 1, 0xc0,
                                                         0x91, 0xfb, 0x90});
  SnapshotDecoder decoder;
  const auto snapshot = decoder.decode("\x94" + kTime + kDuration + kSource + groups);
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_TRUE((*snapshot)->schema->series.empty());
  EXPECT_EQ(decoder.dropped(), 1u);
}

TEST(MsgpackDecode, V3ValuesMustMatchTheSchema) {
  const std::string head = "\x94" + kTime + kDuration + kSource + "\x91\x97\xa1g\x92\x01\x02" +
                           "\x93\x91\x92\xa1" "a\x80\x90\x90\xc0";
  EXPECT_TRUE(decode_snapshot(head + bytes_of({0x91, 5, 0x90, 0x90})));
  EXPECT_FALSE(decode_snapshot(head + bytes_of({0x90, 0x90, 0x90})));
  EXPECT_FALSE(decode_snapshot(head + bytes_of({0x92, 5, 5, 0x90, 0x90})));
  EXPECT_FALSE(decode_snapshot(head + bytes_of({0x91, 5, 0x91, 5, 0x90})));
}

TEST(MsgpackDecode, RefusesTrailingBytesAndNamesTheOffset) {
  const auto decoded = decode_snapshot(kV2 + "\xc0");
  ASSERT_FALSE(decoded);
  EXPECT_NE(decoded.error().message.find("byte 100 of 101"), std::string::npos)
      << decoded.error().message;
}

TEST(MsgpackDecode, RefusesEveryTruncation) {
  const Snapshot example = test::example_snapshot();
  for (const std::string& bytes : {kV1, kV2, encode_v2(example, {{"a", "b"}}),
                                   encode_v3(example, {{"a", "b"}})}) {
    ASSERT_TRUE(decode_snapshot(bytes));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_FALSE(decode_snapshot(std::string_view(bytes).substr(0, size))) << size;
    }
  }
}

TEST(MsgpackDecode, SurvivesFlippedBytes) {
  const Snapshot example = test::example_snapshot();
  std::size_t refused = 0;
  for (const std::string& bytes : {kV1, kV2, encode_v3(example, {})}) {
    std::mt19937 random(3);
    SnapshotDecoder decoder;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      for (const int flip : {0x01, 0x80, 0xff, static_cast<int>(random() % 255 + 1)}) {
        std::string damaged = bytes;
        damaged[at] = static_cast<char>(damaged[at] ^ flip);
        const auto snapshot = decoder.decode(damaged);
        refused += snapshot ? 0 : 1;
        if (snapshot) {
          ASSERT_EQ((*snapshot)->scalars.size(), (*snapshot)->schema->series.size());
        }
      }
    }
  }
  EXPECT_GT(refused, 100u);
}

TEST(MsgpackDecode, HugeCountsAreRefusedBeforeAllocation) {
  const std::string head = "\x96" + kTime + kDuration + "\x80";
  EXPECT_FALSE(decode_snapshot(head + bytes_of({0xdd, 0xff, 0xff, 0xff, 0xff})));
  EXPECT_FALSE(decode_snapshot(head + bytes_of({0xdd, 0x00, 0x0f, 0xff, 0xff, 0x93})));
  EXPECT_FALSE(decode_snapshot(head + "\x91\x93" + bytes_of({0xdb, 0xff, 0xff, 0xff, 0xff})));
  EXPECT_FALSE(decode_snapshot("\x96" + kTime + kDuration + bytes_of({0xdf, 0xff, 0xff, 0xff, 0})));
  EXPECT_FALSE(decode_snapshot(std::string(100'000, '\x91'))) << "deep nesting";
  EXPECT_FALSE(decode_snapshot("\x96" + std::string(100'000, '\x92')));
  const auto late = decode_snapshot("\x95" + bytes_of({0x92, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff,
                                                       0xff, 0xff, 0xff, 0}) + kSource + kLists);
  EXPECT_FALSE(late) << "nanoseconds would overflow";
}

TEST(MsgpackDecode, DropsHistogramsThatDoNotFitTheirPowers) {
  std::string bytes = kV2;
  bytes[0x48] = 2;  // grouping power 2 asks for 12 buckets
  const auto decoded = decode_snapshot(bytes);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->entries.size(), 2u);
  EXPECT_EQ(decoded->invalid_histograms, 1u);
  bytes[0x48] = 63;
  EXPECT_EQ(decode_snapshot(bytes)->invalid_histograms, 1u);
}

TEST(SnapshotDecoder, RoundTripsOurSnapshots) {
  const Snapshot sent = test::example_snapshot();
  for (const bool v3 : {false, true}) {
    SnapshotDecoder decoder;
    const auto received = decoder.decode(v3 ? encode_v3(sent, {}) : encode_v2(sent, {}));
    ASSERT_TRUE(received);
    const Snapshot& got = **received;
    EXPECT_EQ(got.realtime_ns, sent.realtime_ns);
    EXPECT_EQ(got.duration_ns, sent.duration_ns);
    for (std::size_t i = 0; i < sent.schema->series.size(); ++i) {
      const Series* series = sent.schema->series[i].get();
      if (series == nullptr) continue;
      const std::int64_t at = find_series(*got.schema, series->name, series->labels);
      if (sent.present[i] == 0) {
        EXPECT_EQ(at >= 0, v3) << "absent series are known in V3 only";
        if (at >= 0) {
          EXPECT_EQ(got.present[static_cast<std::size_t>(at)], 0);
        }
        continue;
      }
      ASSERT_GE(at, 0) << series->name;
      const auto index = static_cast<std::size_t>(at);
      const Series& copy = *got.schema->series[index];
      EXPECT_EQ(copy.type, series->type);
      EXPECT_EQ(copy.unit, series->unit);
      EXPECT_EQ(copy.sampler, series->sampler);
      EXPECT_EQ(got.present[index], 1);
      if (series->type == MetricType::kHistogram) {
        EXPECT_EQ(got.histograms[copy.histogram_index]->buckets,
                  sent.histograms[series->histogram_index]->buckets);
        EXPECT_FALSE(got.histograms[copy.histogram_index]->sum_known);
      } else {
        EXPECT_EQ(got.scalars[index], sent.scalars[i]);
      }
    }
    EXPECT_EQ(decoder.dropped(), 0u);
  }
}

Snapshot with_counters(std::initializer_list<const char*> names, std::uint64_t bucket_count = 1) {
  test::SnapshotBuilder builder;
  for (const char* name : names) builder.scalar(test::series(name), 1);
  builder.histogram(test::series("h"), {{3, bucket_count}}, 0);
  return builder.build();
}

TEST(SnapshotDecoder, KeepsIndicesAndSharesWhatDidNotChange) {
  SnapshotDecoder decoder;
  const auto decode = [&](const Snapshot& snapshot) { return *decoder.decode(encode_v2(snapshot, {})); };
  const SnapshotRef first = decode(with_counters({"a", "b"}));
  const SnapshotRef second = decode(with_counters({"b", "a"}));
  EXPECT_EQ(first->schema, second->schema);
  EXPECT_EQ(first->histograms[0], second->histograms[0]);
  const SnapshotRef third = decode(with_counters({"b", "c"}, 2));
  const auto index = [&](const char* name) { return find_series(*third->schema, name, {}); };
  EXPECT_EQ(index("a"), 0);
  EXPECT_EQ(third->present[0], 0) << "missing is absent";
  EXPECT_EQ(third->present[1], 1);
  EXPECT_EQ(index("c"), 3);
  EXPECT_NE(third->histograms[0], second->histograms[0]);
}

TEST(SnapshotDecoder, RetiresWhatIsMissingForLong) {
  SnapshotDecoder decoder;
  ASSERT_TRUE(decoder.decode(encode_v2(with_counters({"a", "b"}), {})));
  const std::string later = encode_v2(with_counters({"b"}), {});
  SnapshotRef last;
  for (std::uint64_t i = 0; i < kMissingSnapshotsMax + 300; ++i) last = *decoder.decode(later);
  EXPECT_EQ(find_series(*last->schema, "a", {}), -1);
  EXPECT_EQ(find_series(*last->schema, "b", {}), 1);
  last = *decoder.decode(encode_v2(with_counters({"a", "b"}), {}));
  EXPECT_EQ(find_series(*last->schema, "a", {}), 3) << "a new index, never the old one";
}

TEST(SnapshotDecoder, DropsDoublesAndTakesEntryNamesWithoutMetric) {
  const std::string entry = "\x93\xa3" "abc\x07\x80";
  SnapshotDecoder decoder;
  const auto snapshot =
      decoder.decode("\x96" + kTime + kDuration + "\x80\x92" + entry + entry + "\x90\x90");
  ASSERT_TRUE(snapshot);
  ASSERT_EQ((*snapshot)->schema->series.size(), 1u);
  EXPECT_EQ((*snapshot)->schema->series[0]->name, "abc");
  EXPECT_EQ(decoder.dropped(), 1u);
}

TEST(SnapshotDecoder, IsUnmovedByDamage) {
  SnapshotDecoder decoder;
  const auto first = decoder.decode(kV2);
  ASSERT_TRUE(first);
  EXPECT_FALSE(decoder.decode(kV2.substr(0, 50)));
  EXPECT_EQ(decoder.decode(kV2).value()->schema, (*first)->schema);
}

}  // namespace
}  // namespace rezolus
