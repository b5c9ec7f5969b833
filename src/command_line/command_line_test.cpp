// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "command_line/completion.h"
#include "command_line/description.h"
#include "command_line/parser.h"

namespace rezolus::command_line {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::array<std::string_view, 2> kSizes = {"small", "large"};

class Example : public Parser {
 public:
  Example()
      : Parser("rezolus", "An example", {.text = "Says it.", .examples = {{"rezolus", "runs"}}}) {
    Parser* child = add_command("child", "Its [child]: 'quoted'", {});
    one_of(child->add_option("-s,--size", size, "How large; of what"), kSizes);
    child->add_option("--out", file, "Where to")->type_name(kFileValue);
    child->add_option("--in", folder, "Where from")->type_name(kFolderValue);
    child->add_option("--name", names, "Whose")->type_name("NAME")->delimiter(',');
    child->add_option("--free", free, "Anything")->type_name("TEXT");
    child->add_flag("--flag", flag, "Says more");
    child->add_flag("--hidden", hidden, "Not for people")->group("");
    child->add_option("PLACE", place, "The place")->required()->type_name(kFileValue);
    child->add_option("REST", rest, "And more")->option_text("[URL] [REST]")->expected(0, 2);
    child->takes_command();
  }
  std::string size, file, folder, free, place;
  std::vector<std::string> names, rest;
  bool flag = false, hidden = false;
};

const NamedChoices kNames = {{"NAME", {"ada", "bob"}}};

TEST(CommandLine, TreeIsDescribed) {
  const CommandDescription program = describe(Example(), kNames);
  EXPECT_EQ(program.name, "rezolus");
  ASSERT_EQ(program.commands.size(), 1u);
  const CommandDescription& child = program.commands[0];
  EXPECT_TRUE(child.takes_command);
  ASSERT_EQ(child.options.size(), 7u);  // with --help, without the hidden one
  EXPECT_THAT(child.options[0].names, ElementsAre("-h", "--help"));
  EXPECT_EQ(child.options[0].kind, ValueKind::kNone);
  EXPECT_THAT(child.options[1].names, ElementsAre("-s", "--size"));
  EXPECT_THAT(child.options[1].choices, ElementsAre("small", "large"));
  EXPECT_EQ(child.options[1].brief(), "How large");
  EXPECT_EQ(child.options[2].kind, ValueKind::kFile);
  EXPECT_EQ(child.options[3].kind, ValueKind::kFolder);
  EXPECT_THAT(child.options[4].choices, ElementsAre("ada", "bob"));
  EXPECT_TRUE(child.options[4].list);
  EXPECT_TRUE(child.options[4].repeatable);
  EXPECT_EQ(child.options[5].kind, ValueKind::kText);
  ASSERT_EQ(child.positionals.size(), 2u);
  EXPECT_THAT(child.positionals[0].names, ElementsAre("PLACE"));
  EXPECT_TRUE(child.positionals[0].required);
  EXPECT_EQ(child.positionals[1].shown_as, "[URL] [REST]");
}

TEST(CommandLine, CommandsHavePathsAndSpellings) {
  CommandDescription program{.name = "rezolus", .commands = {{.name = "one", .aliases = {"uno"}}}};
  program.commands[0].commands.push_back({.name = "two"});
  const auto placed = place_commands(program);
  ASSERT_EQ(placed.size(), 3u);
  EXPECT_EQ(placed[0].path, "");
  EXPECT_THAT(placed[1].spellings, ElementsAre("/one", "/uno"));
  EXPECT_EQ(placed[2].path, "/one/two");
  EXPECT_THAT(placed[2].spellings, ElementsAre("/one/two", "/uno/two"));
}

TEST(CommandLine, ChoicesAreCheckedAndShown) {
  Example parser;
  try {
    parser.parse("child --size huge here");
    FAIL() << "a size that is not known was taken";
  } catch (const CLI::ParseError& wrong) {
    EXPECT_STREQ(wrong.what(), "--size: 'huge' is not known; it is small or large");
  }
  const std::string help = parser.get_subcommand("child")->help();
  EXPECT_THAT(help, HasSubstr("-s,--size small|large"));
  EXPECT_THAT(help, HasSubstr("\n  PLACE                       The place\n"));
  EXPECT_THAT(help, HasSubstr("Usage: child [OPTIONS] PLACE [URL] [REST]\n"));
  EXPECT_THAT(help, HasSubstr("\n  [URL] [REST]                And more\n"));
  EXPECT_THAT(help, Not(HasSubstr("hidden")));
  EXPECT_THAT(Example().help(), HasSubstr("Examples:\n  rezolus  runs\n\nExit codes:\n  0  ok\n"));
}

std::string refusal(std::vector<std::string> arguments) {
  const auto read = Example().read(arguments);
  return read ? "" : read.error().message;
}

TEST(CommandLine, WhatThereIsNotIsNamed) {
  EXPECT_EQ(refusal({"child", "here"}), "");
  EXPECT_EQ(refusal({"child", "--", "--flag"}), "");  // a place of that name
  EXPECT_EQ(refusal({"child", "here", "-"}), "");
  EXPECT_EQ(refusal({"child", "here", "--fro=x"}),
            "there is no option --fro; did you mean --free?");
  EXPECT_EQ(refusal({"child", "--fre"}), "there is no option --fre; did you mean --free?");
  EXPECT_EQ(refusal({"child", "here", "--password=x"}), "there is no option --password");
  EXPECT_EQ(refusal({"--flag", "child", "here"}), "--flag stands behind child");
  EXPECT_EQ(refusal({"chidl", "here"}), "there is no command 'chidl'; did you mean 'child'?");
  EXPECT_EQ(refusal({"child"}), "PLACE is required");
}

TEST(CommandLine, WhatIsMoreThanItTakes) {
  std::string place;
  for (const auto& [more, message] :
       {std::pair{"b", "'b' is more than it takes"},
        {"http://me:secret@host", "the last URL is more than it takes"}}) {
    Parser parser("rezolus", "Takes one place", {});
    parser.add_option("PLACE", place);
    const auto read = parser.read(std::vector<std::string>{"a", more});
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().message, message);
  }
}

TEST(CommandLine, HelpEndsIt) {
  testing::internal::CaptureStdout();
  const auto read = Example().read(std::vector<std::string>{"child", "--help"});
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("The place"));
  ASSERT_TRUE(read.has_value());
  EXPECT_FALSE(*read);
}

TEST(CommandLine, TextIsWrapped) {
  EXPECT_EQ(wrap("one two three", 7), "one two\nthree");
  EXPECT_EQ(wrap("one\n\ntwo  three", 99), "one\n\ntwo three");
  EXPECT_EQ(wrap("s3://bucket/of/many/letters", 5), "s3://bucket/of/many/letters");
  EXPECT_EQ(wrap("äöü äöü", 7), "äöü äöü");
  EXPECT_EQ(wrap("", 5), "");
}

TEST(CommandLine, ScriptsQuoteWhatShellsWouldRead) {
  const CommandDescription program = describe(Example(), kNames);
  EXPECT_THAT(zsh_completion(program), HasSubstr(R"('child:Its [child]\: '\''quoted'\''')"));
  EXPECT_THAT(fish_completion(program), HasSubstr(R"(-a child -d 'Its [child]: \'quoted\'')"));
}

}  // namespace
}  // namespace rezolus::command_line
