// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/frame/frame.h"

#include <bit>

#include <gtest/gtest.h>

#include "recording/frame/crc32c.h"
#include "recording/frame/frame_testing.h"
#include "recording/frame/layout.h"

namespace rezolus {
namespace {

using testing::expect_same_schema;
using testing::expect_same_values;
using testing::test_histogram;
using testing::test_series;
using testing::TestSource;

// Encodes, decodes, and compares; returns the decoded snapshot and the frames' size.
class RoundTrip {
 public:
  SnapshotRef pass(const Snapshot& snapshot) {
    std::string out;
    auto encoded = encoder.encode(snapshot, out);
    EXPECT_TRUE(encoded.has_value());
    size_bytes = out.size();
    types.clear();
    decoder.feed(out);
    SnapshotRef result;
    while (true) {
      auto event = decoder.next();
      if (!event) {
        ADD_FAILURE() << event.error().message;
        return nullptr;
      }
      if (!*event) break;
      types.push_back((*event)->type);
      if ((*event)->snapshot) result = (*event)->snapshot;
    }
    if (!result) {
      ADD_FAILURE() << "no snapshot came out";
      return nullptr;
    }
    expect_same_schema(*snapshot.schema, *result->schema);
    expect_same_values(snapshot, *result);
    return result;
  }

  FrameEncoder encoder{SourceMetadata{{"source", "rezolus"}, {"version", "1.2.3"}}};
  FrameDecoder decoder;
  std::size_t size_bytes = 0;
  std::vector<FrameType> types;
};

using Types = std::vector<FrameType>;

TEST(Crc32c, KnownValues) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
}

TEST(Frame, FirstTickBringsEverythingLaterOnesTheDifference) {
  TestSource source;
  RoundTrip trip;
  ASSERT_NE(trip.pass(source.tick(0)), nullptr);
  EXPECT_EQ(trip.types, (Types{FrameType::kMeta, FrameType::kSchema, FrameType::kKey}));
  EXPECT_EQ(trip.decoder.metadata().at("version"), "1.2.3");
  for (std::uint64_t k = 1; k < 20; ++k) {
    ASSERT_NE(trip.pass(source.tick(k)), nullptr);
    EXPECT_EQ(trip.types, Types{FrameType::kDelta});
    EXPECT_LT(trip.size_bytes, 48u);
  }
}

TEST(Frame, UnchangedHistogramsAreShared) {
  TestSource source;
  RoundTrip trip;
  const SnapshotRef first = trip.pass(source.tick(0));
  const SnapshotRef second = trip.pass(source.tick(1));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->histograms[1], second->histograms[1]);
  EXPECT_NE(first->histograms[0], second->histograms[0]);
  EXPECT_EQ(first->histograms[0]->buckets[10], 0u);  // a later tick does not reach into an older one
  EXPECT_EQ(first->schema, second->schema);
}

TEST(Frame, EqualHistogramInAnotherObjectCostsNothing) {
  TestSource source;
  RoundTrip trip;
  Snapshot snapshot = source.tick(0);
  trip.pass(snapshot);
  snapshot.histograms[1] = std::make_shared<HistogramValue>(*snapshot.histograms[1]);
  trip.pass(snapshot);
  const std::size_t copied = trip.size_bytes;
  trip.pass(snapshot);
  EXPECT_EQ(copied, trip.size_bytes);
}

TEST(Frame, WhatTheMakerSaysOfAChangeIsUsedOnlyForItsPredecessor) {
  TestSource source;
  RoundTrip trip;
  Snapshot snapshot = source.tick(0);
  const auto next = [&snapshot](std::size_t bucket, std::uint64_t lines) {
    const HistogramRef before = snapshot.histograms[0];
    auto value = std::make_shared<HistogramValue>(*before);
    ++value->buckets[bucket];
    value->change.made_from(before->change, lines);
    snapshot.histograms[0] = std::move(value);
  };
  trip.pass(snapshot);
  next(20, 0);  // its predecessor has no version: everything is compared
  trip.pass(snapshot);
  next(20, 1u << 2);
  next(495, std::uint64_t{1} << 61);  // the one between was never encoded: everything is compared
  trip.pass(snapshot);
  next(490, std::uint64_t{1} << 61 | 1u << 3);
  trip.pass(snapshot);
  // It believes what it is told: nothing of a line that is called unchanged is sent.
  const std::uint64_t shown = snapshot.histograms[0]->buckets[30];
  next(30, 1u << 9);
  std::string out;
  ASSERT_TRUE(trip.encoder.encode(snapshot, out));
  trip.decoder.feed(out);
  const auto event = trip.decoder.next();
  ASSERT_TRUE(event && *event && (*event)->snapshot);
  EXPECT_EQ((*event)->snapshot->histograms[0]->buckets[30], shown);
  // A copy may have been changed, and is compared.
  auto copy = std::make_shared<HistogramValue>(*snapshot.histograms[0]);
  copy->buckets[31] += 5;
  snapshot.histograms[0] = std::move(copy);
  out.clear();
  ASSERT_TRUE(trip.encoder.encode(snapshot, out));
  trip.decoder.feed(out);
  const auto last = trip.decoder.next();
  ASSERT_TRUE(last && *last && (*last)->snapshot);
  EXPECT_EQ((*last)->snapshot->histograms[0]->buckets[31], 5u);
}

