// SPDX-License-Identifier: Apache-2.0 OR MIT
// Every relative link of every document leads to a file that is there, and to a heading where it
// names one.

#include <cctype>
#include <filesystem>
#include <regex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/fd.h"

namespace rezolus {
namespace {

namespace fs = std::filesystem;

// The documents of the tree; not what builds and the set-up put there.
std::vector<fs::path> documents() {
  std::vector<fs::path> found;
  const fs::path root = REZOLUS_SOURCE_DIR;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator();
       ++it) {
    const std::string name = it->path().filename();
    if (it->is_directory()) {
      const bool skipped = name == "build" || (name.starts_with('.') && name != ".github");
      if (skipped || name.starts_with("cmake-build-")) it.disable_recursion_pending();
    } else if (it->path().extension() == ".md") {
      found.push_back(it->path());
    }
  }
  return found;
}

// Without code, in which brackets mean other things.
std::string prose_of(const std::string& text) {
  static const std::regex kCode("```[^`]*```|`[^`\n]*`");
  return std::regex_replace(text, kCode, "");
}

std::vector<std::string> links_of(const std::string& text) {
  static const std::regex kLink(R"(\]\(([^)\s]+)\))");
  const std::string prose = prose_of(text);
  std::vector<std::string> links;
  for (std::sregex_iterator it(prose.begin(), prose.end(), kLink), end; it != end; ++it) {
    links.push_back((*it)[1]);
  }
  return links;
}

// A heading's anchor: lower case, spaces as hyphens, other punctuation gone.
bool has_heading(const std::string& text, const std::string& anchor) {
  static const std::regex kHeading("(^|\n)#+ ([^\n]*)");
  for (std::sregex_iterator it(text.begin(), text.end(), kHeading), end; it != end; ++it) {
    std::string slug;
    for (const char c : (*it)[2].str()) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == ' ' || c == '-') slug += '-';
      if (std::isalnum(byte) != 0 || c == '_') slug += static_cast<char>(std::tolower(byte));
    }
    if (slug == anchor) return true;
  }
  return false;
}

// Why a link of a document leads nowhere; empty when it is fine, or not ours to check.
std::string problem_of(const fs::path& document, const std::string& text, const std::string& link) {
  if (link.find("://") != std::string::npos || link.starts_with("mailto:")) return {};
  const std::size_t hash = link.find('#');
  const std::string file = link.substr(0, hash);
  const fs::path target = file.empty() ? document : document.parent_path() / file;
  if (!fs::exists(target)) return "no such file";
  if (hash == std::string::npos) return {};
  const auto content = file.empty() ? Result<std::string>(text) : read_file(target.string());
  if (!content) return content.error().message;
  return has_heading(*content, link.substr(hash + 1)) ? "" : "no such heading";
}

TEST(Documents, RelativeLinksLeadSomewhere) {
  const std::vector<fs::path> all = documents();
  std::size_t checked = 0;
  for (const fs::path& document : all) {
    const auto text = read_file(document.string());
    ASSERT_TRUE(text.has_value()) << text.error().message;
    for (const std::string& link : links_of(*text)) {
      ++checked;
      EXPECT_EQ(problem_of(document, *text, link), "") << document << ": " << link;
    }
  }
  EXPECT_GE(all.size(), 5u);
  EXPECT_GE(checked, 10u) << "the search for links finds none";
}

TEST(Documents, ABrokenLinkIsFound) {
  const fs::path document = fs::path(REZOLUS_SOURCE_DIR) / "README.md";
  const std::string text = "# One heading\n[a](no-such-file) `[b](code)` [c](#one-heading)\n";
  const auto links = links_of(text);
  ASSERT_EQ(links.size(), 2u);
  EXPECT_EQ(problem_of(document, text, links[0]), "no such file");
  EXPECT_EQ(problem_of(document, text, links[1]), "");
  EXPECT_EQ(problem_of(document, text, "#two-headings"), "no such heading");
}

}  // namespace
}  // namespace rezolus
