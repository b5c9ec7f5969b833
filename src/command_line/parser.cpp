// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command_line/parser.h"

#include <algorithm>
#include <memory>

#include <fmt/core.h>
#include <fmt/ranges.h>

namespace rezolus::command_line {
namespace {

class HelpFormatter : public CLI::Formatter {
 public:
  // The usage line says how often a positional is given, and its name what it is.
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->nonpositional() ? CLI::Formatter::make_option_opts(option) : "";
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    return wrap(option->get_description(), kHelpWidth - column_width_);
  }
  // A positional that is shown as several says itself what may be left out.
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    const bool shown = positional && !option->get_option_text().empty();
    return shown ? option->get_option_text() : CLI::Formatter::make_option_name(option, positional);
  }
  std::string make_option_usage(const CLI::Option* option) const override {
    const std::string& shown = option->get_option_text();
    return shown.empty() ? CLI::Formatter::make_option_usage(option) : shown;
  }
  std::string make_footer(const CLI::App* app) const override { return app->get_footer() + "\n"; }
};

// CLI11 2.5 and newer break lines themselves. What they are given here is broken already, and
// examples are not to be joined.
template <typename Format>
void keep_lines(Format& format) {
  if constexpr (requires { format.enable_footer_formatting(false); }) {
    format.enable_footer_formatting(false);
    format.right_column_width(kHelpWidth);
  }
}

}  // namespace

Parser::Parser(const std::string& name, const std::string& description, const Manual& manual)
    : CLI::App(description, name), manual_(manual) {
  const auto format = std::make_shared<HelpFormatter>();
  format->label("SUBCOMMAND", "COMMAND");
  keep_lines(*format);
  formatter(format);
  footer(help_footer(manual));
}

Parser* Parser::add_command(const std::string& name, const std::string& description,
                            const Manual& manual) {
  auto command = std::make_shared<Parser>(name, description, manual);
  command->group("Commands");
  add_subcommand(command);
  return command.get();
}

std::string not_one_of(std::string_view text, std::span<const std::string_view> choices) {
  const std::string before = fmt::format("{}", fmt::join(choices.first(choices.size() - 1), ", "));
  return fmt::format("'{}' is not known; it is {} or {}", text, before, choices.back());
}

CLI::Option* one_of(CLI::Option* option, std::span<const std::string_view> choices) {
  const auto check = [choices](const std::string& text) {
    return std::ranges::find(choices, text) != choices.end() ? std::string()
                                                             : not_one_of(text, choices);
  };
  return option->type_name(fmt::format("{}", fmt::join(choices, "|")))->check(check);
}

}  // namespace rezolus::command_line
