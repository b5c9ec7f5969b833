// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/compression.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include <zlib.h>
#include <zstd.h>

namespace rezolus::http {
namespace {

// Level 1 of both: an agent's page shrinks about as well as at the defaults, for a third of the
// time, and the time is the measured machine's.
constexpr int kZstdLevel = 1;
constexpr int kGzipLevel = 1;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) ==
                  std::tolower(static_cast<unsigned char>(y));
         });
}

// "0", "0.5", "1.000" in thousandths; what is malformed counts as 0: the coding is not used.
int parse_quality(std::string_view parameters) {
  parameters = trim(parameters);
  if (parameters.empty()) return 1000;
  if (parameters.size() < 3 || (parameters[0] != 'q' && parameters[0] != 'Q') ||
      parameters[1] != '=') {
    return 0;
  }
  const std::string_view text = parameters.substr(2);
  if ((text[0] != '0' && text[0] != '1') || text.size() > 5) return 0;
  int quality = (text[0] - '0') * 1000;
  if (text.size() == 1) return quality;
  if (text[1] != '.') return 0;
  int weight = 100;
  for (const char digit : text.substr(2)) {
    if (digit < '0' || digit > '9') return 0;
    quality += (digit - '0') * weight;
    weight /= 10;
  }
  return std::min(quality, 1000);
}

Result<std::string> gzip(std::string_view body) {
  z_stream stream{};
  constexpr int kGzipFormat = 15 + 16;
  if (::deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kGzipFormat, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return error("gzip: out of memory");
  }
  std::string output(::deflateBound(&stream, body.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  stream.next_out = reinterpret_cast<Bytef*>(output.data());
  stream.avail_out = static_cast<uInt>(output.size());
  const int result = ::deflate(&stream, Z_FINISH);
  output.resize(stream.total_out);
  ::deflateEnd(&stream);
  if (result != Z_STREAM_END) return error("gzip: deflate returned {}", result);
  return output;
}

Result<std::string> zstd(std::string_view body) {
  std::string output(ZSTD_compressBound(body.size()), '\0');
  const std::size_t size_bytes =
      ZSTD_compress(output.data(), output.size(), body.data(), body.size(), kZstdLevel);
  if (ZSTD_isError(size_bytes)) return error("zstd: {}", ZSTD_getErrorName(size_bytes));
  output.resize(size_bytes);
  return output;
}

}  // namespace

Coding select_coding(std::string_view accept_encoding) {
  int gzip_quality = -1;  // -1: not named
  int zstd_quality = -1;
  int identity_quality = -1;
  int any_quality = -1;
  while (!accept_encoding.empty()) {
    const std::size_t comma = accept_encoding.find(',');
    const std::string_view item = accept_encoding.substr(0, comma);
    accept_encoding =
        comma == std::string_view::npos ? std::string_view() : accept_encoding.substr(comma + 1);
    const std::size_t semicolon = item.find(';');
    const std::string_view name = trim(item.substr(0, semicolon));
    const int quality =
        semicolon == std::string_view::npos ? 1000 : parse_quality(item.substr(semicolon + 1));
    if (equals_ignoring_case(name, "gzip") || equals_ignoring_case(name, "x-gzip")) {
      gzip_quality = quality;
    } else if (equals_ignoring_case(name, "zstd")) {
      zstd_quality = quality;
    } else if (equals_ignoring_case(name, "identity")) {
      identity_quality = quality;
    } else if (name == "*") {
      any_quality = quality;
    }
  }
  if (gzip_quality < 0) gzip_quality = any_quality;
  if (zstd_quality < 0) zstd_quality = any_quality;
  const int best = std::max(gzip_quality, zstd_quality);
  if (best <= 0 || identity_quality > best) return Coding::kIdentity;
  return zstd_quality >= gzip_quality ? Coding::kZstd : Coding::kGzip;
}

std::string_view coding_name(Coding coding) {
  return coding == Coding::kGzip ? "gzip" : coding == Coding::kZstd ? "zstd" : "";
}

Result<std::string> compress(Coding coding, std::string_view body) {
  CHECK(coding != Coding::kIdentity, "identity is not a compression");
  return coding == Coding::kGzip ? gzip(body) : zstd(body);
}

}  // namespace rezolus::http
