// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command_line/parser.h"

#include <algorithm>
#include <memory>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "base/nearest.h"

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
  allow_extras();  // check_extras() says more of them
}

Result<bool> Parser::read(std::span<const std::string> arguments) {
  try {
    parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& help) {
    exit(help);
    return false;
  } catch (const CLI::ParseError& wrong) {
    // What is required may be there, and misspelt.
    if (auto known = check_extras(); !known) return std::unexpected(std::move(known.error()));
    return usage_error("{}", wrong.what());
  }
  if (auto known = check_extras(); !known) return std::unexpected(std::move(known.error()));
  return true;
}

Result<void> Parser::check_extras() const {
  const std::vector<std::string> extras = remaining(true);
  if (extras.empty()) return {};
  const std::string extra = extras.front().substr(0, extras.front().find('='));
  const bool option = extra.starts_with('-');
  const CLI::App* command = this;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  std::vector<std::string> known;
  if (option) {
    for (const CLI::Option* one : command->get_options()) {
      for (const std::string& name : one->get_lnames()) known.push_back("--" + name);
    }
  } else {
    for (const CLI::App* one : command->get_subcommands({})) known.push_back(one->get_name());
    if (known.empty()) return usage_error("'{}' is more than it takes", extras.front());
  }
  const std::string near = nearest(extra, known);
  return usage_error("there is no {} {}{}", option ? "option" : "command", extra,
                     !near.empty()    ? fmt::format("; did you mean {}?", near)
                     : takes_command_ ? "; a command and its options stand behind --"
                                      : "");
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
