// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/prometheus_parse.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "wire/utf8.h"

namespace rezolus {
namespace {

constexpr std::uint64_t kMissingPagesMax = 3600;
constexpr std::uint64_t kRetirePeriodPages = 256;

// What files say about a series under these names is no label.
constexpr std::array<std::string_view, 8> kReservedLabels = {
    "metric",         "metric_type",     "unit",     "sampler", "description",
    "grouping_power", "max_value_power", "timestamp"};

// Base units whose counters have fractions.
constexpr std::array<std::string_view, 7> kFractionalUnits = {
    "_seconds", "_joules", "_ratio", "_meters", "_grams", "_volts", "_amperes"};

bool is_space(char c) { return c == ' ' || c == '\t'; }

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}

bool is_name(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }

void skip_spaces(std::string_view text, std::size_t& at) {
  while (at < text.size() && is_space(text[at])) ++at;
}

std::string_view take_word(std::string_view text, std::size_t& at) {
  skip_spaces(text, at);
  const std::size_t begin = at;
  while (at < text.size() && !is_space(text[at])) ++at;
  return text.substr(begin, at - begin);
}

std::string_view take_name(std::string_view text, std::size_t& at) {
  const std::size_t begin = at;
  if (at < text.size() && is_name_start(text[at])) {
    while (at < text.size() && is_name(text[at])) ++at;
  }
  return text.substr(begin, at - begin);
}

// As Go's ParseFloat writes and reads it: 1e3, +Inf, NaN. Digits alone are a whole number, which a
// double would round beyond 2^53.
bool read_number(std::string_view word, PrometheusNumber& number) {
  if (word.starts_with('+')) word.remove_prefix(1);
  if (word.empty() || word.starts_with('+')) return false;
  std::uint64_t whole = 0;
  const auto digits = std::from_chars(word.data(), word.data() + word.size(), whole);
  if (digits.ec == std::errc() && digits.ptr == word.data() + word.size()) {
    number = {static_cast<double>(whole), whole};
    return true;
  }
  double& value = number.value;
  number.whole.reset();
  const auto [end, failed] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (failed == std::errc::result_out_of_range) {
    value = std::strtod(std::string(word).c_str(), nullptr);  // an infinity of its sign, or nearly 0
    return end == word.data() + word.size();
  }
  return failed == std::errc() && end == word.data() + word.size();
}

// "…" with \\, \" and \n. False when it does not end.
bool take_quoted(std::string_view text, std::size_t& at, std::string& value) {
  if (at >= text.size() || text[at] != '"') return false;
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] != '\\') {
      value += text[at];
      continue;
    }
    if (++at == text.size()) return false;
    if (text[at] == 'n') {
      value += '\n';
    } else if (text[at] == '\\' || text[at] == '"') {
      value += text[at];
    } else {
      value += '\\';
      value += text[at];
    }
  }
  if (at >= text.size()) return false;
  ++at;
  return true;
}

// Where `name{…}` ends: the bytes in front of the value. 0: nowhere.
std::size_t head_size(std::string_view line) {
  std::size_t at = 0;
  take_name(line, at);
  std::size_t end = at;
  skip_spaces(line, at);
  if (at >= line.size() || line[at] != '{') return end;
  bool quoted = false;
  for (++at; at < line.size(); ++at) {
    if (quoted && line[at] == '\\') {
      ++at;
    } else if (line[at] == '"') {
      quoted = !quoted;
    } else if (line[at] == '}' && !quoted) {
      return at + 1;
    }
  }
  return 0;
}

// The value behind the head, and what may stand behind it.
bool read_tail(std::string_view tail, PrometheusNumber& number) {
  std::size_t at = 0;
  if (!read_number(take_word(tail, at), number)) return false;
  skip_spaces(tail, at);
  if (at == tail.size() || tail[at] == '#') return true;
  PrometheusNumber timestamp;
  if (!read_number(take_word(tail, at), timestamp)) return false;
  skip_spaces(tail, at);
  return at == tail.size() || tail[at] == '#';
}