TEST(Frame, AbsentAndPresent) {
  TestSource source;
  RoundTrip trip;
  trip.pass(source.tick(0));
  Snapshot snapshot = source.tick(1);
  snapshot.present[0] = 0;
  snapshot.present[3] = 0;
  snapshot.histograms[0] = nullptr;
  const SnapshotRef absent = trip.pass(snapshot);
  ASSERT_TRUE(absent);
  EXPECT_EQ(absent->present[0], 0);
  EXPECT_EQ(absent->histograms[0], nullptr);
  const SnapshotRef back = trip.pass(source.tick(2));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->scalars[0], 106u);
  EXPECT_EQ(back->histograms[0]->buckets[10], 2u);
}

TEST(Frame, ExtremeValuesWrap) {
  TestSource source;
  RoundTrip trip;
  for (const std::uint64_t value : {~0ull, 0ull, 1ull << 63, (1ull << 63) - 1, 1ull, ~0ull}) {
    Snapshot snapshot = source.tick(1);
    snapshot.scalars[0] = value;
    snapshot.realtime_ns = value;
    snapshot.monotonic_ns = ~value;
    snapshot.duration_ns = value;
    snapshot.windows[1] = {value, ~value};
    snapshot.histograms[0] = test_histogram({{0, value}, {495, ~value}}, value);
    ASSERT_NE(trip.pass(snapshot), nullptr);
  }
}

TEST(Frame, UnknownSumStaysUnknown) {
  TestSource source;
  RoundTrip trip;
  for (const bool known : {true, false, true, true, false}) {
    Snapshot snapshot = source.tick(3);
    auto value = std::make_shared<HistogramValue>(*snapshot.histograms[0]);
    value->sum_known = known;
    if (!known) value->sum = 0;
    snapshot.histograms[0] = value;
    ASSERT_NE(trip.pass(snapshot), nullptr);
  }
}

TEST(Frame, SeriesAreAddedAndRetiredWithoutRepeatingTheOthers) {
  TestSource source;
  RoundTrip trip;
  trip.pass(source.tick(0));
  const std::size_t full_size_bytes = trip.size_bytes;
  source.builder().retire(1);
  source.builder().retire(4);
  source.builder().add(test_series("switches", MetricType::kCounter, {{"id", "2"}}));
  source.builder().add(test_series("latency", MetricType::kHistogram, {{"op", "sync"}}));
  source.builder().add_group("test_sampler/slow");
  Snapshot snapshot = source.tick(1);
  snapshot.present[1] = snapshot.present[4] = 0;
  snapshot.histograms[1] = nullptr;
  snapshot.present[5] = 1;
  snapshot.scalars[5] = 77;
  snapshot.present[6] = 1;
  snapshot.histograms[2] = test_histogram({{1, 1}}, 1);
  snapshot.windows[2] = {1, 2};
  ASSERT_NE(trip.pass(snapshot), nullptr);
  EXPECT_EQ(trip.types, (Types{FrameType::kSchema, FrameType::kDelta}));
  EXPECT_LT(trip.size_bytes, full_size_bytes / 2);
}

TEST(Frame, RetiredSeriesWithStaleValuesIsAbsent) {
  TestSource source;
  FrameEncoder encoder;
  FrameDecoder decoder;
  std::string out;
  ASSERT_TRUE(encoder.encode(source.tick(0), out));
  source.builder().retire(0);
  source.builder().retire(3);
  ASSERT_TRUE(encoder.encode(source.tick(1), out));  // still fills both
  decoder.feed(out);
  SnapshotRef last;
  while (true) {
    auto event = decoder.next();
    ASSERT_TRUE(event) << event.error().message;
    if (!*event) break;
    if ((*event)->snapshot) last = (*event)->snapshot;
  }
  ASSERT_TRUE(last);
  EXPECT_EQ(last->present[0], 0);
  EXPECT_EQ(last->present[3], 0);
  EXPECT_EQ(last->histograms[0], nullptr);
  EXPECT_EQ(last->present[2], 1);
}

