// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "config/toml_keys.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include <unistd.h>

namespace rezolus::config {
namespace {

struct Target {
  std::string listen;
  std::int64_t priority = 0;
  std::map<std::string, bool> samplers;
  std::vector<Key> keys = {
      {"general.listen",
       [this](const toml::node& value, const std::string&) -> Result<void> {
         auto text = as_string(value);
         if (!text) return std::unexpected(text.error());
         listen = *text;
         return {};
       }},
      {"scheduler.priority",
       [this](const toml::node& value, const std::string&) -> Result<void> {
         auto number = as_integer(value, 1, 99);
         if (!number) return std::unexpected(number.error());
         priority = *number;
         return {};
       }},
      {"samplers.*.enabled",
       [this](const toml::node& value, const std::string& name) -> Result<void> {
         auto on = as_bool(value);
         if (!on) return std::unexpected(on.error());
         samplers[name] = *on;
         return {};
       }},
  };
  std::string error_of(std::string_view text) {
    auto read = read_text_into(text, "a.toml", keys);
    return read ? "" : read.error().message;
  }
};

TEST(TomlKeys, TakesValuesAndWildcards) {
  Target target;
  EXPECT_EQ(target.error_of("[general]\nlisten = \"x\"\n[samplers.a]\nenabled = false\n"
                            "[samplers.b]\nenabled = true\n"), "");
  EXPECT_EQ(target.listen, "x");
  EXPECT_EQ(target.samplers, (std::map<std::string, bool>{{"a", false}, {"b", true}}));
}

TEST(TomlKeys, ListsOfTablesHaveKeysOfTheirOwn) {
  std::vector<std::pair<std::string, std::string>> rules;  // place and name
  const std::vector<Key> keys = {
      {.name = "rule",
       .set = {},
       .begin_table = [&](const std::string& place) -> Result<std::vector<Key>> {
         if (rules.size() == 2) return usage_error("these are too many");
         rules.emplace_back(place, "");
         return std::vector<Key>{{.name = "name",
                                  .set = [&rule = rules.back()](const toml::node& value,
                                                                const std::string&) -> Result<void> {
                                    auto text = as_string(value);
                                    if (!text) return std::unexpected(text.error());
                                    rule.second = *text;
                                    return {};
                                  }}};
       }}};
  rules.reserve(2);
  const auto error_of = [&](std::string_view text) {
    rules.clear();
    auto read = read_text_into(text, "a.toml", keys);
    return read ? "" : read.error().message;
  };
  EXPECT_EQ(error_of("[[rule]]\nname = \"a\"\n\n[[rule]]\nname = \"b\"\n"), "");
  EXPECT_EQ(rules, (std::vector<std::pair<std::string, std::string>>{{"a.toml:1", "a"},
                                                                     {"a.toml:4", "b"}}));
  EXPECT_EQ(error_of("[[rule]]\nnme = \"a\"\n[[rule]]\nname = 1\n"),
            "a.toml:2: unknown key 'rule.nme'; did you mean 'rule.name'?\n"
            "a.toml:4: rule.name: expected a string, not an integer");
  EXPECT_EQ(error_of("[rule]\nname = \"a\"\n"), "a.toml:1: write [[rule]] for each");
  EXPECT_EQ(error_of("rule = 1\n"), "a.toml:1: write [[rule]] for each");
  EXPECT_EQ(error_of("rule = [{name = \"a\"}, 2]\n"), "a.toml:1: write [[rule]] for each");
  EXPECT_EQ(error_of("[[rule]]\n[[rule]]\n[[rule]]\n"), "a.toml:3: these are too many");
}

TEST(TomlKeys, ErrorsNameFileLineKeyAndTheNearest) {
  Target target;
  EXPECT_EQ(target.error_of("\n[general]\nlsten = \"x\"\n"),
            "a.toml:3: unknown key 'general.lsten'; did you mean 'general.listen'?");
  EXPECT_EQ(target.error_of("[samplers.a]\nenabld = true\n"),
            "a.toml:2: unknown key 'samplers.a.enabld'; did you mean 'samplers.a.enabled'?");
  EXPECT_EQ(target.error_of("[something]\nquite = \"different\"\n"),
            "a.toml:2: unknown key 'something.quite'");
  EXPECT_EQ(target.error_of("[general]\nlisten = 7\n"),
            "a.toml:2: general.listen: expected a string, not an integer");
  EXPECT_EQ(target.error_of("[scheduler]\npriority = 100\n"),
            "a.toml:2: scheduler.priority: 100 is out of range; it must be 1 to 99");
}

TEST(TomlKeys, EmptySectionsMustBeKnown) {
  Target target;
  EXPECT_EQ(target.error_of("[general]\n[samplers]\n[samplers.a]\n"), "");
  EXPECT_EQ(target.error_of("\n[genral]\n"),
            "a.toml:2: unknown section '[genral]'; did you mean '[general]'?");
}

TEST(TomlKeys, SyntaxErrorsNameTheLine) {
  Target target;
  EXPECT_TRUE(target.error_of("[general]\nlisten = \n").starts_with("a.toml:"));
  EXPECT_TRUE(target.error_of("[general\n").starts_with("a.toml:1: "));
}

TEST(TomlKeys, ATableWithoutANameIsAnErrorAndNotTheEnd) {
  Target target;
  EXPECT_NE(target.error_of("[\nx").find("a.toml: a key or the name of a table is missing"),
            std::string::npos);
}

TEST(TomlKeys, CharactersBeyondAsciiOnlyInQuotesAndComments) {
  Target target;
  EXPECT_EQ(target.error_of("# Größe 'x\n[general]\nlisten = \"é \\\" ü\" # é\n"), "");
  EXPECT_EQ(target.listen, "é \" ü");
  EXPECT_EQ(target.error_of("\xEF\xBB\xBF[general]\nlisten = \"\"\"\na \"\"ö\"\"\"\"\n"), "");
  EXPECT_EQ(target.listen, "a \"\"ö\"");
  EXPECT_EQ(target.error_of("[general]\nlisten = 'é\\' # '''\n"), "");
  for (const char* text : {"[general]\nš = 1\n", "# é\nlisten = é", "x = ''\n\u00a0y = 1"}) {
    EXPECT_EQ(target.error_of(text),
              "a.toml:2: a character beyond ASCII is allowed only in quotes and comments");
  }
  // Behind the end of a line that is no line's end, the parser looks for whitespace.
  EXPECT_EQ(target.error_of("[general]\nlisten = \"\"\"a \\\n  ä\"\"\"\n"), "");
  EXPECT_EQ(target.listen, "a ä");
  EXPECT_NE(target.error_of("[general]\nlisten = \"\\é\"\n").find("a.toml:2: "), std::string::npos);
  // A dot begins a quoted part of a key, and nothing in a value.
  EXPECT_TRUE(parse_text("a.\"é\" = {b.\"é\" = 1}\n", "a.toml"));
  EXPECT_FALSE(parse_text("a = +.\"é\"\nb [=gene", "a.toml"));
  EXPECT_FALSE(parse_text("a = +w[\"é\"]", "a.toml"));
  EXPECT_TRUE(parse_text("a = [1, \"é\", [true,{b = 1.5, c = 'é'}]] # é\nd = 1\n", "a.toml"));
}

TEST(TomlKeys, LongStringsAreValuesAndNoKeys) {
  for (const char* text :
       {"a = \"\"\"ä\nö\"\"\"\nb = 1", "a = [\n  '''ä\nö''', \"\"\"ü\"\"\",\n]\nb = 1",
        "a = {x = \"\"\"ä\"\"\", y = ['''ö''']}\nb = 1", "[\"ä\"]\n\"ö\" = \"\" # ü\n"}) {
    const auto parsed = parse_text(text, "a.toml");
    EXPECT_TRUE(parsed) << text << ": " << parsed.error().message;
  }
  for (const char* text : {"x = 1\n[\"\"\"ä]", "x = 1\n'''ä''' = 2", "x = 1\na.\"\"\"ä\"\"\" = 2",
                           "x = [\n{\"\"\"ä\"\"\" = 2}]", "x = {a = 1,\n\"\"\"ä\"\"\" = 2}"}) {
    const auto parsed = parse_text(text, "a.toml");
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().message, "a.toml:2: a key cannot begin with three quotes") << text;
  }
}

TEST(TomlKeys, AllErrorsAreReportedAtOnce) {
  Target target;
  const std::string errors = target.error_of("[general]\nlisten = 7\n[scheduler]\npriority = 0\n");
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1);
}

