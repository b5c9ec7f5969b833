// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "query/value.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace rezolus::query {
namespace {

bool contains(std::span<const std::string> keys, std::string_view key) {
  return std::ranges::find(keys, key) != keys.end();
}

template <typename Keep>
LabelsRef chosen(const Labels& labels, Keep keep) {
  auto result = std::make_shared<Labels>();
  for (const auto& label : labels) {
    if (keep(label.first)) result->push_back(label);
  }
  return result;
}

}  // namespace

std::string_view label_value(const Labels& labels, std::string_view key) {
  for (const auto& [name, value] : labels) {
    if (name == key) return value;
  }
  return {};
}

LabelsRef only(const Labels& labels, std::span<const std::string> keys) {
  return chosen(labels, [keys](std::string_view key) { return contains(keys, key); });
}

LabelsRef all_but(const Labels& labels, std::span<const std::string> keys) {
  return chosen(labels,
                [keys](std::string_view key) { return key != kNameLabel && !contains(keys, key); });
}

LabelsRef without_name(const LabelsRef& labels) {
  if (label_value(*labels, kNameLabel).empty()) return labels;
  return all_but(*labels, {});
}

std::string labels_text(const Labels& labels) {
  std::string text(label_value(labels, kNameLabel));
  const std::size_t name_size = text.size();
  for (const auto& [key, value] : labels) {
    if (key == kNameLabel) continue;
    text += text.size() == name_size ? '{' : ',';
    text += key;
    text += "=\"";
    for (const char c : value) {
      if (c == '\\' || c == '"') text += '\\';
      if (c == '\n') {
        text += "\\n";
      } else {
        text += c;
      }
    }
    text += '"';
  }
  if (text.size() > name_size) text += '}';
  return text.empty() ? "{}" : text;
}

std::string number_text(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", number);
}

std::string value_text(const Element& element) {
  if (element.histogram == nullptr) return number_text(element.value);
  return fmt::format("{{count:{}, sum:{}}}", number_text(element.histogram->count()),
                     number_text(element.histogram->sum));
}

}  // namespace rezolus::query
