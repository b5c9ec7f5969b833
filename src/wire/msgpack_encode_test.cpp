// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <gtest/gtest.h>

#include "wire/msgpack.h"
#include "wire/test_snapshot.h"

namespace rezolus {
namespace {

std::string from_hex(std::string_view text) {
  std::string bytes;
  int high = -1;
  for (const char c : text) {
    if (c == ' ') continue;
    const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
    if (high < 0) {
      high = digit;
    } else {
      bytes += static_cast<char>(high << 4 | digit);
      high = -1;
    }
  }
  return bytes;
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

// fixarray, fixmap and fixstr parts of what is expected.
std::string text(std::string_view value) {
  return static_cast<char>(0xa0 + value.size()) + std::string(value);
}

const std::string kTime = from_hex("92 ce 65 53 f1 00 ce 0e e6 b2 80  92 00 ce 00 16 e3 60");
const std::string kSource = "\x81" + text("source") + text("rezolus");
const std::string kSmallHistogram =
    from_hex("92 98 0f 01 04 02 04 04 02 04  98 00 01 02 00 00 00 00 cd 01 2c");
const std::string kPowers = text("grouping_power") + text("1") + text("max_value_power") + text("4");

// One counter 7, one gauge -5, one histogram with powers (1,4).
Snapshot three_series(std::string sampler, bool gauge_present, std::string_view group,
                      AcquisitionWindow window) {
  test::SnapshotBuilder builder;
  const std::uint32_t index = builder.group(group, window);
  const auto made = [&](const char* name, MetricType type) {
    Series series = test::series(name, type);
    series.sampler = sampler;
    series.group = index;
    series.histogram = {1, 4};
    return series;
  };
  builder.scalar(made("c", MetricType::kCounter), 7);
  if (gauge_present) {
    builder.scalar(made("g", MetricType::kGauge), -5);
  } else {
    builder.absent(made("g", MetricType::kGauge));
  }
  builder.histogram(made("h", MetricType::kHistogram), {{1, 1}, {2, 2}, {7, 300}}, 0);
  return builder.build();
}

TEST(MsgpackV2, IsUpstreamsByteForByte) {
  const std::string metric = text("metric");
  const std::string expected = "\x96" + kTime + kSource +                                       //
                               from_hex("91 93 a1 63 07 81") + metric + text("c") +             //
                               from_hex("91 93 a1 67 fb 81") + metric + text("g") +             //
                               from_hex("91 93 a1 68") + kSmallHistogram + "\x83" + kPowers +   //
                               metric + text("h");
  EXPECT_EQ(hex(encode_v2(three_series("", true, "", {}), {{"source", "rezolus"}})), hex(expected));
}

TEST(MsgpackV2, HeadOfTheAgentsHistograms) {
  test::SnapshotBuilder builder;
  builder.histogram(test::series("h"), {{0, 1}}, 0);
  const std::string bytes = encode_v2(builder.build(), {});
  const std::string head =
      from_hex("98 cf ff ff ff ff ff ff ff ff 03 40 04 10 10 08 cd 01 e0 dc 01 f0 01 00");
  EXPECT_NE(bytes.find(head), std::string::npos);
}

TEST(MsgpackV2, NamesSeriesByMetricAndLabels) {
  test::SnapshotBuilder builder;
  Series series = test::series("io", MetricType::kCounter, {{"op", "read"}, {"dev", "sd\"a"}});
  series.unit = "bytes";
  series.sampler = "block";
  builder.scalar(series, 200);
  const std::string expected =
      "\x96" + kTime + "\x80\x91\x93" + text("io{dev=\"sd\\\"a\",op=\"read\"}") + "\xcc\xc8\x85" +
      text("dev") + text("sd\"a") + text("metric") + text("io") + text("op") + text("read") +
      text("sampler") + text("block") + text("unit") + text("bytes") + "\x90\x90";
  EXPECT_EQ(hex(encode_v2(builder.build(), {})), hex(expected));
}

TEST(MsgpackV2, KeepsZerosAndLeavesOutWhatIsAbsent) {
  test::SnapshotBuilder builder;
  builder.scalar(test::series("zero"), 0).absent(test::series("absent"));
  const std::string bytes = encode_v2(builder.build(), {});
  const auto decoded = decode_snapshot(bytes);
  ASSERT_TRUE(decoded);
  ASSERT_EQ(decoded->entries.size(), 1u);
  EXPECT_EQ(decoded->entries[0].name, "zero");
}

TEST(MsgpackV2, WritesIntegersInTheirSmallestForm) {
  const std::pair<std::int64_t, const char*> counters[] = {
      {0, "00"},          {127, "7f"},          {128, "cc80"},      {255, "ccff"},
      {256, "cd0100"},    {65535, "cdffff"},    {65536, "ce00010000"},
      {4294967295, "ceffffffff"}, {4294967296, "cf0000000100000000"}, {-1, "cfffffffffffffffff"}};
  const std::pair<std::int64_t, const char*> gauges[] = {
      {200, "ccc8"},      {-1, "ff"},           {-32, "e0"},        {-33, "d0df"},
      {-128, "d080"},     {-129, "d1ff7f"},     {-32769, "d2ffff7fff"},
      {-2147483649, "d3ffffffff7fffffff"}, {INT64_MAX, "cf7fffffffffffffff"}};
  const auto value_bytes = [](MetricType type, std::int64_t value) {
    test::SnapshotBuilder builder;
    builder.scalar(test::series("x", type), value);
    const std::string bytes = encode_v2(builder.build(), {});
    const std::size_t from = bytes.find("\xa1x") + 2;
    return hex(std::string_view(bytes).substr(from, bytes.find("\x81\xa6metric") - from));
  };
  for (const auto& [value, expected] : counters) {
    EXPECT_EQ(value_bytes(MetricType::kCounter, value), expected);
  }
  for (const auto& [value, expected] : gauges) {
    EXPECT_EQ(value_bytes(MetricType::kGauge, value), expected);
  }
}

TEST(MsgpackV3, IsUpstreamsByteForByte) {
  const Snapshot snapshot = three_series(
      "s", false, "s/main", {0x17979cfe45123920, 0x17979cfe451853a0});
  const std::string metric = text("metric");
  const std::string sampler = text("sampler") + text("s");
  const std::string schema = "\x93\x91\x92" + text("c") + "\x82" + metric + text("c") + sampler +
                             "\x91\x92" + text("g") + "\x82" + metric + text("g") + sampler +
                             "\x91\x92" + text("h") + "\x84" + kPowers + metric + text("h") + sampler;
  const auto [high, low] = fnv1a_128(schema);
  const std::string expected =
      "\x94" + kTime + kSource + "\x91\x97" + text("s/main") +
      from_hex(fmt::format("92 cf {:016x} cf {:016x}", high, low)) + schema +
      from_hex("92 cf 17 97 9c fe 45 12 39 20 cf 17 97 9c fe 45 18 53 a0") +
      from_hex("91 07 91 c0 91") + kSmallHistogram;
  EXPECT_EQ(hex(encode_v3(snapshot, {{"source", "rezolus"}})), hex(expected));
  EXPECT_EQ(expected.size(), 216u);
}

TEST(MsgpackV3, HashesLikeUpstream) {
  EXPECT_EQ(fnv1a_128(from_hex("93 90 90 90")),
            (std::pair<std::uint64_t, std::uint64_t>{0x6370115622757277, 0xb806e79deae054ae}));
  const std::string schema =
      from_hex("93 91 92 a1 30 82") + text("metric") + text("c") + text("sampler") + text("s") +
      from_hex("91 92 a1 31 82") + text("metric") + text("g") + text("sampler") + text("s") +
      from_hex("91 92 a1 32 84") + kPowers + text("metric") + text("h") + text("sampler") + text("s");
  ASSERT_EQ(schema.size(), 108u);
  EXPECT_EQ(fnv1a_128(schema),
            (std::pair<std::uint64_t, std::uint64_t>{0x6c7b8f65abb94896, 0xb5d5aeb807a85bae}));
}

TEST(MsgpackV3, PutsSeriesWithoutGroupIntoTheirSamplersDefaultGroup) {
  test::SnapshotBuilder builder;
  Series owned = test::series("a");
  owned.sampler = "zeta";
  builder.scalar(owned, 1).scalar(test::series("b"), 2);
  const std::string bytes = encode_v3(builder.build(), {});
  const auto decoded = decode_snapshot(bytes);
  ASSERT_TRUE(decoded);
  ASSERT_EQ(decoded->groups.size(), 2u);
  EXPECT_EQ(decoded->groups[0].name, "unattributed/main");
  EXPECT_EQ(decoded->groups[1].name, "zeta/main");
  EXPECT_EQ(decoded->groups[0].window, AcquisitionWindow{});
}

TEST(MsgpackEncoder, FollowsTheSchema) {
  MsgpackEncoder encoder;
  const Snapshot first = test::example_snapshot();
  const Snapshot second = three_series("s", true, "s/main", {1, 2});
  for (const Snapshot* snapshot : {&first, &second, &second, &first}) {
    EXPECT_EQ(encoder.encode_v2(*snapshot, {}), encode_v2(*snapshot, {}));
    EXPECT_EQ(encoder.encode_v3(*snapshot, {}), encode_v3(*snapshot, {}));
  }
}

}  // namespace
}  // namespace rezolus
