// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/landing_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rezolus::http {
namespace {

TEST(LandingPage, LinksForBrowsersAndTextForOthers) {
  const auto page = [](std::string accept) {
    return landing_page({.path = "/", .accept = std::move(accept)}, "Rezolus 1", "Rezolus 1\n",
                        {{"/metrics", "for Prometheus"}, {"/status", "all the rest"}});
  };
  for (const char* accept : {"", "*/*", "text/plain"}) {
    EXPECT_EQ(page(accept).content_type, "text/plain; charset=utf-8");
    EXPECT_EQ(*page(accept).body, "Rezolus 1\n");
  }
  const Response html = page("text/html,application/xhtml+xml,*/*;q=0.8");
  EXPECT_EQ(html.content_type, "text/html; charset=utf-8");
  EXPECT_THAT(*html.body, testing::HasSubstr("<title>Rezolus 1</title>"));
  EXPECT_THAT(*html.body,
              testing::HasSubstr("<li><a href=\"/metrics\">/metrics</a>: for Prometheus</li>"));
}

}  // namespace
}  // namespace rezolus::http
