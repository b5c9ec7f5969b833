// SPDX-License-Identifier: Apache-2.0 OR MIT
// What every network interface carries, virtual ones included, from /proc/net/dev. Series come and
// go with the interfaces.

#include <array>
#include <charconv>
#include <map>
#include <optional>

#include "base/fd.h"
#include "samplers/files.h"
#include "samplers/network/interface_stats.h"
#include "wire/utf8.h"

namespace rezolus {
namespace {

constexpr std::string_view kName = "network_interface_stats";
constexpr std::string_view kLabel = "interface";
constexpr std::string_view kOther = "other";
constexpr std::uint32_t kFolded = kInterfaceValues;

constexpr Metric row(std::uint32_t slot, std::string_view direction, std::string_view name,
                     Unit unit, std::string_view prometheus, std::string_view help) {
  return {.slot = slot,
          .name = name,
          .labels = {{{"direction", direction}}},
          .unit = unit,
          .dimension = Dimension::kDevice,
          .dimension_label = kLabel,
          .prometheus = prometheus,
          .lean = false,
          .help = help};
}

constexpr auto bytes(std::uint32_t slot, std::string_view direction) {
  return row(slot, direction, "network_interface_bytes", Unit::kBytes,
             "rezolus_network_interface_bytes_total",
             "Bytes that an interface received and sent, as its driver counts them.");
}
constexpr auto packets(std::uint32_t slot, std::string_view direction) {
  return row(slot, direction, "network_interface_packets", Unit::kPackets,
             "rezolus_network_interface_packets_total",
             "Packets that an interface received and sent, as its driver counts them.");
}
constexpr auto errors(std::uint32_t slot, std::string_view direction) {
  return row(slot, direction, "network_interface_errors", Unit::kPackets,
             "rezolus_network_interface_errors_total",
             "Packets that an interface received damaged or could not send.");
}
constexpr auto drops(std::uint32_t slot, std::string_view direction) {
  return row(slot, direction, "network_interface_drops", Unit::kPackets,
             "rezolus_network_interface_drops_total",
             "Packets that an interface had no room for, or nobody to give to.");
}

constexpr Metric kMetrics[] = {
    bytes(0, "receive"),
    packets(1, "receive"),
    errors(2, "receive"),
    drops(3, "receive"),
    bytes(4, "transmit"),
    packets(5, "transmit"),
    errors(6, "transmit"),
    drops(7, "transmit"),
    {.slot = kFolded,
     .name = "network_interfaces_folded",
     .type = MetricType::kGauge,
     .prometheus = "rezolus_network_interfaces_folded",
     .lean = false,
     .help = "Interfaces that have no series of their own and are summed as interface=\"other\"."},
};
static_assert(check_metrics(kMetrics, kInterfaceValues + 1, 0));

// The columns of a line that are values, ascending: 8 to receive, then 8 to send.
constexpr std::array<std::size_t, kInterfaceValues> kColumns = {0, 1, 2, 3, 8, 9, 10, 11};

using InterfaceSeries = std::array<std::shared_ptr<const Series>, kInterfaceValues>;

InterfaceSeries series_of(std::string_view interface) {
  InterfaceSeries all;
  for (std::size_t i = 0; i < kInterfaceValues; ++i) {
    all[i] = std::make_shared<const Series>(
        make_series(kMetrics[i], kName, {{std::string(kLabel), escaped_utf8(interface)}}));
  }
  return all;
}

class InterfaceStats final : public Source {
 public:
  explicit InterfaceStats(const Host& host)
      : file_(host.path("proc/net/dev")),
        folded_(std::make_shared<const Series>(make_series(kMetrics[kFolded], kName))) {}

  [[nodiscard]] std::vector<Series> series() const override { return {*folded_}; }

  Result<void> read(Reading& reading) override {
    auto text = file_.read();
    if (!text) return std::unexpected(text.error());
    ++pass_;
    bool any = false;
    bool changed = list_ == nullptr;
    std::vector<InterfaceLine> unknown;
    while (!text->empty()) {
      const std::size_t end = std::min(text->find('\n'), text->size());
      if (const auto line = parse_interface_line(text->substr(0, end))) {
        any = true;
        const auto at = interfaces_.find(line->name);
        if (at == interfaces_.end()) {
          unknown.push_back(*line);
        } else {
          changed = take(at->second, *line) || changed;
        }
      }
      text->remove_prefix(std::min(end + 1, text->size()));
    }
    if (!any) return error("read {}: no interface in it", file_.path());
    changed = forget_vanished() || changed;  // first: it makes room
    for (const InterfaceLine& line : unknown) changed = add(line) || changed;
    if (changed) rebuild_list();
    fill(reading);
    return {};
  }

 private:
  struct Interface {
    InterfaceLine line;                     // name empty: it refers to the file's text
    std::uint64_t pass = 0;                 // the last one that it was seen in
    std::optional<InterfaceSeries> series;  // nothing: it is folded
  };

  // Whether it is another interface than the one that had the name, with series of its own.
  bool take(Interface& interface, const InterfaceLine& line) {
    if (interface.pass == pass_) return false;  // named twice
    bool another = false;
    if (!interface.series) {
      fold(interface.line, line);
    } else if (interface.pass + 1 != pass_) {  // it was missed
      for (std::size_t i = 0; i < kInterfaceValues; ++i) {
        another = another || line.values[i] < interface.line.values[i];
      }
      if (another) interface.series = series_of(line.name);
    }
    interface.line = line;
    interface.line.name = {};
    interface.pass = pass_;
    return another;
  }

