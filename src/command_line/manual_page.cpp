// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command_line/manual_page.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

namespace rezolus::command_line {
namespace {

constexpr std::size_t kSourceWidth = 78;  // lint wants lines of at most 80

// A character of UTF-8 text at its begin, which is removed.
char32_t take_character(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text.front());
  text.remove_prefix(1);
  if (first < 0x80) return first;
  const int rest = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  char32_t character = first & (0x3F >> rest);
  for (int i = 0; i < rest && !text.empty(); ++i) {
    character = character << 6 | (static_cast<unsigned char>(text.front()) & 0x3F);
    text.remove_prefix(1);
  }
  return character;
}

// Text in which nothing is special. Hyphens are those of options, so that what is copied works.
std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const char32_t character = take_character(text);
    switch (character) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '`':
        out += "\\(ga";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      case ']':
        out += text.starts_with('[') ? "]\\:" : "]";  // where a long word may be broken
        break;
      default:
        out += character < 0x80 ? std::string(1, static_cast<char>(character))
                                : fmt::format("\\[u{:04X}]", static_cast<unsigned>(character));
    }
  }
  return out;
}

std::string bold(std::string_view text) { return "\\fB" + escaped(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + escaped(text) + "\\fR"; }

// Sentences: `code` is bold, an empty line begins a paragraph.
std::string prose(std::string_view text) {
  std::string out;
  bool code = false;
  while (!text.empty()) {
    const std::size_t end = text.find('`');
    const std::string_view piece = text.substr(0, end);
    out += code ? bold(piece) : escaped(piece);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
    code = !code;
  }
  std::string lines;
  bool line_begins = true;
  for (const char c : wrap(out, kSourceWidth)) {
    if (line_begins && c == '\n') {
      lines += ".PP";  // in place of an empty line
    } else if (line_begins && c == '.') {
      lines += "\\&";
    }
    lines += c;
    line_begins = c == '\n';
  }
  return lines + "\n";
}

// A clause that stands alone.
std::string sentence(std::string_view clause, char end = '.') {
  std::string text(clause);
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 32);
  if (!text.ends_with('.')) text += end;
  return prose(text);
}

std::string section(std::string_view title, std::string_view text) {
  constexpr std::string_view kParagraph = ".PP\n";  // a section is one anyway
  if (text.starts_with(kParagraph)) text.remove_prefix(kParagraph.size());
  return text.empty() ? "" : fmt::format(".SH {}\n{}", title, text);
}

std::string entries(const std::vector<Entry>& list) {
  std::string out;
  for (const Entry& entry : list) {
    out += fmt::format(".TP\n{}\n{}", bold(entry.term), prose(entry.text));
  }
  return out;
}

std::string examples(const std::vector<Entry>& list) {
  std::string out;
  for (const Entry& example : list) {
    if (!example.text.empty()) out += ".PP\n" + sentence(example.text, ':');
    out += fmt::format(".PP\n.RS 4\n.nf\n{}\n.fi\n.RE\n", bold(example.term));
  }
  return out;
}

std::string option_entry(const Option& option) {
  std::string names;
  for (const std::string& name : option.names) {
    names += (names.empty() ? "" : ", ") + bold(name);
  }
  if (option.kind != ValueKind::kNone) names += " " + italic(option.value_name);
  return fmt::format(".TP\n{}\n{}", names, sentence(option.help));
}

// In the order of their groups; each group but the first has a title.
std::string options(const CommandDescription& command) {
  std::string out;
  for (const Option& option : command.positionals) {
    out += fmt::format(".TP\n{}\n{}",
                       italic(option.shown_as.empty() ? option.names[0] : option.shown_as),
                       sentence(option.help));
  }
  std::vector<std::string> groups;
  for (const Option& option : command.options) {
    if (groups.empty() || groups.back() != option.group) groups.push_back(option.group);
  }
  for (const std::string& group : groups) {
    if (group != groups.front()) out += fmt::format(".PP\n{}:\n", escaped(group));
    for (const Option& option : command.options) {
      if (option.group == group) out += option_entry(option);
    }
  }
  return out;
}

std::string usage(const CommandDescription& command, const std::string& name) {
  std::string out = bold(name);
  if (!command.options.empty()) out += " [\\fIOPTIONS\\fR]";
  for (const Option& option : command.positionals) {
    if (!option.shown_as.empty()) {
      out += " " + italic(option.shown_as);
    } else {
      const std::string one = italic(option.names[0]) + (option.repeatable ? "..." : "");
      out += option.required ? " " + one : " [" + one + "]";
    }
  }
  return wrap(out, kSourceWidth) + "\n";
}

