// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/landing_page.h"

#include <fmt/format.h>

namespace rezolus::http {

Response landing_page(const Request& request, std::string_view title, std::string text,
                      std::initializer_list<Link> links) {
  if (request.accept.find("text/html") == std::string::npos) {
    return make_response("text/plain; charset=utf-8", std::move(text));
  }
  std::string page = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title></head>\n"
      "<body><h1>{0}</h1><ul>\n",
      title);
  for (const Link& link : links) {
    page += fmt::format("<li><a href=\"{0}\">{0}</a>: {1}</li>\n", link.path, link.about);
  }
  page += "</ul></body></html>\n";
  return make_response("text/html; charset=utf-8", std::move(page));
}

}  // namespace rezolus::http
