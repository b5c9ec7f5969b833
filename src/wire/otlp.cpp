// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/otlp.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <map>
#include <tuple>

#include <google/protobuf/arena.h>

#include "base/clock.h"
#include "base/version.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb.h"

namespace rezolus {
namespace {

namespace metrics = ::opentelemetry::proto::metrics::v1;
namespace common = ::opentelemetry::proto::common::v1;
using Request = ::opentelemetry::proto::collector::metrics::v1::ExportMetricsServiceRequest;
using Response = ::opentelemetry::proto::collector::metrics::v1::ExportMetricsServiceResponse;

constexpr double kIntegerMax = 0x1p63;

void set_attribute(common::KeyValue& attribute, std::string_view key, std::string_view value) {
  attribute.set_key(std::string(key));
  std::int64_t number = 0;
  if (key == kOtlpCpuNumber &&
      std::from_chars(value.data(), value.data() + value.size(), number).ptr ==
          value.data() + value.size()) {
    attribute.mutable_value()->set_int_value(number);
  } else {
    attribute.mutable_value()->set_string_value(std::string(value));
  }
}

// Writes the samples of series into one metric after the other.
class Writer {
 public:
  Writer(metrics::ScopeMetrics& scope, const OtlpOptions& options)
      : scope_(scope), naming_(options.naming), exponential_(options.exponential) {}

  void write(const RemoteTimeSeries& series) {
    const RemoteSeries& of = *series.series;
    OtlpName name = otlp_name(of, naming_);
    const std::string& type = of.metadata->type;
    const bool level = name.level && type == "gauge";
    metrics::Metric& metric = find_or_add(name, of);
    for (const RemoteSample& sample : series.samples) {
      if (type == "histogram" && exponential_) {
        add_exponential(*metric.mutable_exponential_histogram(), of, sample);
      } else if (type == "histogram") {
        add_histogram(*metric.mutable_histogram(), of, sample);
      } else if (type == "summary") {
        add_summary(*metric.mutable_summary(), of, sample);
      } else if (type == "counter" || level) {
        metrics::Sum& sum = *metric.mutable_sum();
        sum.set_aggregation_temporality(metrics::AGGREGATION_TEMPORALITY_CUMULATIVE);
        sum.set_is_monotonic(type == "counter");
        add_number(*sum.add_data_points(), of, sample);
      } else {
        add_number(*metric.mutable_gauge()->add_data_points(), of, sample);
      }
    }
  }

 private:
  // Metrics may be made of several families, and families may be cut by what a convention knows.
  metrics::Metric& find_or_add(const OtlpName& name, const RemoteSeries& series) {
    const auto [at, added] =
        metrics_.try_emplace({name.name, series.metadata->type, name.unit}, nullptr);
    if (added) {
      at->second = scope_.add_metrics();
      at->second->set_name(name.name);
      at->second->set_unit(name.unit);
      at->second->set_description(series.metadata->help);
    }
    return *at->second;
  }

  // The end of a series has no value; false then.
  template <typename Point>
  bool begin(Point& point, const RemoteSeries& series, const RemoteSample& sample, bool ended) {
    for (const auto& [key, value] : series.labels) {
      if (key == "__name__") continue;
      const auto [name, text] = otlp_attribute(series, naming_, key, value);
      set_attribute(*point.add_attributes(), name, text);
    }
    point.set_start_time_unix_nano(static_cast<std::uint64_t>(sample.start_ms) * kNsPerMs);
    point.set_time_unix_nano(static_cast<std::uint64_t>(sample.time_ms) * kNsPerMs);
    if (ended) point.set_flags(metrics::DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK);
    return !ended;
  }

  void add_number(metrics::NumberDataPoint& point, const RemoteSeries& series,
                  const RemoteSample& sample) {
    const bool ended = std::bit_cast<std::uint64_t>(sample.value) == kStaleBits;
    if (!begin(point, series, sample, ended)) return;
    const RemoteMetadata& metadata = *series.metadata;
    const bool whole = !metadata.own_name.empty() && !metadata.seconds &&
                       std::abs(sample.value) < kIntegerMax &&
                       std::trunc(sample.value) == sample.value;
    if (whole) {
      point.set_as_int(static_cast<std::int64_t>(sample.value));
    } else {
      point.set_as_double(sample.value);
    }
  }

