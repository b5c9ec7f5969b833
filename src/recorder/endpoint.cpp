// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/endpoint.h"

#include <algorithm>

#include "http/access_keys.h"
#include "recorder/prometheus_source.h"
#include "recorder/stream_source.h"

namespace rezolus {
namespace {

constexpr std::string_view kAgentPath = "/metrics/binary";

Result<Protocol> parse_protocol(std::string_view text) {
  if (text == "auto") return Protocol::kAuto;
  if (text == "rezolus" || text == "msgpack") return Protocol::kRezolus;
  if (text == "prometheus") return Protocol::kPrometheus;
  return usage_error("protocol '{}' is not known; it is rezolus, prometheus or auto", text);
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
  Endpoint endpoint;
  const std::size_t comma = text.find(',');
  const std::string_view address = text.substr(0, comma);
  HttpAccess access;
  std::string_view rest = comma == text.npos ? std::string_view() : text.substr(comma + 1);
  while (!rest.empty()) {
    const std::string_view option = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), option.size() + 1));
    if (option.find('@') != option.npos) {  // not repeated: it may be a part of a password
      return usage_error(
          "what stands behind a comma of '{}' is no option; a comma in a password is written %2C",
          shown_url(text));
    }
    const std::size_t equals = option.find('=');
    const std::string_view key = option.substr(0, equals);
    const std::string_view value = equals == option.npos ? "" : option.substr(equals + 1);
    if (value.empty()) return usage_error("'{}' needs a value: {}=…", key, key);
    auto of_access = set_access(access, key, std::string(value));
    if (!of_access) return std::unexpected(std::move(of_access.error()));
    if (!*of_access && key != "source" && key != "role" && key != "protocol") {
      return usage_error(
          "'{}' is no option of an endpoint; there are source, role, protocol, ca_file, cert_file, "
          "key_file, username, password_file, bearer_token_file and insecure_skip_verify",
          key);
    }
    if (key == "source") endpoint.source = value;
    if (key == "role") endpoint.role = value;
    if (key != "protocol") continue;
    auto protocol = parse_protocol(value);
    if (!protocol) return std::unexpected(std::move(protocol.error()));
    endpoint.protocol = *protocol;
  }
  auto url = parse_url(address, access);
  if (!url) return std::unexpected(std::move(url.error()));
  if (auto right = check_access(url->access); !right) {
    return context(shown_url(address), std::move(right.error()));
  }
  endpoint.url = std::move(*url);
  return endpoint;
}

EndpointSource::EndpointSource(Endpoint endpoint, std::uint64_t timeout_ms,
                               const std::atomic<bool>* cancel)
    : endpoint_(std::move(endpoint)),
      timeout_ms_(timeout_ms),
      cancel_(cancel),
      protocol_(endpoint_.protocol) {
  const std::string& path = endpoint_.url.path;
  if (protocol_ == Protocol::kAuto && path == kAgentPath) protocol_ = Protocol::kRezolus;
  if (protocol_ != Protocol::kAuto) source_ = make(protocol_);
}

std::unique_ptr<SnapshotSource> EndpointSource::make(Protocol protocol) const {
  if (protocol == Protocol::kRezolus) {
    auto agent = std::make_unique<StreamSource>(endpoint_.url, timeout_ms_, cancel_);
    if (at_once_) agent->read_at_once();
    return agent;
  }
  return std::make_unique<PrometheusSource>(endpoint_.url, timeout_ms_, cancel_);
}

Result<Protocol> EndpointSource::ask_protocol() const {
  const Url& url = endpoint_.url;
  HttpClient client(cancel_);
  // What an agent likes to send is asked for first; a server that knows only one kind sends that.
  auto answer = client.get(url,
                           {fmt::format("Accept: {},{};q=0.9,{}", kFrameMediaType,
                                        kMsgpackContentType, kPrometheusAccept)},
                           timeout_ms_);
  if (!answer) return std::unexpected(std::move(answer.error()));
  if (answer->status != 200) {
    return status_error(url, answer->status);
  }
  const std::string& type = answer->content_type;
  if (type == kFrameMediaType || type == kMsgpackContentType) return Protocol::kRezolus;
  if (type == "text/plain" || type == "application/openmetrics-text" || type.empty()) {
    return Protocol::kPrometheus;
  }
  return error(
      "{} answered with {}, which is neither an agent's snapshot nor a Prometheus page; where it "
      "is "
      "one all the same, say so with --endpoint URL,protocol=prometheus",
      url.display(), type);
}

Result<SnapshotRef> EndpointSource::sample() {
  if (source_ != nullptr) return source_->sample();
  if (endpoint_.url.path != "/") {
    auto protocol = ask_protocol();
    if (!protocol) return std::unexpected(std::move(protocol.error()));
    auto candidate = make(*protocol);
    auto snapshot = candidate->sample();
    if (!snapshot) return snapshot;
    protocol_ = *protocol;
    source_ = std::move(candidate);
    return snapshot;
  }
  Error first;
  for (const Protocol protocol : {Protocol::kRezolus, Protocol::kPrometheus}) {
    auto candidate = make(protocol);
    auto snapshot = candidate->sample();
    if (snapshot) {
      source_ = std::move(candidate);
      protocol_ = protocol;
      return snapshot;
    }
    if (protocol == Protocol::kRezolus) first = std::move(snapshot.error());
  }
  return std::unexpected(std::move(first));
}

Result<bool> EndpointSource::begin_ticks(std::uint64_t interval_ns) {
  return source_ ? source_->begin_ticks(interval_ns) : Result<bool>(false);
}

Result<std::optional<SourceEvent>> EndpointSource::next(std::uint64_t deadline_ns) {
  CHECK(source_ != nullptr, "only what is known keeps time");
  return source_->next(deadline_ns);
}

std::string EndpointSource::description() const {
  return source_ ? source_->description() : endpoint_.url.display();
}

SourceMetadata EndpointSource::facts() {
  if (!source_) return {};
  SourceMetadata facts = source_->facts();
  facts.try_emplace(std::string(kMetaSource), name());
  return facts;
}

AbsentReasons EndpointSource::absent_reasons() {
  return source_ ? source_->absent_reasons() : AbsentReasons();
}

std::string EndpointSource::complaint() const { return source_ ? source_->complaint() : ""; }

std::string EndpointSource::name() const {
  if (!endpoint_.source.empty()) return endpoint_.source;
  if (protocol_ == Protocol::kRezolus) return "rezolus";
  const std::string& where =
      endpoint_.url.unix_socket.empty() ? endpoint_.url.origin : endpoint_.url.unix_socket;
  std::string name = where.substr(where.find("://") == where.npos ? 0 : where.find("://") + 3);
  std::ranges::replace(name, ':', '-');
  return name;
}

}  // namespace rezolus