TEST(Frame, AnotherSchemaStartsAnew) {
  TestSource source;
  RoundTrip trip;
  trip.pass(source.tick(0));
  TestSource other;
  other.builder().add(test_series("other", MetricType::kCounter));
  other.builder().retire(0);
  TestSource longer;
  trip.pass(longer.tick(5));  // equal content in other objects: no schema frame
  EXPECT_EQ(trip.types, Types{FrameType::kDelta});
  Snapshot snapshot = other.tick(1);
  snapshot.present[0] = 0;
  trip.pass(snapshot);
  ASSERT_NE(trip.pass(source.tick(2)), nullptr);  // shorter than the last one
  EXPECT_EQ(trip.types, (Types{FrameType::kSchema, FrameType::kKey}));
}

TEST(Frame, KeyFrameAndRestartCanBeReadAlone) {
  TestSource source;
  FrameEncoder encoder{SourceMetadata{{"source", "x"}}};
  std::string before;
  ASSERT_TRUE(encoder.encode(source.tick(0), before));
  ASSERT_TRUE(encoder.encode(source.tick(1), before));
  encoder.restart();
  std::string alone;
  ASSERT_TRUE(encoder.encode(source.tick(2), alone));
  FrameDecoder decoder;
  decoder.feed(alone);
  FrameEvent last;
  while (auto event = decoder.next()) {
    if (!*event) break;
    last = **event;
  }
  ASSERT_TRUE(last.snapshot);
  EXPECT_EQ(last.tick, 2u);
  expect_same_values(source.tick(2), *last.snapshot);

  encoder.force_key();
  std::string key;
  ASSERT_TRUE(encoder.encode(source.tick(3), key));
  decoder.feed(key);
  auto event = decoder.next();
  ASSERT_TRUE(event && *event);
  EXPECT_EQ((*event)->type, FrameType::kKey);
  expect_same_values(source.tick(3), *(*event)->snapshot);
}

TEST(Frame, Standalone) {
  TestSource source;
  auto bytes = encode_standalone(source.tick(4), {{"source", "rezolus"}});
  ASSERT_TRUE(bytes);
  FrameDecoder decoder;
  // One byte at a time, as a slow connection delivers them.
  SnapshotRef snapshot;
  for (const char byte : *bytes) {
    decoder.feed(std::string_view(&byte, 1));
    auto event = decoder.next();
    ASSERT_TRUE(event) << event.error().message;
    if (*event && (*event)->snapshot) snapshot = (*event)->snapshot;
  }
  ASSERT_TRUE(snapshot);
  expect_same_values(source.tick(4), *snapshot);
}

TEST(Frame, AFloatingGaugeStaysOne) {
  TestSource source;
  Series ratio = test_series("ratio", MetricType::kGauge);
  ratio.floating = true;
  const auto index = source.builder().add(std::move(ratio));
  Snapshot sent = source.tick(1);
  sent.present[index] = 1;
  sent.scalars[index] = std::bit_cast<std::uint64_t>(0.73);
  RoundTrip trip;
  const SnapshotRef got = trip.pass(sent);
  ASSERT_NE(got, nullptr);
  expect_same_schema(*sent.schema, *got->schema);
  EXPECT_EQ(got->floating_gauge(index), 0.73);
}

TEST(Frame, MetadataThatIsTooLongIsLeftOut) {
  TestSource source;
  RoundTrip trip;
  const std::string long_text(5u << 20, 'x');
  const std::vector<std::string> none;
  EXPECT_EQ(trip.encoder.add_metadata({{"a", long_text}, {"b", "short"}}), none);
  trip.pass(source.tick(0));
  // The longest goes; of one that was known, what it was before is not kept.
  EXPECT_EQ(trip.encoder.add_metadata({{"a", long_text + "y"}, {"b", "new"}, {"c", long_text}}),
            std::vector<std::string>{"a"});
  trip.pass(source.tick(1));
  EXPECT_EQ(trip.decoder.metadata().at("a"), "");
  EXPECT_EQ(trip.decoder.metadata().at("b"), "new");
  EXPECT_EQ(trip.decoder.metadata().at("c"), long_text);
  EXPECT_EQ(trip.encoder.add_metadata({{"a", "short again"}}), none);
  SourceMetadata many;
  for (std::size_t i = 0; i < kFrameMetadataMax; ++i) many[std::to_string(i)] = "z";
  EXPECT_EQ(trip.encoder.add_metadata(many).size(), 5u);
  trip.pass(source.tick(2));
  EXPECT_EQ(trip.decoder.metadata().at("a"), "short again");
  EXPECT_EQ(trip.decoder.metadata().size(), kFrameMetadataMax);
}

