// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/rule_options.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "config/setters.h"
#include "flight_recorder/snapshot_query.h"
#include "query/engine.h"

namespace rezolus {
namespace {

using config::assign;
using config::Key;
using config::key;

constexpr std::size_t kNameBytesMax = 64;
constexpr std::int64_t kPerDayMax = 10'000;

Result<void> set_name(Rule& rule, const toml::node& value) {
  auto text = config::as_string(value);
  if (!text) return std::unexpected(std::move(text.error()));
  const bool right =
      !text->empty() && text->size() <= kNameBytesMax &&
      std::ranges::all_of(*text, [](unsigned char c) {
        return c < 0x80 && (std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.');
      });
  if (!right) {
    return usage_error("'{}' is no name; write letters, digits, '_', '-' and '.', at most {}",
                       *text, kNameBytesMax);
  }
  rule.name = std::move(*text);
  return {};
}

Result<void> set_expression(Rule& rule, const toml::node& value) {
  auto text = config::as_string(value);
  if (!text) return std::unexpected(std::move(text.error()));
  query::Engine engine;
  auto query = engine.add_query(*text);
  if (!query) return std::unexpected(std::move(query.error()));
  if (engine.expression(*query).type == query::Type::kScalar) {
    return usage_error(
        "column 1: this is one number, which is always there; a rule fires while its expression "
        "has elements, as in: metric > 5");
  }
  rule.expression = std::move(*text);
  return {};
}

std::vector<Key> keys_of(std::vector<Rule>& rules, std::size_t index) {
  const auto with = [&rules, index](auto set) {
    return [&rules, index, set](const toml::node& value) { return set(rules[index], value); };
  };
  const auto duration = [&](const char* name, std::uint64_t Rule::* target) {
    return key(name, with([target](Rule& rule, const toml::node& value) {
                 return assign(rule.*target, config::as_duration_ns(value));
               }));
  };
  return {key("name", with(set_name)),
          key("expr", with(set_expression)),
          duration("for", &Rule::for_ns),
          duration("pre", &Rule::pre_ns),
          duration("post", &Rule::post_ns),
          duration("cooldown", &Rule::cooldown_ns),
          key("max_per_day", with([](Rule& rule, const toml::node& value) -> Result<void> {
                auto number = config::as_integer(value, 1, kPerDayMax);
                if (!number) return std::unexpected(std::move(number.error()));
                rule.per_day_max = static_cast<std::uint64_t>(*number);
                return {};
              })),
          key("exec", with([](Rule& rule, const toml::node& value) {
                return assign(rule.exec, config::as_strings(value));
              }))};
}

Result<void> check_rule(const Rule& rule, std::uint64_t interval_ns, std::uint64_t duration_ns) {
  if (rule.name.empty()) return usage_error("a rule has no name");
  if (rule.expression.empty()) return usage_error("the rule {} has no expr", rule.name);
  const auto expression = query::parse_expression(rule.expression);
  if (!expression) return std::unexpected(expression.error());
  const auto shortest_ns = static_cast<std::uint64_t>(query::shortest_rate_range_ns(**expression));
  if (shortest_ns != 0 && shortest_ns < 2 * interval_ns) {
    return usage_error(
        "the rule {} asks for a rate over {}, which needs two samples, and has one every {}; write "
        "a longer range, or a shorter rule_interval",
        rule.name, format_duration(shortest_ns), format_duration(interval_ns));
  }
  if (rule.post_ns > kPostNsMax) {
    return usage_error("post of the rule {} is {}; it must be at most {}", rule.name,
                       format_duration(rule.post_ns), format_duration(kPostNsMax));
  }
  if (rule.pre_ns + rule.for_ns + rule.post_ns > duration_ns) {
    return usage_error("pre, for and post of the rule {} are together more than the buffer's {}",
                       rule.name, format_duration(duration_ns));
  }
  return {};
}

}  // namespace

Key rule_key(std::vector<Rule>& rules) {
  return {.name = "rule",
          .set = {},
          .begin_table = [&rules](const std::string& place) -> Result<std::vector<Key>> {
            if (rules.size() == kRulesMax)
              return usage_error("there are more than {} rules", kRulesMax);
            rules.emplace_back().place = place;
            return keys_of(rules, rules.size() - 1);
          }};
}

Result<void> check_rules(std::span<const Rule> rules, std::uint64_t interval_ns,
                         std::uint64_t duration_ns) {
  std::set<std::string_view> names;
  for (const Rule& rule : rules) {
    if (auto right = check_rule(rule, interval_ns, duration_ns); !right) {
      return context(rule.place, std::move(right.error()));
    }
    if (!names.insert(rule.name).second) {
      return usage_error("{}: another rule is called {} already", rule.place, rule.name);
    }
  }
  return {};
}

}  // namespace rezolus
