// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/access.h"

#include <gtest/gtest.h>

namespace rezolus {
namespace {

unsigned status(const http::Request& request, bool has_credentials, Trust trust) {
  const auto refused = refuse(request, has_credentials, trust);
  return refused ? refused->status : 200;
}

TEST(Access, ProgramsOfThisHostAndWhoHasCredentials) {
  const http::Request local{.over_loopback = true};
  const http::Request socket{.over_unix_socket = true};
  const http::Request remote{};
  const http::Request known{.authenticated = true};
  for (const bool credentials : {false, true}) {
    EXPECT_EQ(status(local, credentials, Trust::kHostOrCredentials), 200u);
    EXPECT_EQ(status(socket, credentials, Trust::kHostOrCredentials), 200u);
    EXPECT_EQ(status(remote, credentials, Trust::kHostOrCredentials), credentials ? 401u : 403u);
    EXPECT_EQ(status(local, credentials, Trust::kCredentialsOnly), credentials ? 401u : 403u);
    EXPECT_EQ(status(socket, credentials, Trust::kCredentialsOnly), credentials ? 401u : 403u);
  }
  EXPECT_EQ(status(known, true, Trust::kHostOrCredentials), 200u);
  EXPECT_EQ(status(known, true, Trust::kCredentialsOnly), 200u);
  // Who brings wrong ones is told so, whatever else would let him in.
  const http::Request wrong{.authorization = "Bearer no", .over_loopback = true};
  EXPECT_EQ(status(wrong, true, Trust::kHostOrCredentials), 401u);
}

TEST(Access, NoWebPageAndNoForm) {
  // Not even with credentials: a browser adds them by itself.
  EXPECT_EQ(status({.over_loopback = true, .from_web_page = true, .authenticated = true}, true,
                   Trust::kHostOrCredentials),
            403u);
  http::Request post{.post = true, .over_loopback = true};
  EXPECT_EQ(status(post, false, Trust::kHostOrCredentials), 200u);
  post.content_type = "application/json; charset=utf-8";
  EXPECT_EQ(status(post, false, Trust::kHostOrCredentials), 200u);
  for (const char* form : {"text/plain;charset=UTF-8", "multipart/form-data; boundary=x",
                           "application/x-www-form-urlencoded"}) {
    post.content_type = form;
    EXPECT_EQ(status(post, false, Trust::kHostOrCredentials), 415u) << form;
  }
}

}  // namespace
}  // namespace rezolus
