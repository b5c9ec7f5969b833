// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus status`: how an agent does: every sampler with its health, every program with the hook
// it hangs on or the reason why it is off, map memory, losses. Reads upstream's /status as well,
// which has fewer fields.

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/quantity.h"
#include "cli/access_options.h"
#include "cli/subcommand.h"
#include "http/client.h"

namespace rezolus::cli {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kTimeoutMs = 5000;

int fail(const Error& cause) {
  fmt::print(stderr, "rezolus status: {}\n", cause.message);
  return cause.kind == ErrorKind::kUsage ? kExitUsage : kExitRuntime;
}

// A field as text; empty when it is missing or no text.
std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

double number_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

bool flag_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

// The objects of an array; empty when the field is missing or something else.
std::vector<Json> objects_of(const Json& object, const char* key) {
  std::vector<Json> items;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return items;
  for (const Json& item : *found) {
    if (item.is_object()) items.push_back(item);
  }
  return items;
}

// Upstream calls the reason error.
std::string reason_of(const Json& object) {
  const std::string reason = text_of(object, "reason");
  return reason.empty() ? text_of(object, "error") : reason;
}

bool is_unwell(const Json& sampler) {
  const std::string health = text_of(sampler, "health");
  return text_of(sampler, "state") == "failed" || health == "failed" || health == "degraded";
}

// "; 1.2 M runs of 74 ns, 3 skipped", as far as the kernel counts it.
std::string runs_text(const Json& program) {
  std::string text;
  if (const double runs = number_of(program, "run_count"); runs > 0) {
    text = fmt::format("; {} runs of {:.0f} ns", format_rate(runs),
                       number_of(program, "run_time_ns") / runs);
  }
  if (const double skipped = number_of(program, "recursion_misses"); skipped > 0) {
    text += fmt::format("; {} runs skipped, since it had interrupted itself", format_rate(skipped));
  }
  return text;
}

// The verdict on a program that is off. One without a fault could be had, but another could not.
std::string verdict_text(const std::string& verdict) {
  if (verdict == "ok") return ", of no use without the others";
  return verdict.empty() ? "" : ", " + verdict;
}

std::string program_line(const Json& program) {
  const std::string attached_as = text_of(program, "attached_as");
  const std::string target = text_of(program, "target");
  const bool attached = flag_of(program, "attached");
  std::string how = !attached ? "off" : attached_as.empty() ? "attached" : attached_as;
  if (!target.empty()) how += " " + target;
  if (!attached) how += verdict_text(text_of(program, "verdict"));
  how += runs_text(program);
  const std::string reason = reason_of(program);
  // Of one that is attached, why no better alternative is.
  if (!reason.empty()) how += attached ? " (" + reason + ")" : ": " + reason;
  return fmt::format("    {:<28}{}\n", text_of(program, "name"), how);
}

// What keeps the state of tasks, which most families share.
std::string core_lines(const Json& status) {
  const auto core = status.find("core");
  if (core == status.end() || !core->is_object()) return {};
  const std::vector<Json> programs = objects_of(*core, "programs");
  if (programs.empty()) return {};
  std::string text =
      fmt::format("\nstate of tasks: in {}\n",
                  flag_of(status, "task_storage") ? "task storage" : "a hash by thread id");
  for (const Json& program : programs) text += program_line(program);
  return text;
}

std::string sampler_lines(const Json& status) {
  std::string text =
      fmt::format("\n{:<26}{:<10}{:<13}{}\n", "sampler", "state", "health", "reason");
  for (const Json& sampler : objects_of(status, "samplers")) {
    const std::string health = text_of(sampler, "health");
    text += fmt::format("{:<26}{:<10}{:<13}{}", text_of(sampler, "name"), text_of(sampler, "state"),
                        health.empty() ? "-" : health, reason_of(sampler));
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
    for (const Json& program : objects_of(sampler, "programs")) text += program_line(program);
    if (const double failures = number_of(sampler, "read_failures"); failures > 0) {
      text += fmt::format("    {:.0f} readings failed\n", failures);
    }
  }
  return text;
}

// Maps are many: their sum, then those that matter.
std::string map_lines(const Json& status) {
  std::vector<Json> maps = objects_of(status, "maps");
  if (maps.empty()) return {};
  double total = 0;
  for (const Json& map : maps) total += number_of(map, "bytes");
  std::stable_sort(maps.begin(), maps.end(), [](const Json& a, const Json& b) {
    return number_of(a, "bytes") > number_of(b, "bytes");
  });
  constexpr std::size_t kShownMax = 5;
  std::string text =
      fmt::format("\nmap memory: {} in {} maps; the largest:\n", format_bytes(total), maps.size());
  for (std::size_t i = 0; i < std::min(maps.size(), kShownMax); ++i) {
    text += fmt::format("    {:<34} {:<14}{}\n",
                        text_of(maps[i], "family") + "/" + text_of(maps[i], "name"),
                        text_of(maps[i], "type"), format_bytes(number_of(maps[i], "bytes")));
  }
  return text;
}

std::string loss_lines(const Json& status) {
  std::string text;
  for (const Json& loss : objects_of(status, "losses")) {
    const double count = number_of(loss, "count");
    if (count == 0) continue;
    text += fmt::format("    {:<28}{} {}\n", text_of(loss, "family"), format_rate(count),
                        text_of(loss, "reason"));
  }
  return text.empty() ? "" : "\nevents that could not be measured:\n" + text;
}

// The agent's own memory, under whichever of its names the page has it.
std::string memory_text(const Json& status) {
  std::string text;
  const auto memory = status.find("memory");
  if (memory == status.end() || !memory->is_object()) return text;
  for (const auto& [key, value] : memory->items()) {
    if (!value.is_number() || !key.ends_with("_bytes")) continue;
    if (!text.empty()) text += " · ";
    std::string name = key.substr(0, key.size() - 6);
    std::ranges::replace(name, '_', ' ');
    text += name + " " + format_bytes(value.get<double>());
  }
  return text.empty() ? "" : "memory: " + text + "\n";
}

std::string render(const Json& status, const Url& url) {
  std::string text =
      fmt::format("agent {} at {}, up {}\n", text_of(status, "version"), url.display(),
                  format_duration(static_cast<std::uint64_t>(number_of(status, "uptime_seconds")) *
                                  kNsPerSecond));
  text += memory_text(status);
  return text + core_lines(status) + sampler_lines(status) + map_lines(status) + loss_lines(status);
}

int show_status(const Url& url, bool json) {
  HttpClient client;
  const auto response = client.get(url.path == "/" ? url.at("/status") : url, {}, kTimeoutMs);
  if (!response) return fail(response.error());
  if (response->status == 401) return fail(status_error(url, response->status).error());
  if (response->status != 200) {
    return fail(
        Error{fmt::format("{} answered with status {}; is it a Rezolus agent, and one that "
                          "has /status?",
                          url.display(), response->status)});
  }
  const Json status = Json::parse(response->body, nullptr, false);
  if (!status.is_object() || !status.contains("samplers")) {
    return fail(Error{fmt::format("{} does not answer as a Rezolus agent does", url.display())});
  }
  if (json) {
    fmt::print("{}\n", response->body);
  } else {
    fmt::print("{}", render(status, url));
  }
  std::string unwell;
  for (const Json& sampler : objects_of(status, "samplers")) {
    if (is_unwell(sampler)) unwell += (unwell.empty() ? "" : ", ") + text_of(sampler, "name");
  }
  if (unwell.empty()) return kExitOk;
  fmt::print(stderr, "rezolus status: not well: {}\n", unwell);
  return kExitRuntime;
}

class StatusParser : public command_line::Parser {
 public:
  StatusParser()
      : Parser(
            "rezolus status", "Show how an agent is doing, and why something is off",
            {.text = "Lists every sampler with its health, every BPF program with the hook that it "
                     "hangs on or the reason why it is off, memory, and events that were lost.",
             .examples = {{"rezolus status", "the agent on this host"},
                          {"rezolus status https://node7:4241 --ca-file ca.pem", ""},
                          {"rezolus status --json | jq '.samplers[] | {name, health}'", ""}},
             .exit_codes = {{"0", "every sampler that is on is well"},
                            {"1", "one has failed or is degraded, or the agent does not answer"},
                            {"2", "wrong usage"}},
             .see_also = {"rezolus(1)", "rezolus-agent(1)"}}) {
    add_option("URL", url, "Agent to ask (default http://localhost:4241)")->type_name("URL");
    add_flag("--json", json, "Print what the agent answered");
    add_access_options(*this, access);
  }
  std::string url{kDefaultAgentHost};
  bool json = false;
  HttpAccess access;
};

}  // namespace

command_line::CommandDescription describe_status() {
  return command_line::describe(StatusParser());
}

int run_status(std::span<const std::string> arguments) {
  StatusParser parser;
  if (const auto ended = parse(parser, arguments)) return *ended;
  const auto address = parse_url(parser.url, parser.access);
  if (!address) return fail(address.error());
  if (auto right = check_access(address->access); !right) return fail(right.error());
  return show_status(*address, parser.json);
}

}  // namespace rezolus::cli