TEST(TomlKeys, FragmentsAreMergedInNameOrder) {
  const auto folder = std::filesystem::temp_directory_path() /
                      ("toml_keys_test." + std::to_string(::getpid()));
  std::filesystem::create_directories(folder / "conf.d");
  std::ofstream(folder / "a.toml") << "[general]\nlisten = \"main\"\n";
  std::ofstream(folder / "conf.d/20.toml") << "[general]\nlisten = \"second\"\n";
  std::ofstream(folder / "conf.d/10.toml") << "[general]\nlisten = \"first\"\n";
  std::ofstream(folder / "conf.d/30.txt") << "no configuration";
  Target target;
  EXPECT_TRUE(read_file_into((folder / "a.toml").string(), target.keys));
  EXPECT_EQ(target.listen, "second");
  std::ofstream(folder / "conf.d/40.toml") << "[general]\nlisten = false\n";
  auto failed = read_file_into((folder / "a.toml").string(), target.keys);
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("conf.d/40.toml:2: "), std::string::npos);
  std::filesystem::remove_all(folder);
}

TEST(TomlKeys, MissingFileIsAUsageError) {
  Target target;
  auto read = read_file_into("/nonexistent/agent.toml", target.keys);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::kUsage);
}

}  // namespace
}  // namespace rezolus::config
