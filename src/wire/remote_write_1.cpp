// SPDX-License-Identifier: Apache-2.0 OR MIT
// Remote write 1.0: prometheus.WriteRequest, compressed by snappy in its block format.

#include <bit>

#include <google/protobuf/arena.h>
#include <snappy.h>

#include "remote.pb.h"
#include "wire/native_spans.h"
#include "wire/remote_write.h"

namespace rezolus {
namespace {

using Type = prometheus::MetricMetadata;

Type::MetricType type_of(const std::string& type) {
  return type == "counter"     ? Type::COUNTER
         : type == "gauge"     ? Type::GAUGE
         : type == "histogram" ? Type::HISTOGRAM
         : type == "summary"   ? Type::SUMMARY
                               : Type::UNKNOWN;
}

void set_histogram(prometheus::Histogram& message, const RemoteSample& sample) {
  message.set_timestamp(sample.time_ms);
  if (sample.native == nullptr) {
    message.set_sum(sample.value);  // the end of the series
    message.set_count_int(0);
    message.set_zero_count_int(0);
    return;
  }
  const NativeHistogram& native = *sample.native;
  CHECK(native.bounds == nullptr, "remote write 1.0 has no buckets with bounds of their own");
  message.set_count_int(native.count);
  message.set_sum(native.sum);
  message.set_schema(native.schema);
  message.set_zero_threshold(kNativeZeroThreshold);
  message.set_zero_count_int(native.zeros);
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

bool has_remote_write() { return true; }

Result<std::string> encode_remote_write_1(const RemoteWriteRequest& request) {
  google::protobuf::Arena arena;
  auto& message = *google::protobuf::Arena::CreateMessage<prometheus::WriteRequest>(&arena);
  for (const RemoteTimeSeries& series : request.series) {
    prometheus::TimeSeries& to = *message.add_timeseries();
    for (const auto& [name, value] : series.series->labels) {
      prometheus::Label& label = *to.add_labels();
      label.set_name(name);
      label.set_value(value);
    }
    for (const RemoteSample& sample : series.samples) {
      if (series.series->native) {
        set_histogram(*to.add_histograms(), sample);
      } else {
        prometheus::Sample& one = *to.add_samples();
        one.set_value(sample.value);
        one.set_timestamp(sample.time_ms);
      }
    }
  }
  for (const RemoteMetadata& metadata : request.metadata) {
    prometheus::MetricMetadata& to = *message.add_metadata();
    to.set_type(type_of(metadata.type));
    to.set_metric_family_name(metadata.family);
    to.set_help(metadata.help);
    to.set_unit(metadata.unit);
  }
  std::string plain;
  if (!message.SerializeToString(&plain)) return error("a request of remote write is too large");
  std::string body;
  snappy::Compress(plain.data(), plain.size(), &body);
  return body;
}

}  // namespace rezolus