// Behind '{', to and with '}'. What is wrong, or null.
const char* read_labels(std::string_view head, std::size_t& at, PrometheusSample& sample) {
  while (true) {
    skip_spaces(head, at);
    if (at < head.size() && head[at] == '}') return ++at, nullptr;
    std::string name;
    if (at < head.size() && head[at] == '"') {
      if (!take_quoted(head, at, name)) return "a quote does not end";
      if (name.empty()) return "a name is empty";
      skip_spaces(head, at);
      if (at < head.size() && head[at] != '=') {
        if (!sample.name.empty()) return "it has two names";
        sample.name = std::move(name);
        if (head[at] == ',') ++at;
        continue;
      }
    } else {
      name = take_name(head, at);
      if (name.empty()) return "a label has no name";
      skip_spaces(head, at);
    }
    if (at >= head.size() || head[at] != '=') return "a label has no '='";
    ++at;
    skip_spaces(head, at);
    std::string value;
    if (!take_quoted(head, at, value)) return "a label's value is not quoted";
    if (sample.labels.size() == kPrometheusLabelsMax) return "it has too many labels";
    sample.labels.emplace_back(std::move(name), std::move(value));
    skip_spaces(head, at);
    if (at < head.size() && head[at] == ',')
      ++at;
    else if (at >= head.size() || head[at] != '}')
      return "labels are not separated by ','";
  }
}

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> suffixes) {
  return std::ranges::any_of(suffixes, [&](auto suffix) { return name.ends_with(suffix); });
}

bool counts_up(std::string_view type, std::string_view name, std::string_view suffix) {
  if (suffix == "_created") return false;
  if (type == "counter") return true;
  if (type == "histogram" || type == "summary") return !suffix.empty();
  if (type.empty() || type == "untyped" || type == "unknown") {
    return ends_with_any(name, {"_total", "_sum", "_count", "_bucket"});
  }
  return false;  // gauge, gaugehistogram, info, stateset, and what is not known
}

bool is_fractional(std::string_view name, std::string_view suffix, double value) {
  if (suffix == "_bucket" || suffix == "_count") return false;
  if (value != std::floor(value)) return true;
  for (const std::string_view end : {"_total", "_sum"}) {
    if (name.ends_with(end)) name.remove_suffix(end.size());
  }
  return std::ranges::any_of(kFractionalUnits,
                             [&](std::string_view unit) { return name.ends_with(unit); });
}

}  // namespace

bool is_reserved_label(std::string_view name) {
  return std::ranges::find(kReservedLabels, name) != kReservedLabels.end();
}

Result<PrometheusSample> parse_prometheus_sample(std::string_view line) {
  PrometheusSample sample;
  const std::size_t size_bytes = head_size(line);
  if (size_bytes == 0) return error("it has no name, or its labels do not end");
  const std::string_view head = line.substr(0, size_bytes);
  std::size_t at = 0;
  sample.name = take_name(head, at);
  skip_spaces(head, at);
  if (at < head.size()) {
    ++at;
    if (const char* wrong = read_labels(head, at, sample)) return error("{}", wrong);
  }
  if (sample.name.empty()) return error("it has no name");
  if (valid_utf8(head) != head) return error("it is not UTF-8");
  std::ranges::sort(sample.labels);
  const auto same_name = [](const auto& a, const auto& b) { return a.first == b.first; };
  if (std::ranges::adjacent_find(sample.labels, same_name) != sample.labels.end()) {
    return error("a label stands twice");
  }
  PrometheusNumber number;
  if (!read_tail(line.substr(size_bytes), number)) return error("its value is no number");
  sample.value = number.value;
  return sample;
}

