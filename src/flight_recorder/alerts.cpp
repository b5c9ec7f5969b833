// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/alerts.h"

#include <algorithm>
#include <set>

#include "flight_recorder/shallow_json.h"

namespace rezolus {
namespace {

using nlohmann::json;

constexpr std::size_t kFingerprintBytesMax = 64;
constexpr std::size_t kTextBytesMax = 1024;
constexpr int kDepthMax = 16;
// The details become an argument of the converter, and those are limited.
constexpr std::size_t kLabelsBytesMax = 8u << 10;

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  return found->get<std::string>();
}

// Between two characters.
std::string shortened(std::string text) {
  if (text.size() <= kTextBytesMax) return text;
  std::size_t end = kTextBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text + "…";
}

Result<Alert> read_alert(const json& entry, const json& message) {
  const auto labels = entry.find("labels");
  if (labels == entry.end() || !labels->is_object()) return error("an alert has no labels");
  Alert alert;
  alert.fingerprint = text_of(entry, "fingerprint");
  if (alert.fingerprint.empty() || alert.fingerprint.size() > kFingerprintBytesMax) {
    return error("an alert has no fingerprint");
  }
  alert.name = shortened(text_of(*labels, "alertname"));
  json kept = json::object();
  std::size_t size_bytes = 0;
  std::size_t left_out = 0;
  for (const auto& [name, value] : labels->items()) {
    if (!value.is_string()) return error("the label {} is no text", shortened(name));
    std::string text = shortened(value.get<std::string>());
    size_bytes += name.size() + text.size();
    if (size_bytes > kLabelsBytesMax) {
      ++left_out;
    } else {
      kept[name] = std::move(text);
    }
  }
  alert.details = {{"alert", alert.name},
                   {"fingerprint", alert.fingerprint},
                   {"labels", std::move(kept)},
                   {"starts_at", shortened(text_of(entry, "startsAt"))},
                   {"generator_url", shortened(text_of(entry, "generatorURL"))},
                   {"receiver", shortened(text_of(message, "receiver"))},
                   {"alertmanager_url", shortened(text_of(message, "externalURL"))}};
  if (left_out > 0) alert.details["labels_left_out"] = left_out;
  return alert;
}

}  // namespace

Result<std::vector<Alert>> parse_firing_alerts(std::string_view body) {
  const json message = parse_shallow_json(body, kDepthMax);
  if (!message.is_object())
    return error("the body is no JSON object; POST an Alertmanager's webhook");
  if (const std::string version = text_of(message, "version"); version != "4") {
    return error("this is version '{}' of the webhook; 4 is understood", shortened(version));
  }
  const auto entries = message.find("alerts");
  if (entries == message.end() || !entries->is_array()) return error("there is no list of alerts");
  std::vector<Alert> firing;
  std::set<std::string> seen;
  for (const json& entry : *entries) {
    if (!entry.is_object()) return error("an alert is no JSON object");
    if (text_of(entry, "status") != "firing") continue;
    auto alert = read_alert(entry, message);
    if (!alert) return std::unexpected(std::move(alert.error()));
    if (seen.insert(alert->fingerprint).second) firing.push_back(std::move(*alert));
  }
  return firing;
}

AlertCooldown::Verdict AlertCooldown::take(const std::string& fingerprint, std::uint64_t now_ns) {
  const std::lock_guard lock(mutex_);
  std::erase_if(taken_ns_,
                [&](const auto& entry) { return now_ns - entry.second >= cooldown_ns_; });
  if (taken_ns_.contains(fingerprint)) return Verdict::kCooling;
  if (taken_ns_.size() >= kAlertsMax) return Verdict::kFull;
  taken_ns_[fingerprint] = now_ns;
  return Verdict::kTake;
}

void AlertCooldown::resume(const std::string& fingerprint, std::uint64_t age_ns,
                           std::uint64_t now_ns) {
  const std::lock_guard lock(mutex_);
  if (taken_ns_.size() < kAlertsMax) taken_ns_[fingerprint] = now_ns - age_ns;
}

void AlertCooldown::give_back(const std::string& fingerprint) {
  const std::lock_guard lock(mutex_);
  taken_ns_.erase(fingerprint);
}

}  // namespace rezolus