  // Whether there are new series.
  bool add(const InterfaceLine& line) {
    const auto [at, added] = interfaces_.try_emplace(std::string(line.name));
    bool changed = false;
    // An interface that has the name of the fold is part of it.
    if (added && line.name != kOther && named_ < kInterfacesMax) {
      at->second.series = series_of(line.name);
      ++named_;
      changed = true;
    } else if (added && !other_series_) {
      other_series_ = series_of(kOther);
      changed = true;
    }
    take(at->second, line);
    return changed;
  }

  // Adds the growth, so that the sum does not shrink when an interface goes.
  void fold(const InterfaceLine& before, const InterfaceLine& now) {
    for (std::size_t i = 0; i < kInterfaceValues; ++i) {
      const bool grew = now.values[i] >= before.values[i];
      other_values_[i] += grew ? now.values[i] - before.values[i] : now.values[i];
    }
  }

  // Whether a series is gone. Interfaces go when they are missed twice: the kernel hands out a long
  // file in pieces, and what goes in between makes it leave out another.
  bool forget_vanished() {
    bool changed = false;
    std::erase_if(interfaces_, [&](const auto& entry) {
      if (entry.second.pass + 1 >= pass_) return false;
      changed = changed || entry.second.series;
      named_ -= entry.second.series ? 1 : 0;
      return true;
    });
    return changed;
  }

  void rebuild_list() {
    std::vector<std::shared_ptr<const Series>> all = {folded_};
    if (other_series_) all.insert(all.end(), other_series_->begin(), other_series_->end());
    for (const auto& [name, interface] : interfaces_) {
      if (!interface.series) continue;
      all.insert(all.end(), interface.series->begin(), interface.series->end());
    }
    list_ = std::make_shared<const std::vector<std::shared_ptr<const Series>>>(std::move(all));
  }

  // In the order of rebuild_list().
  void fill(Reading& reading) const {
    reading.series = list_;
    reading.values.assign(list_->size(), 0);
    reading.present.assign(list_->size(), 0);
    std::size_t at = 0;
    const auto put = [&](std::uint64_t value, bool present) {
      reading.values[at] = value;
      reading.present[at++] = present ? 1 : 0;
    };
    put(interfaces_.size() - named_, true);
    for (std::size_t i = 0; other_series_ && i < kInterfaceValues; ++i) put(other_values_[i], true);
    for (const auto& [name, interface] : interfaces_) {
      if (!interface.series) continue;
      const InterfaceLine& line = interface.line;
      const bool seen = interface.pass == pass_;
      for (std::size_t i = 0; i < kInterfaceValues; ++i) {
        put(line.values[i], seen && line.present[i]);
      }
    }
  }

  RereadFile file_;
  std::shared_ptr<const Series> folded_;
  std::map<std::string, Interface, std::less<>> interfaces_;
  std::size_t named_ = 0;  // interfaces with series of their own
  std::optional<InterfaceSeries> other_series_;
  std::array<std::uint64_t, kInterfaceValues> other_values_ = {};
  SeriesList list_;
  std::uint64_t pass_ = 0;
};

}  // namespace

std::optional<InterfaceLine> parse_interface_line(std::string_view line) {
  const std::size_t colon = line.rfind(':');  // numbers have none, names may
  if (colon == std::string_view::npos) return std::nullopt;
  InterfaceLine parsed;
  parsed.name = line.substr(0, colon);
  parsed.name.remove_prefix(std::min(parsed.name.find_first_not_of(' '), parsed.name.size()));
  if (parsed.name.empty() || parsed.name.size() > kInterfaceNameBytesMax) return std::nullopt;
  std::string_view rest = line.substr(colon + 1);
  bool any = false;
  for (std::size_t column = 0, next = 0; next < kColumns.size(); ++column) {
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    const std::string_view word = rest.substr(0, rest.find_first_of(" \t"));
    if (word.empty()) break;
    rest.remove_prefix(word.size());
    if (column != kColumns[next]) continue;
    const auto [end, failed] = std::from_chars(word.begin(), word.end(), parsed.values[next]);
    const bool valid = failed == std::errc() && end == word.end();
    if (!valid) parsed.values[next] = 0;
    parsed.present[next++] = valid;
    any = any || valid;
  }
  if (!any) return std::nullopt;
  return parsed;
}

constinit const FileSampler kNetworkInterfaceStats = {
    .name = kName,
    .description = "bytes, packets, errors and drops of every network interface",
    .metrics = kMetrics,
    .period_ns_min = 100 * kNsPerMs,
    .make = [](const Host& host) -> Result<std::unique_ptr<Source>> {
      return std::make_unique<InterfaceStats>(host);
    },
    .notes =
        {.measures = "The counters of every interface in /proc/net/dev, loopback and virtual "
                     "ones included, in the agent's own network namespace. Series appear and "
                     "vanish with the interfaces, the latter when two readings in a row miss "
                     "them; one that returns after that, or has a new name, is a new series. At "
                     "most 256 interfaces, the first that were seen, have series of their own; "
                     "the others are summed as interface=\"other\", and "
                     "network_interfaces_folded says how many these are. Bytes of a name that "
                     "are no UTF-8 are written as \\xNN.",
         .cost = "Nothing per event. A reading is one pass over the file, at most every 100 ms: "
                 "about 5 µs, and 1 µs for each interface.",
         .needs = "The file /proc/net/dev, which every kernel with a network has. A column that "
                  "the kernel lacks is absent.",
         .reading = "One packet counts on every interface that it passes: do not sum over "
                    "interfaces; the host's total is network_bytes. Drivers differ in what they "
                    "count as an error or a drop; received drops include those for want of "
                    "buffers in the hardware. An interface that is made anew under an old name "
                    "between two readings shows as a counter that starts over."},
};

}  // namespace rezolus
