// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "push/protocol.h"

#include <algorithm>
#include <cstdlib>

#include "http/compression.h"
#include "wire/otlp.h"

namespace rezolus {
namespace {

using Outcome = PushAnswer::Outcome;

constexpr std::uint64_t kRetryAfterNsMax = 600 * kNsPerSecond;
constexpr const char* kSamplesWritten = "X-Prometheus-Remote-Write-Samples-Written";
constexpr const char* kHistogramsWritten = "X-Prometheus-Remote-Write-Histograms-Written";
constexpr const char* kProtobufType = "application/x-protobuf";
constexpr std::size_t kAnswerShownMax = 200;

std::string shown(std::string_view body) {
  std::string text(body.substr(0, kAnswerShownMax));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text.empty() ? "no reason given" : text;
}

std::string problem_of(const HttpResponse& response) {
  return fmt::format("it answers {}: {}", response.status, shown(response.body));
}

PushAnswer retry(const HttpResponse& response) {
  return {.outcome = Outcome::kRetry,
          .wait_ns = std::min(response.retry_after_seconds, kRetryAfterNsMax / kNsPerSecond) *
                     kNsPerSecond,
          .problem = problem_of(response)};
}

bool succeeded(const HttpResponse& response) { return response.status / 100 == 2; }

PushAnswer understand_first(const HttpResponse& response) {
  const int status = response.status;
  if (succeeded(response)) return {.outcome = Outcome::kDelivered};
  if (status >= 500 || status == 429) return retry(response);
  if (status == 413) return {.outcome = Outcome::kTooLarge, .problem = problem_of(response)};
  const bool divisible = status == 400 || status == 422;
  return {.outcome = divisible ? Outcome::kTooMuch : Outcome::kRefused,
          .problem = problem_of(response)};
}

PushAnswer understand_second(const HttpResponse& response, std::size_t sample_count) {
  if (response.status == 415) {
    return {.outcome = Outcome::kRetry,
            .problem = problem_of(response) +
                       "; is it one that takes remote write 2.0? For others write protocol = "
                       "\"remote-write-1.0\""};
  }
  if (!succeeded(response)) return understand_first(response);
  std::uint64_t written = 0;
  for (const auto& [name, value] : response.headers) {
    written += std::strtoull(value.c_str(), nullptr, 10);
  }
  // Receivers of 1.0 find nothing in a request of 2.0, and say that all is well.
  if (response.headers.empty() && sample_count > 0) {
    return {.outcome = Outcome::kRetry,
            .problem =
                "it does not say how much it has written, as receivers of remote write "
                "2.0 do; for others write protocol = \"remote-write-1.0\""};
  }
  return {.outcome = Outcome::kDelivered,
          .unwritten = sample_count - std::min<std::uint64_t>(written, sample_count)};
}

// The specification names what may be sent again; all else is final.
PushAnswer understand_otlp(const HttpResponse& response, std::size_t sample_count) {
  const int status = response.status;
  if (status == 429 || status == 502 || status == 503 || status == 504) return retry(response);
  if (!succeeded(response)) {
    return {.outcome = status == 413 ? Outcome::kTooLarge : Outcome::kRefused,
            .problem = problem_of(response)};
  }
  PushAnswer delivered{.outcome = Outcome::kDelivered};
  // Some answer with a text or JSON, which says no more than the status does.
  if (response.content_type != kProtobufType) return delivered;
  auto answer = read_otlp_answer(response.body);
  if (!answer) {
    delivered.problem = answer.error().message;
    return delivered;
  }
  delivered.unwritten = std::min<std::uint64_t>(answer->rejected_points, sample_count);
  if (delivered.unwritten != 0 || !answer->message.empty()) {
    delivered.problem = fmt::format("it says: {}", shown(answer->message));
  }
  return delivered;
}

}  // namespace

Result<PushBody> encode_push(const PushTarget& target, const Labels& resource,
                             const RemoteWriteRequest& request) {
  Result<std::string> bytes;
  switch (target.protocol) {
    case PushProtocol::kRemoteWrite1:
      bytes = encode_remote_write_1(request);
      break;
    case PushProtocol::kRemoteWrite2:
      bytes = encode_remote_write_2(request);
      break;
    case PushProtocol::kOtlp:
      bytes = encode_otlp(request, {.naming = target.naming,
                                    .exponential = target.histograms == RemoteHistograms::kNative,
                                    .resource = resource});
      break;
  }
  if (!bytes) return std::unexpected(std::move(bytes.error()));
  const std::size_t plain_size_bytes = bytes->size();
  if (target.protocol == PushProtocol::kOtlp && target.gzip) {
    bytes = http::compress(http::Coding::kGzip, *bytes);
    if (!bytes) return std::unexpected(std::move(bytes.error()));
  }
  return PushBody{std::move(*bytes), plain_size_bytes};
}

void add_push_headers(const PushTarget& target, HttpPost& post) {
  std::vector<std::string> lines;
  switch (target.protocol) {
    case PushProtocol::kRemoteWrite1:
      lines = {"Content-Type: application/x-protobuf", "X-Prometheus-Remote-Write-Version: 0.1.0",
               "Content-Encoding: snappy"};
      break;
    case PushProtocol::kRemoteWrite2:
      lines = {"Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request",
               "X-Prometheus-Remote-Write-Version: 2.0.0", "Content-Encoding: snappy"};
      post.wanted_headers = {kSamplesWritten, kHistogramsWritten};
      break;
    case PushProtocol::kOtlp:
      lines = {"Content-Type: application/x-protobuf"};
      if (target.gzip) lines.emplace_back("Content-Encoding: gzip");
      break;
  }
  lines.emplace_back("Expect:");
  post.headers.insert(post.headers.end(), lines.begin(), lines.end());
}

PushAnswer understand_push(const PushTarget& target, const HttpResponse& response,
                           std::size_t sample_count) {
  switch (target.protocol) {
    case PushProtocol::kRemoteWrite1:
      return understand_first(response);
    case PushProtocol::kRemoteWrite2:
      return understand_second(response, sample_count);
    case PushProtocol::kOtlp:
      break;
  }
  return understand_otlp(response, sample_count);
}

}  // namespace rezolus
