// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/authorization.h"

#include <algorithm>
#include <cctype>

#include <openssl/evp.h>

namespace rezolus::http {
namespace {

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0 || text.find_first_of(" \t\r\n") != text.npos) {
    return std::nullopt;
  }
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  if (text.find('=') < text.size() - padding) return std::nullopt;
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = ::EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  // It counts what stands for the padding as well.
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

// The rest behind a scheme, in whatever case it is written.
std::optional<std::string_view> after_scheme(std::string_view header, std::string_view scheme) {
  if (header.size() <= scheme.size() || header[scheme.size()] != ' ') return std::nullopt;
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(header[i])) != scheme[i]) return std::nullopt;
  }
  header.remove_prefix(scheme.size());
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  return header;
}

}  // namespace

std::optional<Authorization> parse_authorization(std::string_view header) {
  if (const auto token = after_scheme(header, "bearer")) {
    return Authorization{.scheme = Authorization::Scheme::kBearer, .secret = std::string(*token)};
  }
  const auto encoded = after_scheme(header, "basic");
  const auto text = encoded ? decode_base64(*encoded) : std::nullopt;
  // bcrypt reads its password up to the first NUL.
  if (!text || text->find('\0') != std::string::npos) return std::nullopt;
  const std::size_t colon = text->find(':');
  if (colon == std::string::npos) return std::nullopt;
  return Authorization{.scheme = Authorization::Scheme::kBasic,
                       .user = text->substr(0, colon),
                       .secret = text->substr(colon + 1)};
}

}  // namespace rezolus::http
