// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// URLs of object stores, as texts: who opens them is rezolus-recording.

#include <string>
#include <string_view>

namespace rezolus {

// s3://bucket/key, gs://…, abfs://…, file:///path. Not http:// and https://, which are agents.
bool is_store_url(std::string_view text);

// As people may see it: without credentials and options. Any other text is returned as it is.
std::string shown_store_url(std::string_view url);

// Of the object whose name goes on like this: credentials and options are the same.
std::string store_url_with_suffix(std::string_view url, std::string_view suffix);

}  // namespace rezolus