TEST(Frame, GapEndAndLateMetadata) {
  TestSource source;
  RoundTrip trip;
  trip.pass(source.tick(0));
  std::string out;
  const Gap gap{.realtime_ns = 12345, .missed_count = 3, .reason = "agent did not answer"};
  FrameEncoder::encode_gap(gap, out);
  trip.encoder.add_metadata({{"late", "yes"}});
  trip.encoder.encode_metadata(out);
  trip.encoder.encode_end(out);
  trip.decoder.feed(out);
  auto event = trip.decoder.next();
  ASSERT_TRUE(event && *event);
  EXPECT_EQ((*event)->gap, gap);
  event = trip.decoder.next();
  ASSERT_TRUE(event && *event);
  EXPECT_EQ((*event)->type, FrameType::kMeta);
  EXPECT_EQ(trip.decoder.metadata().at("late"), "yes");
  event = trip.decoder.next();
  ASSERT_TRUE(event && *event);
  EXPECT_EQ((*event)->type, FrameType::kEnd);
  EXPECT_EQ((*event)->tick, 1u);
}

TEST(Frame, UnknownTypesArePassedOver) {
  TestSource source;
  FrameEncoder encoder;
  std::string out;
  ASSERT_TRUE(encoder.encode(source.tick(0), out));
  const std::size_t begin = layout::begin_frame(static_cast<FrameType>(77), out);
  out += "something from the future";
  ASSERT_TRUE(layout::end_frame(begin, out));
  ASSERT_TRUE(encoder.encode(source.tick(1), out));
  FrameDecoder decoder;
  decoder.feed(out);
  std::size_t snapshots = 0;
  while (true) {
    auto event = decoder.next();
    ASSERT_TRUE(event) << event.error().message;
    if (!*event) break;
    snapshots += (*event)->snapshot != nullptr;
  }
  EXPECT_EQ(snapshots, 2u);
}

TEST(Frame, AMissingFrameIsNoticed) {
  TestSource source;
  FrameEncoder encoder;
  std::string out;
  ASSERT_TRUE(encoder.encode(source.tick(0), out));
  std::string lost;
  ASSERT_TRUE(encoder.encode(source.tick(1), lost));
  ASSERT_TRUE(encoder.encode(source.tick(2), out));
  FrameDecoder decoder;
  decoder.feed(out);
  while (true) {
    auto event = decoder.next();
    if (!event) {
      EXPECT_NE(event.error().message.find("tick 2 and follows tick 0"), std::string::npos);
      break;
    }
    ASSERT_TRUE(*event) << "the loss went unnoticed";
  }
}

TEST(Frame, NewerVersionIsRefused) {
  std::string out;
  const std::size_t begin = layout::begin_frame(FrameType::kMeta, out);
  layout::put_varint(kFrameVersion + 1, out);
  ASSERT_TRUE(layout::end_frame(begin, out));
  FrameDecoder decoder;
  decoder.feed(out);
  auto event = decoder.next();
  ASSERT_FALSE(event);
  EXPECT_NE(event.error().message.find("version 2"), std::string::npos);
}

TEST(Frame, LimitsAreErrorsAndTheEncoderRecovers) {
  TestSource source;
  RoundTrip trip;
  trip.pass(source.tick(0));
  SchemaBuilder wide;
  Series series = test_series("wide", MetricType::kCounter);
  series.labels = {{"key", std::string(kFrameTextBytesMax + 1, 'x')}};
  wide.add(series);
  Snapshot refused;
  refused.schema = wide.publish();
  resize_to_schema(refused);
  std::string out = "kept";
  auto encoded = trip.encoder.encode(refused, out);
  ASSERT_FALSE(encoded);
  EXPECT_NE(encoded.error().message.find("wide"), std::string::npos);
  EXPECT_EQ(out, "kept");
  ASSERT_NE(trip.pass(source.tick(1)), nullptr);
  EXPECT_EQ(trip.types, (Types{FrameType::kMeta, FrameType::kSchema, FrameType::kKey}));
}

}  // namespace
}  // namespace rezolus
