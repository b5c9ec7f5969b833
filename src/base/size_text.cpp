// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/size_text.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace rezolus {

Result<std::uint64_t> parse_size_bytes(std::string_view text) {
  struct SizeUnit {
    std::string_view name;
    std::uint64_t bytes;
  };
  constexpr std::array units = {SizeUnit{"", 1},           SizeUnit{"B", 1},
                                SizeUnit{"KiB", 1u << 10}, SizeUnit{"MiB", 1u << 20},
                                SizeUnit{"GiB", 1u << 30}, SizeUnit{"TiB", std::uint64_t{1} << 40}};
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view name(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (name.starts_with(' ')) name.remove_prefix(1);
  const auto unit = std::ranges::find(units, name, &SizeUnit::name);
  if (failure != std::errc() || unit == units.end() || number > INT64_MAX / unit->bytes) {
    return usage_error(
        "'{}' is not a size; write a whole number and a unit, such as 512MiB or 1GiB", text);
  }
  return number * unit->bytes;
}

}  // namespace rezolus