void PrometheusDecoder::take_comment(std::string_view line) {
  std::size_t at = 1;
  const std::string_view keyword = take_word(line, at);
  if (keyword != "TYPE" && keyword != "HELP" && keyword != "UNIT") return;
  const std::string_view name = take_word(line, at);
  skip_spaces(line, at);
  const std::string_view text = line.substr(at);
  auto found = families_.find(name);
  if (found == families_.end()) {
    const bool room = families_.size() < kPrometheusFamiliesMax &&
                      text_size_bytes_ + line.size() <= kPrometheusTextTotalBytesMax;
    if (name.empty() || !room) return;
    text_size_bytes_ += name.size();
    found = families_.emplace(name, Family{}).first;
  }
  if (keyword == "TYPE" && text.size() < 32) found->second.type = text;
  if (keyword == "UNIT" && text.size() < 64 && valid_utf8(text) == text) found->second.unit = text;
  if (keyword != "HELP" || valid_utf8(line) != line || help_.contains(name)) return;
  std::string help;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\' && i + 1 < text.size();
    help += !escaped ? text[i] : text[++i] == 'n' ? ' ' : text[i];
  }
  if (text_size_bytes_ + help.size() > kPrometheusTextTotalBytesMax) return;
  text_size_bytes_ += help.size();
  help_.emplace(name, std::move(help));
}

const PrometheusDecoder::Family* PrometheusDecoder::family_of(std::string_view name,
                                                              std::string_view& suffix) const {
  suffix = {};
  if (const auto found = families_.find(name); found != families_.end()) return &found->second;
  for (const std::string_view end :
       {"_bucket", "_sum", "_count", "_total", "_created", "_gcount", "_gsum", "_info"}) {
    if (!name.ends_with(end)) continue;
    const auto found = families_.find(name.substr(0, name.size() - end.size()));
    if (found == families_.end()) continue;
    suffix = name.substr(name.size() - end.size());
    return &found->second;
  }
  return nullptr;
}

std::int64_t PrometheusDecoder::add(PrometheusSample sample) {
  std::string_view suffix;
  const Family* family = family_of(sample.name, suffix);
  const bool counter = counts_up(family ? family->type : "", sample.name, suffix);
  Series series;
  // A counter whose values have fractions is kept as what holds fractions.
  series.floating = !counter || is_fractional(sample.name, suffix, sample.value);
  series.type = series.floating ? MetricType::kGauge : MetricType::kCounter;
  if (family) series.unit = suffix == "_bucket" || suffix == "_count" ? "" : family->unit;
  const std::string_view stem =
      std::string_view(sample.name).substr(0, sample.name.size() - suffix.size());
  if (const auto help = help_.find(stem); help != help_.end()) series.help = help->second;
  series.name = sample.name;
  std::ranges::replace(series.name, ':', '_');
  for (auto& [name, value] : sample.labels) {
    if (is_reserved_label(name)) name.insert(0, "exported_");
  }
  std::ranges::sort(sample.labels);
  series.labels = std::move(sample.labels);
  series.group = builder_.add_group("prometheus");
  std::string name = series_name(series.name, series.labels);
  if (const auto found = position_by_name_.find(name); found != position_by_name_.end()) {
    return found->second;
  }
  const std::size_t live = position_by_name_.size();
  // Each series repeats its help, which is for people: what is too long for that is left out.
  if (series.help.size() > kSeriesHelpBytesMax) series.help.clear();
  if (live >= kPrometheusSeriesMax ||
      text_size_bytes_ + 3 * name.size() > kPrometheusTextTotalBytesMax) {
    ++losses_.over_limit;
    return -1;
  }
  text_size_bytes_ += 3 * name.size();
  const auto position = static_cast<std::uint32_t>(known_.size());
  const bool floating = series.floating;
  known_.push_back({builder_.add(std::move(series)), 0, floating, true});
  position_by_name_.emplace(std::move(name), position);
  return position;
}

std::int64_t PrometheusDecoder::find_or_add(std::string_view line, std::size_t head_size_bytes) {
  const std::string_view head = line.substr(0, head_size_bytes);
  if (const auto found = position_by_head_.find(head); found != position_by_head_.end()) {
    return found->second;
  }
  auto sample = parse_prometheus_sample(line);
  if (!sample) {
    ++losses_.damaged;
    return -1;
  }
  ++sample_count_;
  // What a series is shall not hang on a first value that says nothing.
  if (!std::isfinite(sample->value)) {
    ++losses_.not_finite;
    return -1;
  }
  const std::int64_t position = add(std::move(*sample));
  if (position >= 0 && text_size_bytes_ + head.size() <= kPrometheusTextTotalBytesMax) {
    text_size_bytes_ += head.size();
    position_by_head_.emplace(head, static_cast<std::uint32_t>(position));
  }
  if (position >= 0) --sample_count_;  // counted by keep()
  return position;
}

