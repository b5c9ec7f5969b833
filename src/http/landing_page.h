// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "http/server.h"

namespace rezolus::http {

struct Link {
  std::string_view path;
  std::string_view about;
};

// What stands at "/": for browsers a page with links, for everybody else the text. title, about and
// paths are put into HTML as they are.
Response landing_page(const Request& request, std::string_view title, std::string text,
                      std::initializer_list<Link> links);

}  // namespace rezolus::http
