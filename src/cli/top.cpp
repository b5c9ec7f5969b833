// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus top`: what `record` sums up at its end, live, in plain text.

#include <optional>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ticks.h"
#include "cli/access_options.h"
#include "cli/live_source.h"
#include "cli/subcommand.h"
#include "recorder/activity.h"
#include "recorder/interrupt.h"
#include "recorder/summary.h"

namespace rezolus::cli {
namespace {

constexpr std::uint64_t kIntervalNsMin = 10 * kNsPerMs;

struct TopOptions {
  std::optional<std::string> url;
  HttpAccess access;
  std::uint64_t interval_ns = kNsPerSecond;
  std::uint64_t count = 0;  // 0: until Ctrl-C
};

int fail(const Error& cause) {
  fmt::print(stderr, "rezolus top: {}\n", cause.message);
  return cause.kind == ErrorKind::kUsage ? kExitUsage : kExitRuntime;
}

// A screenful on a terminal, one block after the other elsewhere. The text is written at once, so
// that nothing flickers.
void show(const std::string& title, const std::string& body, bool terminal) {
  std::string text = title + "\n\n" + body;
  if (terminal) {
    std::string screen = "\033[H";
    for (const char c : text) {
      if (c == '\n') screen += "\033[K";  // clears what a longer line left behind
      screen += c;
    }
    text = screen + "\033[J";
  } else {
    text += "\n";
  }
  fmt::print("{}", text);
  std::fflush(stdout);
}

int watch(const TopOptions& options, SnapshotSource& source, Interrupt& interrupt) {
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  const AbsentReasons reasons = source.absent_reasons();
  TickSchedule ticks(realtime_ns(), monotonic_ns(), options.interval_ns);
  auto first = source.sample();
  if (!first) return interrupt.requested() ? kExitOk : fail(first.error());
  SnapshotRef previous = std::move(*first);
  if (terminal) fmt::print("\033[2J");
  for (std::uint64_t shown = 0; options.count == 0 || shown < options.count;) {
    if (!interrupt.wait_until(ticks.due_ns())) return kExitOk;
    auto snapshot = source.sample();
    ticks.advance(monotonic_ns());
    if (!snapshot) {
      if (interrupt.requested()) return kExitOk;
      return fail(snapshot.error());
    }
    const auto activity = activity_between(*previous, **snapshot);
    previous = std::move(*snapshot);
    if (!activity) continue;  // the agent was restarted: its counters begin anew
    const std::string title =
        fmt::format("rezolus top · {} · {} · every {}", source.description(),
                    format_utc(previous->realtime_ns), format_duration(options.interval_ns));
    show(title, render_summary(*activity, reasons), terminal);
    ++shown;
  }
  return kExitOk;
}

class TopParser : public command_line::Parser {
 public:
  TopParser()
      : Parser("rezolus top", "Show what the host does, live",
               {.text = "Ctrl-C ends it. Where standard output is no terminal, tables follow one "
                        "another. Samplers in this process need root, or CAP_BPF and CAP_PERFMON.",
                .examples = {{"rezolus top", ""},
                             {"rezolus top -i 100ms http://node7:4241", "another host's agent"},
                             {"rezolus top -n 1", "one table, of one second"}},
                .exit_codes = {{"0", "ok"}, {"1", "failed"}, {"2", "wrong usage"}},
                .see_also = {"rezolus(1)", "rezolus-record(1)"}}) {
    add_option("URL", url,
               "Agent to ask (default: http://localhost:4241 when an agent answers there, else "
               "samplers in this process)")
        ->type_name("URL");
    add_option("-i,--interval", interval, "Time between two tables, from 10ms (default 1s)")
        ->type_name("DURATION");
    add_option("-n,--count", options.count, "Stop after this many tables (default: at Ctrl-C)")
        ->type_name("COUNT");
    add_access_options(*this, options.access);
  }
  TopOptions options;
  std::string url;
  std::string interval = "1s";
};

}  // namespace

command_line::CommandDescription describe_top() { return command_line::describe(TopParser()); }

int run_top(std::span<const std::string> arguments) {
  TopParser parser;
  if (const auto ended = parse(parser, arguments)) return *ended;
  TopOptions& options = parser.options;
  const std::string& interval = parser.interval;
  const auto interval_ns = parse_duration_ns(interval);
  if (!interval_ns) return fail(interval_ns.error());
  if (*interval_ns < kIntervalNsMin) {
    return fail(Error{fmt::format("--interval: {} is too short; the shortest is {}", interval,
                                  format_duration(kIntervalNsMin)),
                      0, ErrorKind::kUsage});
  }
  options.interval_ns = *interval_ns;
  if (!parser.url.empty()) options.url = parser.url;
  Interrupt interrupt;
  auto source = open_source(options.url, options.access, options.interval_ns);
  if (!source) return fail(source.error());
  return watch(options, **source, interrupt);
}

}  // namespace rezolus::cli
