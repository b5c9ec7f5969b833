// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace rezolus::http {

// The parameters of a query, "last=5m&post=10s", in their order, decoded (%20; '+' stays what it
// is, for the sake of time zones). An error says what is wrong: a broken escape, a name that is
// there twice.
Result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

// The same the other way: what a value has to be, to stand in a query.
std::string encode_query_value(std::string_view value);

}  // namespace rezolus::http
