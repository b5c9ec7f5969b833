// SPDX-License-Identifier: Apache-2.0 OR MIT
// Every command has a page, and every option is on it.
#include "command_line/manual_page.h"

#include <algorithm>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/subcommand.h"

namespace rezolus::cli {
namespace {

using command_line::CommandDescription;
using command_line::ManualPage;
using testing::HasSubstr;

// As pages have it: "\-\-layout".
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '-' ? "\\-" : std::string(1, c);
  return out;
}

class ManualPages : public testing::Test {
 protected:
  std::string page(const std::string& file_name) const {
    const auto found = std::ranges::find(pages, file_name, &ManualPage::file_name);
    return found == pages.end() ? "" : found->text;
  }
  static void expect_options(const CommandDescription& command, const std::string& text) {
    for (const auto& option : command.options) {
      for (const std::string& name : option.names) {
        EXPECT_THAT(text, HasSubstr("\\fB" + escaped(name) + "\\fR")) << command.name;
      }
    }
  }

  const CommandDescription program = describe_program();
  const std::vector<ManualPage> pages = command_line::manual_pages(program, "1.2.3", "2026-11-27");
};

TEST_F(ManualPages, EveryCommandHasOne) {
  EXPECT_THAT(page("rezolus.1"), HasSubstr(".TH REZOLUS 1 2026-11-27 \"Rezolus 1.2.3\""));
  EXPECT_EQ(page("rezolus-hindsight.1"), ".so man1/rezolus-flight-recorder.1\n");
  for (const Subcommand& command : subcommands()) {
    EXPECT_NE(page(fmt::format("rezolus-{}.1", command.name)), "") << command.name;
  }
  EXPECT_EQ(pages.size(), subcommands().size() + 1);
}

TEST_F(ManualPages, EveryOptionIsOnItsPage) {
  expect_options(program, page("rezolus.1"));
  for (const CommandDescription& command : program.commands) {
    const std::string text = page(fmt::format("rezolus-{}.1", command.name));
    expect_options(command, text);
    for (const CommandDescription& below : command.commands) {
      const std::string title =
          fmt::format(".SS rezolus {} {}\n", escaped(command.name), escaped(below.name));
      const std::size_t begin = text.find(title);
      ASSERT_NE(begin, std::string::npos) << title;
      expect_options(below, text.substr(begin, text.find("\n.S", begin + title.size()) - begin));
    }
  }
}

TEST_F(ManualPages, HandWrittenPartsAreThere) {
  for (const CommandDescription& command : program.commands) {
    const std::string text = page(fmt::format("rezolus-{}.1", command.name));
    for (const char* title :
         {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"}) {
      EXPECT_THAT(text, HasSubstr(fmt::format("\n.SH {}\n", title))) << command.name;
    }
  }
  for (const char* title : {"SIGNALS", "ENVIRONMENT", "FILES", "EXAMPLES"}) {
    EXPECT_THAT(page("rezolus-record.1"), HasSubstr(fmt::format("\n.SH {}\n", title)));
  }
  EXPECT_THAT(page("rezolus.1"), HasSubstr("\n.SH COMMANDS\n"));
}

// SEE ALSO names pages that there are.
TEST_F(ManualPages, OtherPagesExist) {
  const auto check = [&](const CommandDescription& command) {
    for (const std::string_view other : command.manual.see_also) {
      if (!other.ends_with("(1)")) continue;
      EXPECT_NE(page(fmt::format("{}.1", other.substr(0, other.size() - 3))), "") << other;
    }
  };
  check(program);
  std::ranges::for_each(program.commands, check);
}

}  // namespace
}  // namespace rezolus::cli
