// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/time_text.h"

#include <gtest/gtest.h>

namespace rezolus {
namespace {

TEST(TimeText, BothForms) {
  // date -u -d 2026-11-26T02:00:00Z +%s
  EXPECT_EQ(parse_time_ns("2026-11-26T02:00:00Z"), 1795658400'000000000u);
  EXPECT_EQ(parse_time_ns("2026-11-26T03:30:00.25+01:30"), 1795658400'250000000u);
  EXPECT_EQ(parse_time_ns("1795658400"), 1795658400'000000000u);
  EXPECT_EQ(parse_time_ns("1795658400.5"), 1795658400'500000000u);
}

TEST(TimeText, WhatIsNoTime) {
  for (const char* text : {"", "yesterday", "-1", "nan", "1e11", "2026-11-26",
                           "2026-11-26T02:00:00", "2026-11-26T02:00:00+1", "1795658400s"}) {
    const auto time_ns = parse_time_ns(text);
    EXPECT_FALSE(time_ns) << text;
    if (!time_ns) {
      EXPECT_EQ(time_ns.error().kind, ErrorKind::kUsage);
    }
  }
}

}  // namespace
}  // namespace rezolus
