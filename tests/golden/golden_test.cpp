// SPDX-License-Identifier: Apache-2.0 OR MIT
// Every byte of the outputs, for one fixed snapshot. When a change is meant, run the tests with
// REZOLUS_UPDATE_GOLDEN=1, look at the difference, and commit it.
#include <cstdlib>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "wire/json.h"
#include "wire/msgpack.h"
#include "wire/prometheus.h"
#include "wire/test_snapshot.h"

namespace rezolus {
namespace {

const SourceMetadata kMetadata = {{"source", "rezolus"}, {"version", "1.2.3"}};

void expect_golden(const char* name, const std::string& content) {
  const std::string path = std::string(REZOLUS_SOURCE_DIR "/tests/golden/") + name;
  if (std::getenv("REZOLUS_UPDATE_GOLDEN") != nullptr) {
    ASSERT_TRUE(write_file_atomic(path, content));
    return;
  }
  const auto golden = read_file(path);
  ASSERT_TRUE(golden) << golden.error().message;
  EXPECT_TRUE(*golden == content)
      << name << " differs; run with REZOLUS_UPDATE_GOLDEN=1 and look at `git diff`";
}

// 32 bytes a line, so that a difference is seen where it is.
std::string hex_lines(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    text += fmt::format("{:02x}", static_cast<unsigned char>(bytes[i]));
    text += i % 32 == 31 || i + 1 == bytes.size() ? "\n" : " ";
  }
  return text;
}

TEST(Golden, MsgpackV2) {
  expect_golden("snapshot_v2.hex", hex_lines(encode_v2(test::example_snapshot(), kMetadata)));
}

TEST(Golden, MsgpackV3) {
  expect_golden("snapshot_v3.hex", hex_lines(encode_v3(test::example_snapshot(), kMetadata)));
}

TEST(Golden, Json) {
  expect_golden("snapshot.json", encode_json(test::example_snapshot(), kMetadata) + "\n");
}

TEST(Golden, PrometheusLean) {
  expect_golden("metrics_lean.txt", encode_prometheus(test::example_snapshot(), {}));
}

TEST(Golden, PrometheusFull) {
  expect_golden("metrics_full.txt", encode_prometheus(test::example_snapshot(), {.full = true}));
}

}  // namespace
}  // namespace rezolus