// What stands below a command, on its page.
std::string below(const CommandDescription& command, const std::string& name) {
  std::string out = fmt::format(".SS {}\n{}", escaped(name), usage(command, name));
  out += ".PP\n" + sentence(command.title);
  if (!command.manual.text.empty()) out += ".PP\n" + prose(command.manual.text);
  out += options(command);
  std::string codes;
  for (const Entry& code : command.manual.exit_codes) {
    codes += fmt::format("{}{}: {}", codes.empty() ? "" : "; ", code.term, code.text);
  }
  if (!codes.empty()) out += ".PP\n" + sentence("Exit status " + codes);
  if (!command.manual.examples.empty()) out += ".PP\nExamples:\n";
  return out + examples(command.manual.examples);
}

std::string see_also(const CommandDescription& command) {
  std::string out;
  for (const std::string_view page : command.manual.see_also) {
    const std::size_t end = page.find('(');
    out += out.empty() ? "" : ", ";
    out += end == std::string_view::npos
               ? italic(page)
               : bold(page.substr(0, end)) + std::string(page.substr(end));
  }
  return out.empty() ? "" : wrap(out, kSourceWidth) + "\n";
}

std::string commands(const CommandDescription& command, const std::string& name, bool is_program) {
  std::string out;
  for (const CommandDescription& child : command.commands) {
    const std::string full = name + " " + child.name;
    if (!is_program) {
      out += below(child, full);
      continue;
    }
    out += fmt::format(".TP\n{}", bold(full));
    for (const std::string& alias : child.aliases) out += ", " + bold(name + " " + alias);
    out += "\n" + sentence(child.title);
  }
  return out;
}

struct Edition {
  std::string_view version;
  std::string_view date;
};

// name: all of the command's words.
std::string page(const CommandDescription& command, const std::string& name, bool is_program,
                 const Edition& edition) {
  std::string page_name = name;
  if (!is_program) page_name.replace(page_name.find(' '), 1, "-");
  std::string upper;
  for (const char c : page_name) upper += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  // Names of commands and options are not broken, as lines are not filled up with spaces.
  std::string out = fmt::format(".TH {} 1 {} \"Rezolus {}\" \"Rezolus Manual\"\n.nh\n.ad l\n",
                                escaped(upper), edition.date, edition.version);
  const std::string names = fmt::format("{} \\- {}", escaped(page_name), escaped(command.summary));
  out += section("NAME", wrap(names, kSourceWidth) + "\n");
  std::string synopsis =
      is_program ? fmt::format("{} \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n", bold(name)) + ".br\n" : "";
  synopsis += usage(command, name);
  for (const CommandDescription& child : command.commands) {
    if (!is_program) synopsis += ".br\n" + usage(child, name + " " + child.name);
  }
  out += section("SYNOPSIS", synopsis);
  const Manual& manual = command.manual;
  std::string description = sentence(command.title);
  if (!manual.text.empty()) description += ".PP\n" + prose(manual.text);
  out += section("DESCRIPTION", description);
  out += section("COMMANDS", commands(command, name, is_program));
  out += section("OPTIONS", options(command));
  out += section("EXIT STATUS", entries(manual.exit_codes));
  out += section("SIGNALS", entries(manual.signals));
  out += section("ENVIRONMENT", entries(manual.environment));
  out += section("FILES", entries(manual.files));
  out += section("EXAMPLES", examples(manual.examples));
  return out + section("SEE ALSO", see_also(command));
}

}  // namespace

std::vector<ManualPage> manual_pages(const CommandDescription& program, std::string_view version,
                                     std::string_view date) {
  const Edition edition{version, date};
  std::vector<ManualPage> pages = {
      {program.name + ".1", page(program, program.name, true, edition)}};
  for (const CommandDescription& command : program.commands) {
    const auto file_name = [&](const std::string& name) {
      return fmt::format("{}-{}.1", program.name, name);
    };
    pages.push_back({file_name(command.name),
                     page(command, program.name + " " + command.name, false, edition)});
    for (const std::string& alias : command.aliases) {
      pages.push_back({file_name(alias), fmt::format(".so man1/{}\n", file_name(command.name))});
    }
  }
  return pages;
}

}  // namespace rezolus::command_line
