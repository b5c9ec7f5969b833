// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/parquet/overview.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "recording/parquet/joined_stream.h"

namespace rezolus {
namespace {

// The interval as upstream's reader wants it: it gives up on anything but a whole number.
std::string interval_ms(const Overview& overview, const SourceMetadata& metadata,
                        std::optional<std::uint64_t> given) {
  if (given) return std::to_string(*given);
  const auto known = metadata.find(std::string(kMetaSamplingIntervalMs));
  if (known != metadata.end()) {
    const std::string& text = known->second;
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && value > 0) {
      return text;
    }
  }
  const std::uint64_t measured_ms = measured_interval_ms(overview);
  return std::to_string(measured_ms == 0 ? 1000 : measured_ms);
}

std::string to_text(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

// What per_source_metadata says of a source's ticks.
constexpr std::array<const char*, 4> kTickFacts = {"first_sample_ns", "last_sample_ns",
                                                   "missed_ticks", "lost_ticks"};

// What the recording says of its sources stays. facts are of all of them together: what is not said is
// added where there is but one.
void put_facts(const nlohmann::ordered_json& facts, SourceMetadata& metadata) {
  const std::vector<std::string> sources = source_names(metadata[std::string(kMetaSource)]);
  nlohmann::ordered_json per_source;
  for (const std::string& source : sources) per_source[source] = facts;
  const auto [said, is_new] =
      metadata.try_emplace(std::string(kMetaPerSource), to_text(per_source));
  if (is_new || sources.size() != 1) return;
  auto known = nlohmann::ordered_json::parse(said->second, nullptr, false);
  if (!known.is_object()) return;
  auto& about = known[sources.front()];
  if (!about.is_object() && !about.is_null()) return;
  bool added = false;
  for (const char* key : kTickFacts) {
    if (about.contains(key) || !facts.contains(key)) continue;
    about[key] = facts.at(key);
    added = true;
  }
  if (added) said->second = to_text(known);
}

}  // namespace

std::map<std::string, std::string> read_text_map(const SourceMetadata& metadata,
                                                 std::string_view key) {
  std::map<std::string, std::string> texts;
  const auto found = metadata.find(std::string(key));
  if (found == metadata.end()) return texts;
  const auto json = nlohmann::json::parse(found->second, nullptr, false);
  if (!json.is_object()) return texts;
  for (const auto& [metric, text] : json.items()) {
    if (text.is_string()) texts[metric] = text.get<std::string>();
  }
  return texts;
}

std::uint64_t measured_interval_ms(const Overview& overview) {
  if (overview.intervals_ns.empty()) return 0;
  std::vector<std::uint64_t> intervals_ns = overview.intervals_ns;
  const auto middle = intervals_ns.begin() + static_cast<std::ptrdiff_t>(intervals_ns.size() / 2);
  std::nth_element(intervals_ns.begin(), middle, intervals_ns.end());
  return std::max<std::uint64_t>(1, (*middle + kNsPerMs / 2) / kNsPerMs);
}

SourceMetadata metadata_of(const SnapshotStream& recording) {
  SourceMetadata metadata = recording.metadata();
  const auto said = metadata.find(std::string(kMetaPerSource));
  if (!recording.is_cut() || said == metadata.end()) return metadata;
  auto per_source = nlohmann::ordered_json::parse(said->second, nullptr, false);
  if (!per_source.is_object()) return metadata;
  for (auto& facts : per_source) {
    for (const char* key : kTickFacts) {
      if (facts.is_object()) facts.erase(key);
    }
  }
  said->second = to_text(per_source);
  return metadata;
}

void Overview::add(const Snapshot& snapshot) {
  if (rows == 0) {
    first_ns = snapshot.realtime_ns;
  } else if (snapshot.realtime_ns <= last_ns) {
    ++clock_set_back_count;
  } else if (intervals_ns.size() < kMeasuredIntervalsMax) {
    intervals_ns.push_back(snapshot.realtime_ns - last_ns);
  }
  last_ns = snapshot.realtime_ns;
  ++rows;
}

void Overview::finish(const SnapshotStream& recording) {
  metadata = metadata_of(recording);
  missed_ticks = recording.missed_count();
  loss = recording.loss();
  // A recorder that did not come to its end has not noted it.
  const auto log = recording.log_shape();
  if (log && !log->finished) metadata.try_emplace(std::string(kMetaMissedTicks));
}

std::shared_ptr<arrow::KeyValueMetadata> make_footer(const Overview& overview,
                                                     const SourceMetadata& more,
                                                     std::optional<std::uint64_t> interval) {
  SourceMetadata metadata = overview.metadata;
  for (const auto& [key, value] : more) metadata[key] = value;
  metadata.try_emplace(std::string(kMetaSource), "rezolus");
  metadata[std::string(kMetaSamplingIntervalMs)] = interval_ms(overview, metadata, interval);
  // Of a log, it is of the whole of it, and less those that cannot be read. With another interval, there
  // are other ticks.
  const auto missed = metadata.find(std::string(kMetaMissedTicks));
  if (missed != metadata.end() && interval) {
    metadata.erase(missed);
  } else if (missed != metadata.end()) {
    missed->second = std::to_string(overview.missed_ticks + overview.loss.ticks);
  }
  if (!metadata.contains(std::string(kMetaDescriptions))) {
    metadata[std::string(kMetaDescriptions)] = to_text(nlohmann::ordered_json(overview.help));
  }
  if (!overview.samplers.empty()) {
    metadata[std::string(kMetaSamplers)] = to_text(nlohmann::ordered_json(overview.samplers));
  }
  nlohmann::ordered_json facts = {{"first_sample_ns", overview.first_ns},
                                  {"last_sample_ns", overview.last_ns},
                                  {"missed_ticks", overview.missed_ticks},
                                  {"lost_ticks", overview.loss.ticks}};
  if (interval) facts.erase("missed_ticks");  // as above
  const auto status = metadata.find(std::string(kMetaSamplerStatus));
  if (status != metadata.end()) {
    auto parsed = nlohmann::ordered_json::parse(status->second, nullptr, false);
    if (!parsed.is_discarded()) facts["sampler_status"] = std::move(parsed);
    metadata.erase(status);
  }
  put_facts(facts, metadata);
  metadata.erase(std::string(kMetaEndpoint));
  auto pairs = std::make_shared<arrow::KeyValueMetadata>();
  for (const auto& [key, value] : metadata) pairs->Append(key, value);
  return pairs;
}

}  // namespace rezolus
