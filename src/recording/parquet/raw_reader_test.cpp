// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <array>
#include <filesystem>

#include <arrow/util/compression.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "recording/frame/frame_testing.h"
#include "recording/parquet/open_recording.h"
#include "recording/parquet/raw_file.h"
#include "wire/msgpack.h"

namespace rezolus {
namespace {

class RawReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "rezolus-raw-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ + "/test.raw";
    const SourceMetadata metadata = {{"source", "rezolus"}};
    for (std::uint64_t k = 0; k < 3; ++k) {
      const Snapshot snapshot = source_.tick(k);
      content_ += k == 1 ? encode_v3(snapshot, metadata) : encode_v2(snapshot, metadata);
    }
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // How many snapshots of these bytes are read.
  std::size_t count(const std::string& bytes, LogLoss* loss = nullptr) {
    EXPECT_TRUE(write_file_atomic(path_, bytes));
    auto opened = open_recording(path_);
    if (!opened) return 0;
    EXPECT_EQ(opened->format, RecordingFormat::kRaw);
    std::size_t found = 0;
    while (true) {
      auto snapshot = opened->stream->next();
      EXPECT_TRUE(snapshot);
      if (!snapshot || !*snapshot) break;
      ++found;
    }
    if (loss != nullptr) *loss = opened->stream->loss();
    return found;
  }

  std::string folder_;
  std::string path_;
  std::string content_;
  testing::TestSource source_;
};

TEST_F(RawReaderTest, SnapshotsOfSeveralVersions) {
  LogLoss loss;
  EXPECT_EQ(count(content_, &loss), 3u);
  EXPECT_EQ(loss.bytes, 0u);
  auto opened = open_recording(path_);
  ASSERT_TRUE(opened);
  for (std::uint64_t k = 0; k < 3; ++k) {
    auto snapshot = opened->stream->next();
    ASSERT_TRUE(snapshot && *snapshot);
    const std::int64_t at = find_series(*(*snapshot)->schema, "switches", {{"id", "0"}});
    ASSERT_GE(at, 0);
    EXPECT_EQ((*snapshot)->scalars[static_cast<std::size_t>(at)], 100 + 3 * k);
  }
  EXPECT_EQ(opened->stream->metadata().at("source"), "rezolus");
}

TEST_F(RawReaderTest, CutOffAnywhereTheWholeOnesAreRead) {
  const std::size_t second = *msgpack_size(content_).value();
  for (std::size_t size = 1; size < content_.size(); size += 61) {
    LogLoss loss;
    const std::size_t found = count(content_.substr(0, size), &loss);
    EXPECT_EQ(found == 0, size < second) << size;
    // What is read and what is lost are the whole.
    EXPECT_EQ(found > 0 && loss.bytes == 0, size == second && found == 1) << size;
  }
}

TEST_F(RawReaderTest, WhatIsNoSnapshot) {
  EXPECT_EQ(count("\x96 nothing of the kind"), 0u);
  LogLoss loss;
  EXPECT_EQ(count(content_ + "\xc1 garbage", &loss), 3u);
  EXPECT_EQ(loss.bytes, 9u);
}

std::string zstd(const std::string& bytes) {
  auto codec = arrow::util::Codec::Create(arrow::Compression::ZSTD).ValueOrDie();
  const auto* input = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const auto size = static_cast<std::int64_t>(bytes.size());
  std::string output(static_cast<std::size_t>(codec->MaxCompressedLen(size, input)), '\0');
  output.resize(static_cast<std::size_t>(
      codec
          ->Compress(size, input, static_cast<std::int64_t>(output.size()),
                     reinterpret_cast<std::uint8_t*>(output.data()))
          .ValueOrDie()));
  return output;
}

TEST_F(RawReaderTest, CompressedByZstd) {
  LogLoss loss;
  const std::string frame = zstd(content_);
  EXPECT_LT(frame.size(), content_.size());
  EXPECT_EQ(count(frame, &loss), 3u);
  EXPECT_EQ(loss.bytes, 0u);
  EXPECT_FALSE(loss.torn_tail);
  // Frames one after the other, also where they part a snapshot.
  EXPECT_EQ(count(zstd(content_.substr(0, 100)) + zstd(content_.substr(100)) + frame, &loss), 6u);
  EXPECT_EQ(loss.bytes, 0u);
  auto opened = open_recording(path_);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_NE(opened->facts.find("compressed by zstd"), std::string::npos);
  for (int pass = 0; pass < 2; ++pass) {
    for (std::uint64_t k = 0; k < 3; ++k) {
      auto snapshot = opened->stream->next();
      ASSERT_TRUE(snapshot && *snapshot);
      const std::int64_t at = find_series(*(*snapshot)->schema, "switches", {{"id", "0"}});
      ASSERT_GE(at, 0);
      EXPECT_EQ((*snapshot)->scalars[static_cast<std::size_t>(at)], 100 + 3 * k);
    }
    ASSERT_TRUE(opened->stream->rewind());
  }
}

// More than is read in one go, from a small file.
TEST_F(RawReaderTest, MuchFromLittle) {
  std::string bytes;
  std::size_t wanted = 0;
  while (bytes.size() < (5u << 20)) {
    bytes += content_;
    wanted += 3;
  }
  const std::string frame = zstd(bytes);
  EXPECT_LT(frame.size(), bytes.size() / 100);
  EXPECT_EQ(count(frame), wanted);
}

TEST_F(RawReaderTest, CompressedAndCutOffOrDamaged) {
  // Of several frames, those before the damage are read.
  const std::string frame = zstd(content_);
  for (std::size_t size = 4; size < frame.size(); size += 7) {
    LogLoss loss;
    EXPECT_EQ(count(frame + frame.substr(0, size), &loss), 3u) << size;
    EXPECT_GT(loss.bytes, 0u) << size;
    EXPECT_TRUE(loss.torn_tail);
  }
  LogLoss loss;
  EXPECT_EQ(count(frame + "garbage", &loss), 3u);
  EXPECT_GT(loss.bytes, 0u);
  for (std::size_t at = 4; at < frame.size(); at += 5) {
    std::string damaged = frame;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    EXPECT_LE(count(damaged), 3u) << at;
  }
  ASSERT_TRUE(write_file_atomic(path_, zstd("PAR1 and the rest of a Parquet file")));
  const auto opened = open_recording(path_);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("no raw recording"), std::string::npos);
  EXPECT_NE(opened.error().message.find("zstd -d"), std::string::npos);
}

