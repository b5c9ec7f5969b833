// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus status [URL]`: what an agent measures, how each program is attached, and why something
// is off.

#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "cli/subcommand.h"
#include "http/client.h"
#include "recorder/interrupt.h"
#include "recorder/summary.h"

namespace rezolus::cli {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kTimeoutMs = 10'000;

int fail(const Error& cause) {
  fmt::print(stderr, "rezolus status: {}\n", cause.message);
  return cause.kind == ErrorKind::kUsage ? kExitUsage : kExitRuntime;
}

std::string text_of(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
}

double number_of(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_number() ? found->get<double>() : 0;
}

void print_sampler(const Json& sampler) {
  const std::string health = text_of(sampler, "health");
  fmt::print("  {:<20} {:<9} {:<12} {}\n", text_of(sampler, "name"), text_of(sampler, "state"),
             health, text_of(sampler, "error"));
  if (!sampler.contains("programs") || !sampler["programs"].is_array()) return;
  for (const Json& program : sampler["programs"]) {
    const bool attached = program.value("attached", false);
    std::string how = text_of(program, "attached_as");
    if (how.empty()) how = attached ? "attached" : "off";
    const std::string target = text_of(program, "target");
    fmt::print("    {:<22} {:<10} {}\n", target.empty() ? text_of(program, "name") : target, how,
               text_of(program, "error"));
  }
}

void print_memory(const Json& status) {
  const auto bytes = [](double value) { return format_bytes(value); };
  if (const auto memory = status.find("memory"); memory != status.end() && memory->is_object()) {
    fmt::print("\nMemory: {} resident without banks, {} of BPF maps\n",
               bytes(number_of(*memory, "resident_without_banks_bytes")),
               bytes(number_of(*memory, "map_bytes")));
  }
  if (const auto maps = status.find("maps"); maps != status.end() && maps->is_array()) {
    for (const Json& map : *maps) {
      fmt::print("  {:<10} {:<24} {:<14} {:>8} entries {:>10}\n", text_of(map, "family"),
                 text_of(map, "name"), text_of(map, "type"), number_of(map, "max_entries"),
                 bytes(number_of(map, "bytes")));
    }
  }
}

void print_losses(const Json& status) {
  const auto losses = status.find("losses");
  if (losses == status.end() || !losses->is_array()) return;
  bool any = false;
  for (const Json& loss : *losses) {
    const double count = number_of(loss, "count");
    if (count == 0) continue;
    if (!any) fmt::print("\nLost events:\n");
    any = true;
    fmt::print("  {:<10} {:<20} {:.0f}\n", text_of(loss, "family"), text_of(loss, "reason"), count);
  }
  if (!any) fmt::print("\nLost events: none\n");
}

// Whether a sampler that was asked for does not do all of its work.
bool is_bad(const Json& sampler) {
  const std::string health = text_of(sampler, "health");
  return text_of(sampler, "state") == "failed" || health == "failed" || health == "degraded";
}

}  // namespace

int run_status(std::span<const std::string> arguments) {
  CLI::App app("Show what an agent measures, and why something is off", "rezolus status");
  std::string url = std::string(kDefaultAgentUrl);
  bool raw = false;
  app.add_option("url", url, "Agent to ask (default: http://localhost:4241)");
  app.add_flag("--json", raw, "Print the agent's /status as it is");
  app.footer("Exit code 1 when the agent does not answer, or a sampler failed or is degraded.");
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& wrong) {
    fmt::print(stderr, "rezolus status: {}; see rezolus status --help\n", wrong.what());
    return kExitUsage;
  }
  auto address = parse_url(url);
  if (!address) return fail(address.error());
  HttpClient client(nullptr);
  auto response = client.get(address->at("/status"), {}, kTimeoutMs);
  if (!response) return fail(response.error());
  const Json status = Json::parse(response->body, nullptr, false);
  if (response->status != 200 || !status.is_object() || !status.contains("samplers") ||
      !status["samplers"].is_array()) {
    return fail(Error{fmt::format("{} gives no status (HTTP {}); is it a Rezolus agent?",
                                  address->at("/status").display(), response->status)});
  }
  bool bad = false;
  for (const Json& sampler : status["samplers"]) bad = bad || is_bad(sampler);
  if (raw) {
    fmt::print("{}\n", response->body);
    return bad ? kExitRuntime : kExitOk;
  }
  fmt::print("Rezolus {} at {}, up {}\n\nSamplers:\n", text_of(status, "version"),
             address->at("/").display(),
             format_duration(static_cast<std::uint64_t>(number_of(status, "uptime_seconds")) *
                             kNsPerSecond));
  for (const Json& sampler : status["samplers"]) print_sampler(sampler);
  print_memory(status);
  print_losses(status);
  return bad ? kExitRuntime : kExitOk;
}

}  // namespace rezolus::cli
