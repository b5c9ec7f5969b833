// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/credentials.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <memory>
#include <utility>

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include "base/fd.h"

namespace rezolus::http {
namespace {

constexpr std::size_t kTokenBytesMin = 16;
constexpr std::size_t kTokenBytesMax = 4096;
constexpr std::size_t kWrongMax = 64;

// What the two are hashed from, told apart: a name has no NUL in it.
std::string joined(const Authorization& given) { return given.user + '\0' + given.secret; }

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

Result<std::string> read_token(const std::string& path, std::string_view key) {
  auto text = read_file(path, kTokenBytesMax);
  if (!text) return usage_error("{}: {}", key, text.error().message);
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0) {
    return usage_error("{}: everybody can read {}; chmod o= {}", key, path, path);
  }
  std::string token = text->substr(0, text->find('\n'));
  while (!token.empty() && std::isspace(static_cast<unsigned char>(token.back())) != 0) {
    token.pop_back();
  }
  if (token.size() < kTokenBytesMin) {
    return usage_error(
        "{}: the token in {} has less than {} characters; openssl rand -hex 32 makes one", key,
        path, kTokenBytesMin);
  }
  return token;
}

Credentials::Credentials(std::map<std::string, std::string> users, std::vector<std::string> tokens,
                         bool required)
    : users_(std::move(users)), required_(required) {
  CHECK(::RAND_bytes(key_.data(), static_cast<int>(key_.size())) == 1, "there are random numbers");
  for (const std::string& token : tokens) tokens_.push_back(digest_of(token));
}

Credentials::Digest Credentials::digest_of(std::string_view text) const {
  Digest digest{};
  unsigned size = 0;
  const unsigned char* made = ::HMAC(::EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     text.size(), digest.data(), &size);
  CHECK(made != nullptr && size == digest.size(), "SHA-256 makes a digest");
  return digest;
}

std::optional<bool> Credentials::known(std::string_view header) const {
  const auto given = parse_authorization(header);
  if (!given) return false;
  const auto is = [](const Digest& digest) {
    return [&digest](const Digest& other) {
      return ::CRYPTO_memcmp(digest.data(), other.data(), digest.size()) == 0;
    };
  };
  if (given->scheme == Authorization::Scheme::kBearer) {
    return std::ranges::any_of(tokens_, is(digest_of(given->secret)));
  }
  if (users_.empty()) return false;
  const Digest digest = digest_of(joined(*given));
  const std::lock_guard lock(mutex_);
  const auto right = right_.find(given->user);
  if (right != right_.end() && is(digest)(right->second)) return true;
  if (std::ranges::any_of(wrong_, is(digest))) return false;
  return std::nullopt;
}

bool Credentials::hash_and_compare(std::string_view header) const {
  if (const auto already = known(header)) return *already;  // one that waited behind the same
  const auto given = parse_authorization(header);
  if (!given) return false;
  const Digest digest = digest_of(joined(*given));
  // A name that is not there is hashed as that of another, always the same one.
  const auto user = users_.find(given->user);
  const std::string& hash =
      user != users_.end()
          ? user->second
          : std::next(users_.begin(), digest_of(given->user)[0] % static_cast<long>(users_.size()))
                ->second;
  const auto work = std::make_unique<crypt_data>();
  const char* made = ::crypt_r(given->secret.c_str(), hash.c_str(), work.get());
  const bool right = made != nullptr && same(made, hash) && user != users_.end();
  ::OPENSSL_cleanse(work.get(), sizeof *work);
  remember(*given, digest, right);
  return right;
}

void Credentials::remember(const Authorization& given, const Digest& digest, bool right) const {
  const std::lock_guard lock(mutex_);
  if (right) {
    right_[given.user] = digest;
  } else if (wrong_.size() < kWrongMax) {
    wrong_.push_back(digest);
  } else {
    wrong_[wrong_next_++ % kWrongMax] = digest;
  }
}

}  // namespace rezolus::http
