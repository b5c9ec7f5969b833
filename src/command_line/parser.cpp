// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command_line/parser.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

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

// What no option or positional of this very command took.
std::vector<std::string> left_over(const CLI::App& command) {
  std::vector<std::string> texts = command.remaining();
  std::erase(texts, "--");
  return texts;
}

// "-" and negative numbers are values.
bool is_option(std::string_view text) {
  return text.size() > 1 && text[0] == '-' && (text[1] < '0' || text[1] > '9');
}

std::string no_place_text(const CLI::App& command, const std::string& text) {
  // A URL may have a password in it.
  const std::string shown =
      text.find("://") == text.npos ? fmt::format("'{}'", text) : std::string("the last URL");
  std::vector<std::string> known;
  for (const CLI::App* one : command.get_subcommands({})) known.push_back(one->get_name());
  if (known.empty()) return fmt::format("{} is more than it takes", shown);
  return fmt::format("there is no command {}{}", shown, did_you_mean(text, known));
}

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
  const CLI::App* command = this;
  std::vector<std::string> extras = left_over(*command);
  while (extras.empty() && !command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    extras = left_over(*command);
  }
  if (extras.empty()) return {};
  if (!is_option(extras.front())) return usage_error("{}", no_place_text(*command, extras.front()));
  const std::string option = extras.front().substr(0, extras.front().find('='));
  for (const CLI::App* below : command->get_subcommands()) {
    if (below->get_option_no_throw(option) == nullptr) continue;
    return usage_error("{} stands behind {}", option, below->get_name());
  }
  std::vector<std::string> known;
  for (const CLI::Option* one : command->get_options()) {
    for (const std::string& name : one->get_lnames()) known.push_back("--" + name);
  }
  const std::string near = nearest(option, known);
  return usage_error("there is no option {}{}", option,
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
