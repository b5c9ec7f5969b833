// SPDX-License-Identifier: Apache-2.0 OR MIT
// Remote write 2.0: io.prometheus.write.v2.Request, compressed by snappy in its block format.

#include <string_view>
#include <unordered_map>

#include <google/protobuf/arena.h>
#include <snappy.h>

#include "io/prometheus/write/v2/types.pb.h"
#include "wire/native_spans.h"
#include "wire/remote_write.h"

namespace rezolus {
namespace {

namespace proto = ::io::prometheus::write::v2;

proto::Metadata::MetricType type_of(const std::string& type) {
  return type == "counter"     ? proto::Metadata::METRIC_TYPE_COUNTER
         : type == "gauge"     ? proto::Metadata::METRIC_TYPE_GAUGE
         : type == "histogram" ? proto::Metadata::METRIC_TYPE_HISTOGRAM
         : type == "summary"   ? proto::Metadata::METRIC_TYPE_SUMMARY
                               : proto::Metadata::METRIC_TYPE_UNSPECIFIED;
}

// Each text once; the first is the empty one.
class Symbols {
 public:
  explicit Symbols(proto::Request& request) : request_(request) { (void)find_or_add(""); }
  std::uint32_t find_or_add(std::string_view text) {
    const auto [at, added] = positions_.try_emplace(text, request_.symbols_size());
    if (added) request_.add_symbols(std::string(text));
    return static_cast<std::uint32_t>(at->second);
  }

 private:
  proto::Request& request_;
  // The texts are those of the series, which outlive the request.
  std::unordered_map<std::string_view, int> positions_;
};

void set_histogram(proto::Histogram& message, const RemoteSample& sample) {
  message.set_timestamp(sample.time_ms);
  if (sample.native == nullptr) {
    message.set_sum(sample.value);  // the end of the series
    message.set_count_int(0);
    message.set_zero_count_int(0);
    return;
  }
  const NativeHistogram& native = *sample.native;
  message.set_start_timestamp(sample.start_ms);
  message.set_count_int(native.count);
  message.set_sum(native.sum);
  message.set_schema(native.schema);
  if (native.bounds != nullptr) {
    message.mutable_custom_values()->Add(native.bounds->begin(), native.bounds->end());
  } else {
    message.set_zero_threshold(kNativeZeroThreshold);
    message.set_zero_count_int(native.zeros);
  }
  write_native_spans(
      native.buckets,
      [&](std::int32_t offset) { message.add_positive_spans()->set_offset(offset); },
      [&](std::int64_t delta) {
        auto& span = *message.mutable_positive_spans(message.positive_spans_size() - 1);
        span.set_length(span.length() + 1);
        message.add_positive_deltas(delta);
      });
}

}  // namespace

Result<std::string> encode_remote_write_2(const RemoteWriteRequest& request) {
  google::protobuf::Arena arena;
  auto& message = *google::protobuf::Arena::CreateMessage<proto::Request>(&arena);
  Symbols symbols(message);
  for (const RemoteTimeSeries& series : request.series) {
    proto::TimeSeries& to = *message.add_timeseries();
    for (const auto& [name, value] : series.series->labels) {
      to.add_labels_refs(symbols.find_or_add(name));
      to.add_labels_refs(symbols.find_or_add(value));
    }
    for (const RemoteSample& sample : series.samples) {
      if (series.series->native) {
        set_histogram(*to.add_histograms(), sample);
      } else {
        proto::Sample& one = *to.add_samples();
        one.set_value(sample.value);
        one.set_timestamp(sample.time_ms);
        one.set_start_timestamp(sample.start_ms);
      }
    }
    const RemoteMetadata& metadata = *series.series->metadata;
    to.mutable_metadata()->set_type(type_of(metadata.type));
    to.mutable_metadata()->set_help_ref(symbols.find_or_add(metadata.help));
    to.mutable_metadata()->set_unit_ref(symbols.find_or_add(metadata.unit));
  }
  std::string plain;
  if (!message.SerializeToString(&plain)) return error("a request of remote write is too large");
  std::string body;
  snappy::Compress(plain.data(), plain.size(), &body);
  return body;
}

}  // namespace rezolus
