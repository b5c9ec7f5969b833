// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Which passwords and tokens open a server. What has to be hashed (bcrypt, tens of milliseconds) is
// told apart from what can be said at once, so that the server's thread never hashes.

#include <array>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/authorization.h"

namespace rezolus::http {

// The first line of a file; a usage error when it is too short to be a secret, or everybody may
// read it. key: of the configuration, for messages.
Result<std::string> read_token(const std::string& path, std::string_view key);

// Any thread.
class Credentials {
 public:
  // users: name and bcrypt hash. required: whether nothing is answered without any of them.
  Credentials(std::map<std::string, std::string> users, std::vector<std::string> tokens,
              bool required);

  [[nodiscard]] bool required() const { return required_; }
  [[nodiscard]] bool has_users() const { return !users_.empty(); }
  [[nodiscard]] bool has_tokens() const { return !tokens_.empty(); }

  // Whether the header opens the server, where that is known without hashing. Takes a time that does
  // not tell how much of a secret is right.
  [[nodiscard]] std::optional<bool> known(std::string_view header) const;

  // The same for a header of which known() knew nothing, by hashing. An unknown user takes as long as
  // a known one.
  [[nodiscard]] bool hash_and_compare(std::string_view header) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  [[nodiscard]] Digest digest_of(std::string_view text) const;
  void remember(const Authorization& given, const Digest& digest, bool right) const;

  const std::map<std::string, std::string> users_;
  std::vector<Digest> tokens_;
  const bool required_;
  Digest key_{};  // of the digests: random, so that they mean nothing to who reads our memory

  mutable std::mutex mutex_;
  mutable std::map<std::string, Digest> right_;  // the last password of each user that was right
  mutable std::vector<Digest> wrong_;            // the last ones that were wrong, in a ring
  mutable std::size_t wrong_next_ = 0;
};

}  // namespace rezolus::http
