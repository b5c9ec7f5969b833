// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/store_url.h"

#include <algorithm>
#include <array>

namespace rezolus {
namespace {

constexpr std::string_view kSchemeEnd = "://";

// Those that Arrow knows.
constexpr std::array<std::string_view, 8> kStores = {"s3",    "gs",   "gcs",    "abfs",
                                                     "abfss", "hdfs", "viewfs", "file"};

std::size_t options_at(std::string_view url) { return std::min(url.find('?'), url.size()); }

}  // namespace

bool is_store_url(std::string_view text) {
  const std::size_t colon = text.find(kSchemeEnd);
  if (colon == text.npos || colon == 0) return false;
  const std::string_view scheme = text.substr(0, colon);
  if (scheme == "http" || scheme == "https" || scheme == "unix") return false;
  return scheme.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+") == scheme.npos;
}

Result<void> check_store_url(std::string_view url) {
  const std::string shown = shown_store_url(url);
  const std::size_t colon = shown.find(kSchemeEnd);
  const std::string scheme = shown.substr(0, colon);
  if (colon == shown.npos || std::ranges::find(kStores, scheme) == kStores.end()) {
    return usage_error(
        "'{}' is of no store that is known; write s3://, gs://, abfs://, hdfs:// or file://",
        shown);
  }
  const std::string_view place = std::string_view(shown).substr(colon + kSchemeEnd.size());
  const std::size_t slash = place.find('/');
  const bool local = scheme == "file";
  if (local && slash != 0) {
    return usage_error("'{}' has no absolute path; write file:///folder/name", shown);
  }
  if (slash == 0 && !local && scheme != "hdfs" && scheme != "viewfs") {
    return usage_error("'{}' names no bucket; write {}://bucket/name", shown, scheme);
  }
  if (slash == place.npos || place.ends_with('/')) {
    return usage_error("'{}' names no object; write {}://{}/name", shown, scheme,
                       local ? "/folder" : "bucket");
  }
  return {};
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

std::string typed_store_url(std::string_view url) {
  std::string shown = shown_store_url(url);
  const std::size_t at = url.rfind('@');
  if (at == url.npos || shown == url) return std::string(url);
  // An @ among the options: where a secret ends is not certain then.
  const std::size_t options = options_at(url);
  if (at > options) return shown;
  const std::size_t authority = url.find(kSchemeEnd) + kSchemeEnd.size();
  if (url.substr(authority, at - authority).find(':') == url.npos) return std::string(url);
  return shown.append(url.substr(options));
}

std::string store_url_with_suffix(std::string_view url, std::string_view suffix) {
  std::string other(url);
  return other.insert(options_at(url), suffix);
}

}  // namespace rezolus