  void add_histogram(metrics::Histogram& histogram, const RemoteSeries& series,
                     const RemoteSample& sample) {
    histogram.set_aggregation_temporality(metrics::AGGREGATION_TEMPORALITY_CUMULATIVE);
    metrics::HistogramDataPoint& point = *histogram.add_data_points();
    if (!begin(point, series, sample, sample.native == nullptr)) return;
    const NativeHistogram& native = *sample.native;
    CHECK(native.bounds != nullptr, "a histogram of explicit bounds has bounds");
    point.set_count(native.count);
    point.set_sum(native.sum);
    point.mutable_explicit_bounds()->Add(native.bounds->begin(), native.bounds->end());
    auto& counts = *point.mutable_bucket_counts();
    counts.Resize(static_cast<int>(native.bounds->size() + 1), 0);
    for (const auto& [index, count] : native.buckets) counts.Set(index, count);
  }

  // Bucket i of ours ends at 2^(i / 2^schema), theirs begins there.
  void add_exponential(metrics::ExponentialHistogram& histogram, const RemoteSeries& series,
                       const RemoteSample& sample) {
    histogram.set_aggregation_temporality(metrics::AGGREGATION_TEMPORALITY_CUMULATIVE);
    metrics::ExponentialHistogramDataPoint& point = *histogram.add_data_points();
    if (!begin(point, series, sample, sample.native == nullptr)) return;
    const NativeHistogram& native = *sample.native;
    point.set_count(native.count);
    point.set_sum(native.sum);
    point.set_scale(native.schema);
    point.set_zero_count(native.zeros);
    if (native.buckets.empty()) return;
    const std::int32_t first = native.buckets.begin()->first;
    metrics::ExponentialHistogramDataPoint::Buckets& buckets = *point.mutable_positive();
    buckets.set_offset(first - 1);
    buckets.mutable_bucket_counts()->Resize(native.buckets.rbegin()->first - first + 1, 0);
    for (const auto& [index, count] : native.buckets)
      buckets.set_bucket_counts(index - first, count);
  }

  void add_summary(metrics::Summary& summary, const RemoteSeries& series,
                   const RemoteSample& sample) {
    metrics::SummaryDataPoint& point = *summary.add_data_points();
    if (!begin(point, series, sample, sample.native == nullptr)) return;
    point.set_count(sample.native->count);
    point.set_sum(sample.native->sum);
    for (const auto& [quantile, value] : sample.native->quantiles) {
      auto& one = *point.add_quantile_values();
      one.set_quantile(quantile);
      one.set_value(value);
    }
  }

  metrics::ScopeMetrics& scope_;
  const OtlpNaming naming_;
  const bool exponential_;
  // By name, type and unit.
  std::map<std::tuple<std::string, std::string, std::string>, metrics::Metric*> metrics_;
};

}  // namespace

bool has_otlp() { return true; }

Result<std::string> encode_otlp(const RemoteWriteRequest& request, const OtlpOptions& options) {
  google::protobuf::Arena arena;
  auto& message = *google::protobuf::Arena::CreateMessage<Request>(&arena);
  metrics::ResourceMetrics& resource = *message.add_resource_metrics();
  for (const auto& [key, value] : options.resource) {
    if (!value.empty()) set_attribute(*resource.mutable_resource()->add_attributes(), key, value);
  }
  metrics::ScopeMetrics& scope = *resource.add_scope_metrics();
  scope.mutable_scope()->set_name("rezolus");
  scope.mutable_scope()->set_version(std::string(kVersion));
  Writer writer(scope, options);
  for (const RemoteTimeSeries& series : request.series) writer.write(series);
  std::string body;
  if (!message.SerializeToString(&body)) return error("a request of OTLP is too large");
  return body;
}

Result<OtlpAnswer> read_otlp_answer(std::string_view body) {
  Response response;
  if (!response.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return error("the answer is no ExportMetricsServiceResponse");
  }
  const auto& partial = response.partial_success();
  return OtlpAnswer{
      static_cast<std::uint64_t>(std::max<std::int64_t>(partial.rejected_data_points(), 0)),
      partial.error_message()};
}

}  // namespace rezolus
