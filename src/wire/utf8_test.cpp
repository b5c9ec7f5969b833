// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/utf8.h"

#include <gtest/gtest.h>

namespace rezolus {
namespace {

TEST(Utf8, KnowsWellFormedSequences) {
  for (const char* text : {"a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(utf8_sequence_size(text), std::string_view(text).size()) << text;
  }
}

TEST(Utf8, RefusesWhatIsNotWellFormed) {
  for (const char* text : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2z", "\xe0\x9f\xbf",
                           "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                           "\xff", "\xe2\x82"}) {
    EXPECT_EQ(utf8_sequence_size(text), 0u);
  }
}

TEST(Utf8, ReplacesOnlyTheDamage) {
  EXPECT_EQ(valid_utf8("größe"), "größe");
  EXPECT_EQ(valid_utf8("a\xff" "b"), "a\xEF\xBF\xBD" "b");
  EXPECT_EQ(valid_utf8("\xe2\x82"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(valid_utf8(""), "");
}

TEST(Utf8, EscapesOnlyTheDamage) {
  EXPECT_EQ(escaped_utf8("größe\n"), "größe\n");
  EXPECT_EQ(escaped_utf8("a\xff" "b"), "a\\xffb");
  EXPECT_EQ(escaped_utf8("\xe2\x82"), "\\xe2\\x82");
  EXPECT_EQ(escaped_utf8(""), "");
}

}  // namespace
}  // namespace rezolus