void PrometheusDecoder::keep(std::int64_t position, const PrometheusNumber& number) {
  const double value = number.value;
  Known& known = known_[static_cast<std::size_t>(position)];
  ++sample_count_;
  known.last_seen = number_;
  // Its place is free for one that is, as where a series is new.
  if (!std::isfinite(value)) {
    ++losses_.not_finite;
    return;
  }
  if (std::exchange(known.last_valued, number_) == number_) {
    ++losses_.duplicate;
    return;
  }
  if (known.floating) {
    values_.emplace_back(known.index, std::bit_cast<std::uint64_t>(value));
  } else if (number.whole) {
    values_.emplace_back(known.index, *number.whole);
  } else if (value < 0 || value >= 0x1p64) {
    ++losses_.impossible;
  } else {
    values_.emplace_back(known.index, static_cast<std::uint64_t>(value));
  }
}

void PrometheusDecoder::take_sample(std::string_view line) {
  const std::size_t size_bytes = head_size(line);
  PrometheusNumber number;
  if (size_bytes == 0 || !read_tail(line.substr(size_bytes), number)) {
    ++losses_.damaged;
    return;
  }
  const std::int64_t position = find_or_add(line, size_bytes);
  if (position >= 0) keep(position, number);
}

void PrometheusDecoder::retire_missing() {
  bool any = false;
  for (Known& known : known_) {
    if (!known.live || known.last_seen + kMissingPagesMax > number_) continue;
    known.live = false;
    builder_.retire(known.index);
    any = true;
  }
  if (!any) return;
  if (const auto renumbered = builder_.compact(); !renumbered.empty()) {
    for (Known& known : known_) {
      if (known.live) known.index = renumbered[known.index];
    }
  }
  // Rare: whatever is still there is looked up anew.
  const auto gone = [&](const auto& entry) { return !known_[entry.second].live; };
  std::erase_if(position_by_head_, gone);
  std::erase_if(position_by_name_, gone);
  text_size_bytes_ = 0;
  for (const auto& [head, position] : position_by_head_) text_size_bytes_ += head.size();
  for (const auto& [name, position] : position_by_name_) text_size_bytes_ += 3 * name.size();
  for (const auto& [name, family] : families_) text_size_bytes_ += name.size();
  for (const auto& [name, help] : help_) text_size_bytes_ += help.size();
}

Result<SnapshotRef> PrometheusDecoder::decode(std::string_view page, std::uint64_t realtime_ns,
                                              std::uint64_t monotonic_ns) {
  if (++number_ % kRetirePeriodPages == 0) retire_missing();
  values_.clear();
  sample_count_ = 0;
  const std::uint64_t damaged_before = losses_.damaged;
  while (!page.empty()) {
    const std::size_t end = page.find('\n');
    std::string_view line = page.substr(0, end);
    page.remove_prefix(end == std::string_view::npos ? page.size() : end + 1);
    while (!line.empty() && (is_space(line.back()) || line.back() == '\r')) line.remove_suffix(1);
    std::size_t at = 0;
    skip_spaces(line, at);
    line.remove_prefix(at);
    if (line.empty()) continue;
    if (line.size() > kPrometheusLineBytesMax) {
      ++losses_.damaged;
    } else if (line == "# EOF") {
      break;
    } else if (line.front() == '#') {
      take_comment(line);
    } else {
      take_sample(line);
    }
  }
  if (sample_count_ == 0 && losses_.damaged > damaged_before) {
    return error("this is no page in the Prometheus text format");
  }
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->realtime_ns = realtime_ns;
  snapshot->monotonic_ns = monotonic_ns;
  snapshot->schema = builder_.publish();
  resize_to_schema(*snapshot);
  for (const auto& [index, bits] : values_) {
    snapshot->scalars[index] = bits;
    snapshot->present[index] = 1;
  }
  return SnapshotRef(std::move(snapshot));
}

}  // namespace rezolus