// What zstd had taken out of the blocks before the end is given, in pieces of any size.
TEST_F(RawReaderTest, WhatCameBeforeTheEndIsRead) {
  std::string bytes;
  for (std::uint32_t i = 0, x = 1; i < (300u << 10); ++i, x = x * 1'664'525 + 1'013'904'223) {
    bytes += static_cast<char>('a' + (x >> 28));
  }
  const std::string frame = zstd(bytes);
  const auto codec = arrow::util::Codec::Create(arrow::Compression::ZSTD).ValueOrDie();
  const auto wanted_of = [&](std::size_t size) {
    std::string wanted(bytes.size(), '\0');
    const auto step = codec->MakeDecompressor().ValueOrDie()->Decompress(
        static_cast<std::int64_t>(size), reinterpret_cast<const std::uint8_t*>(frame.data()),
        static_cast<std::int64_t>(wanted.size()), reinterpret_cast<std::uint8_t*>(wanted.data()));
    wanted.resize(static_cast<std::size_t>(step.ValueOrDie().bytes_written));
    return wanted;
  };
  // The least of the file that has so many bytes in it: the end of a block.
  const auto end_of = [&](std::size_t wanted_size) {
    std::size_t low = 1;
    std::size_t high = frame.size();
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      if (wanted_of(middle).size() < wanted_size) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };
  const std::size_t first = end_of(1);
  const std::size_t second = end_of(wanted_of(first).size() + 1);
  ASSERT_LT(first, second);
  ASSERT_LT(second, frame.size());
  for (const std::size_t size : {std::size_t{100}, first - 1, first, first + 1, second - 1, second,
                                 second + 1, frame.size() - 1}) {
    const std::string wanted = wanted_of(size);
    ASSERT_TRUE(write_file_atomic(path_, frame.substr(0, size)));
    auto file = RawFile::open(path_);
    ASSERT_TRUE(file) << file.error().message;
    std::string got;
    for (std::array<char, 1000> piece = {};;) {
      const auto count = file->read(piece.data(), piece.size());
      ASSERT_TRUE(count) << count.error().message;
      if (*count == 0) break;
      got.append(piece.data(), *count);
    }
    EXPECT_TRUE(got == wanted) << got.size() << " of " << wanted.size();
    EXPECT_EQ(file->damage(), "its end is cut off");
  }
}

TEST(MsgpackSize, OfEveryType) {
  using namespace std::string_literals;
  const auto size = [](const std::string& bytes) { return msgpack_size(bytes + "rest").value(); };
  EXPECT_EQ(size("\x07"s), 1u);
  EXPECT_EQ(size("\xc0"s), 1u);
  EXPECT_EQ(size("\xcf"s + std::string(8, '\0')), 9u);
  EXPECT_EQ(size("\xa3""abc"s), 4u);
  EXPECT_EQ(size("\xda\x00\x03""abc"s), 6u);
  EXPECT_EQ(size("\x92\x01\x82\xa1k\x01\xa1l\x90"s), 9u);
  EXPECT_EQ(size("\xdc\x00\x02\xc0\xc0"s), 5u);
  EXPECT_EQ(size("\xde\x00\x01\xa1k\xcc\x01"s), 7u);
  EXPECT_FALSE(msgpack_size("\xc1"s));
  EXPECT_FALSE(msgpack_size("\xdd\xff\xff\xff\xff"s).value());  // not there yet
  EXPECT_FALSE(msgpack_size(""s).value());
}

TEST_F(RawReaderTest, GapsWhereTheIntervalIsNamed) {
  for (const bool named : {true, false}) {
    std::string bytes;
    SourceMetadata metadata = {{"source", "rezolus"}};
    if (named) metadata["sampling_interval_ms"] = "1000";
    for (const std::uint64_t k : {0u, 1u, 5u, 6u}) bytes += encode_v2(source_.tick(k), metadata);
    ASSERT_TRUE(write_file_atomic(path_, bytes));
    auto opened = open_recording(path_);
    ASSERT_TRUE(opened) << opened.error().message;
    for (int pass = 0; pass < 2; ++pass) {
      std::string gaps;
      for (int i = 0; i < 4; ++i) {
        auto snapshot = opened->stream->next();
        ASSERT_TRUE(snapshot && *snapshot);
        gaps += opened->stream->after_gap() ? '!' : '+';
      }
      EXPECT_EQ(gaps, named ? "++!+" : "++++");
      EXPECT_EQ(opened->stream->missed_count(), named ? 3u : 0u);
      ASSERT_TRUE(opened->stream->rewind());
    }
  }
}

}  // namespace
}  // namespace rezolus
