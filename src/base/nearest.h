// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What somebody may have meant who wrote a name that does not exist.

#include <span>
#include <string>
#include <string_view>

namespace rezolus {

// The candidate that is nearest to text by edit distance; empty when none is near.
std::string nearest(std::string_view text, std::span<const std::string> candidates);

// "; did you mean 'X'?" for the end of a message, X being the nearest candidate behind `prefix`;
// `otherwise` when none is near.
std::string did_you_mean(std::string_view text, std::span<const std::string> candidates,
                         std::string_view otherwise = {}, std::string_view prefix = {});

}  // namespace rezolus
