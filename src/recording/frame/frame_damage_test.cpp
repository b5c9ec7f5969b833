// SPDX-License-Identifier: Apache-2.0 OR MIT
// Frames that were cut, flipped or made up: an error, never a wrong value and never a crash.
#include <random>

#include <gtest/gtest.h>

#include "recording/frame/frame.h"
#include "recording/frame/frame_testing.h"
#include "recording/frame/layout.h"

namespace rezolus {
namespace {

using testing::expect_same_values;
using testing::TestSource;

std::string three_ticks(TestSource& source) {
  std::string out;
  FrameEncoder encoder{SourceMetadata{{"source", "rezolus"}}};
  for (std::uint64_t k = 0; k < 3; ++k) EXPECT_TRUE(encoder.encode(source.tick(k), out));
  return out;
}

struct Outcome {
  std::vector<SnapshotRef> snapshots;
  bool failed = false;
};

Outcome decode(std::string_view bytes) {
  FrameDecoder decoder;
  decoder.feed(bytes);
  Outcome outcome;
  while (true) {
    auto event = decoder.next();
    outcome.failed = !event;
    if (!event || !*event) return outcome;
    if ((*event)->snapshot) outcome.snapshots.push_back((*event)->snapshot);
  }
}

TEST(FrameDamage, TruncatedAtEachOffset) {
  TestSource source;
  const std::string bytes = three_ticks(source);
  std::size_t last_count = 0;
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const Outcome outcome = decode(std::string_view(bytes).substr(0, size));
    EXPECT_FALSE(outcome.failed) << size;  // more may come
    EXPECT_GE(outcome.snapshots.size(), last_count);
    last_count = outcome.snapshots.size();
  }
  EXPECT_EQ(last_count, 3u);
}

TEST(FrameDamage, EachByteFlipped) {
  TestSource source;
  const std::string bytes = three_ticks(source);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int mask : {0x01, 0x80, 0xFF}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ mask);
      const Outcome outcome = decode(damaged);
      EXPECT_LT(outcome.snapshots.size(), 3u) << at;
      for (std::size_t k = 0; k < outcome.snapshots.size(); ++k) {
        expect_same_values(source.tick(k), *outcome.snapshots[k]);
      }
    }
  }
}

// Damage that the checksum cannot see: the payload is changed and sealed again.
TEST(FrameDamage, HostilePayloads) {
  TestSource source;
  const std::string bytes = three_ticks(source);
  std::vector<FrameView> frames;
  for (std::size_t at = 0; at < bytes.size();) {
    auto frame = parse_frame(std::string_view(bytes).substr(at));
    ASSERT_TRUE(frame && *frame);
    frames.push_back(**frame);
    at += (*frame)->size_bytes;
  }
  std::mt19937 random(42);
  std::size_t failed_count = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string hostile;
    const std::size_t victim = random() % frames.size();
    for (std::size_t i = 0; i < frames.size(); ++i) {
      std::string payload(frames[i].payload);
      if (i == victim) {
        const std::size_t edits = 1 + random() % 3;
        for (std::size_t e = 0; e < edits; ++e) {
          payload[random() % payload.size()] = static_cast<char>(random());
        }
        if (random() % 4 == 0) payload.resize(random() % payload.size());
      }
      const std::size_t begin = layout::begin_frame(frames[i].type, hostile);
      hostile += payload;
      ASSERT_TRUE(layout::end_frame(begin, hostile));
    }
    const Outcome outcome = decode(hostile);
    failed_count += outcome.failed;
    // Whatever was accepted is consistent enough to be encoded again.
    std::string again;
    FrameEncoder encoder;
    for (const SnapshotRef& snapshot : outcome.snapshots) {
      EXPECT_TRUE(encoder.encode(*snapshot, again));
    }
  }
  EXPECT_GT(failed_count, 1000u);
}

TEST(FrameDamage, HugeCountsAreRefusedBeforeMemoryIsTaken) {
  std::string out;
  FrameEncoder empty;
  empty.encode_metadata(out);
  const std::size_t begin = layout::begin_frame(FrameType::kSchema, out);
  layout::put_varint(layout::kSchemaReset, out);
  layout::put_varint(1, out);
  layout::put_varint(0, out);                 // groups
  layout::put_varint(0, out);                 // retired
  layout::put_varint(std::uint64_t{1} << 60, out);  // indices
  layout::put_varint(std::uint64_t{1} << 60, out);  // histograms
  layout::put_varint(0, out);
  ASSERT_TRUE(layout::end_frame(begin, out));
  EXPECT_TRUE(decode(out).failed);
}

TEST(FrameDamage, LengthBeyondTheLimitIsDamage) {
  const std::string bytes{"\x01\xFF\xFF\xFF\x7F", 5};
  EXPECT_FALSE(parse_frame(bytes).has_value());
}

TEST(FrameDamage, StreamMustBeginWithMetadata) {
  TestSource source;
  const std::string bytes = three_ticks(source);
  auto first = parse_frame(bytes);
  ASSERT_TRUE(first && *first);
  EXPECT_TRUE(decode(std::string_view(bytes).substr((*first)->size_bytes)).failed);
}

}  // namespace
}  // namespace rezolus
