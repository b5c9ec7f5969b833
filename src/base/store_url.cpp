// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/store_url.h"

#include <algorithm>

namespace rezolus {
namespace {

constexpr std::string_view kSchemeEnd = "://";

std::size_t options_at(std::string_view url) { return std::min(url.find('?'), url.size()); }

}  // namespace

bool is_store_url(std::string_view text) {
  const std::size_t colon = text.find(kSchemeEnd);
  if (colon == text.npos || colon == 0) return false;
  const std::string_view scheme = text.substr(0, colon);
  if (scheme == "http" || scheme == "https" || scheme == "unix") return false;
  return scheme.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+") == scheme.npos;
}

std::string shown_store_url(std::string_view url) {
  if (!is_store_url(url)) return std::string(url);
  url = url.substr(0, options_at(url));
  const std::size_t authority = url.find(kSchemeEnd) + kSchemeEnd.size();
  std::string shown(url);
  // A secret may hold a slash, and a key an @: rather too little is shown than too much. An abfs://
  // URL has its container there, which goes as well.
  const std::size_t at = url.rfind('@');
  if (at != url.npos && at >= authority) shown.erase(authority, at + 1 - authority);
  return shown;
}

std::string store_url_with_suffix(std::string_view url, std::string_view suffix) {
  std::string other(url);
  return other.insert(options_at(url), suffix);
}

}  // namespace rezolus
