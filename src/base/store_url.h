// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// URLs of object stores, as texts: who opens them is rezolus-recording.

#include <string>
#include <string_view>

#include "base/result.h"

namespace rezolus {

// s3://bucket/key, gs://…, abfs://…, file:///path. Not http:// and https://, which are agents.
bool is_store_url(std::string_view text);

// Whether an object can be written there, as far as the URL says: its scheme is one of a store that is
// known, and a bucket and an object are named. A usage error says what is accepted.
Result<void> check_store_url(std::string_view url);

// As people may see it: without credentials and options. Any other text is returned as it is.
std::string shown_store_url(std::string_view url);

// To be typed again: with its options, and without credentials where there is a secret among them.
std::string typed_store_url(std::string_view url);

// Of the object whose name goes on like this: credentials and options are the same.
std::string store_url_with_suffix(std::string_view url, std::string_view suffix);

}  // namespace rezolus
