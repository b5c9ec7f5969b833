// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/prometheus_protobuf.h"

#include <cstdlib>
#include <optional>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/delimited_message_util.h>

#include "base/clock.h"
#include "io/prometheus/client/metrics.pb.h"
#include "wire/native_spans.h"

namespace rezolus {
namespace {

namespace proto = ::io::prometheus::client;

void set_labels(proto::Metric& metric, const Labels& labels) {
  for (const auto& [key, value] : labels) {
    proto::LabelPair& pair = *metric.add_label();
    pair.set_name(key);
    pair.set_value(value);
  }
}

// Of a counter, a histogram or a summary.
template <typename Message>
void set_created(Message& message, std::optional<std::uint64_t> start_ns) {
  if (!start_ns) return;
  message.mutable_created_timestamp()->set_seconds(
      static_cast<std::int64_t>(*start_ns / kNsPerSecond));
  message.mutable_created_timestamp()->set_nanos(static_cast<std::int32_t>(*start_ns % kNsPerSecond));
}

void set_native(proto::Histogram& histogram, const PrometheusPage::HistogramTotal& total,
                int schema) {
  histogram.set_schema(schema);
  histogram.set_zero_threshold(kNativeZeroThreshold);
  histogram.set_zero_count(total.zeros);
  proto::BucketSpan* span = nullptr;
  write_native_spans(
      total.native,
      [&](std::int32_t offset) {
        span = histogram.add_positive_span();
        span->set_offset(offset);
        span->set_length(0);
      },
      [&](std::int64_t delta) {
        histogram.add_positive_delta(delta);
        span->set_length(span->length() + 1);
      });
  // A native histogram without a span would be taken for a classic one.
  if (total.native.empty()) {
    span = histogram.add_positive_span();
    span->set_offset(0);
    span->set_length(0);
  }
}

void set_histogram(proto::Histogram& histogram, const PrometheusPage::Family& family,
                   const PrometheusPage::HistogramTotal& total, int schema) {
  histogram.set_sample_count(total.count);
  histogram.set_sample_sum(PrometheusPage::base_sum(family, total));
  for (std::size_t i = 0; i < family.bounds.size(); ++i) {
    proto::Bucket& bucket = *histogram.add_bucket();
    bucket.set_cumulative_count(total.cumulative[i]);
    bucket.set_upper_bound(PrometheusPage::base_value(family, family.bounds[i].value, false));
  }
  if (total.native_known) set_native(histogram, total, schema);
}

void set_summary(proto::Summary& summary, const Snapshot& snapshot,
                 const PrometheusPage::Family& family, const PrometheusPage::Row& row,
                 const PrometheusPage::HistogramTotal& total, const PrometheusOptions& options) {
  summary.set_sample_count(total.count);
  summary.set_sample_sum(PrometheusPage::base_sum(family, total));
  const auto growth = PrometheusPage::growth(snapshot, options.previous, row);
  if (!growth) return;
  for (const std::string& text : options.quantiles) {
    const double q = std::strtod(text.c_str(), nullptr);
    const auto value = PrometheusPage::quantile(snapshot, row, *growth, q);
    if (!value) continue;
    proto::Quantile& quantile = *summary.add_quantile();
    quantile.set_quantile(q);
    quantile.set_value(PrometheusPage::base_value(family, *value, false));
  }
}

bool add_row(proto::MetricFamily& message, const Snapshot& snapshot,
             const PrometheusPage::Family& family, const PrometheusPage::Row& row,
             const PrometheusOptions& options) {
  if (family.type == MetricType::kHistogram) {
    const auto total = PrometheusPage::histogram_total(snapshot, family, row);
    if (!total) return false;
    proto::Metric& metric = *message.add_metric();
    set_labels(metric, row.labels);
    const auto start_ns = PrometheusPage::start_ns(snapshot, row, options.starts);
    if (family.form == HistogramForm::kSummary) {
      set_summary(*metric.mutable_summary(), snapshot, family, row, *total, options);
      set_created(*metric.mutable_summary(), start_ns);
    } else {
      set_histogram(*metric.mutable_histogram(), family, *total, options.native_schema);
      set_created(*metric.mutable_histogram(), start_ns);
    }
    return true;
  }
  const auto total = PrometheusPage::scalar_total(snapshot, row);
  if (!total) return false;
  proto::Metric& metric = *message.add_metric();
  set_labels(metric, row.labels);
  if (family.type == MetricType::kCounter) {
    metric.mutable_counter()->set_value(PrometheusPage::base_value(family, *total, false));
    set_created(*metric.mutable_counter(), PrometheusPage::start_ns(snapshot, row, options.starts));
  } else {
    metric.mutable_gauge()->set_value(PrometheusPage::base_value(family, *total, true));
  }
  return true;
}

proto::MetricType type_of(const PrometheusPage::Family& family) {
  return family.type == MetricType::kCounter      ? proto::COUNTER
         : family.type == MetricType::kGauge      ? proto::GAUGE
         : family.form == HistogramForm::kSummary ? proto::SUMMARY
                                                  : proto::HISTOGRAM;
}

void add_extra(proto::MetricFamily& message, const ExtraFamily& family, const StartTimes& starts) {
  message.set_name(family.name);
  message.set_help(family.help);
  message.set_type(family.type == "counter" ? proto::COUNTER
                   : family.type == "gauge" ? proto::GAUGE
                                            : proto::UNTYPED);
  for (const ExtraSample& sample : family.samples) {
    proto::Metric& metric = *message.add_metric();
    set_labels(metric, sample.labels);
    if (message.type() == proto::COUNTER) {
      metric.mutable_counter()->set_value(sample.value);
      if (starts.process_ns != 0) set_created(*metric.mutable_counter(), starts.process_ns);
    } else if (message.type() == proto::GAUGE) {
      metric.mutable_gauge()->set_value(sample.value);
    } else {
      metric.mutable_untyped()->set_value(sample.value);
    }
  }
}

}  // namespace

bool prometheus_has_protobuf() { return true; }

std::string encode_prometheus_protobuf(const Snapshot& snapshot, const PrometheusPage& page,
                                       const std::map<std::string_view, const ExtraFamily*>& extras,
                                       const PrometheusOptions& options) {
  std::string body;
  {
    google::protobuf::io::StringOutputStream stream(&body);
    google::protobuf::io::CodedOutputStream out(&stream);
    proto::MetricFamily message;  // one for all: it keeps its memory
    const auto write = [&] {
      google::protobuf::util::SerializeDelimitedToCodedStream(message, &out);
      message.Clear();
    };
    for (const auto& [name, family] : page.families) {
      message.set_name(name);
      message.set_help(family.help);
      message.set_type(type_of(family));
      if (!family.unit.empty()) message.set_unit(std::string(family.unit));
      bool any = false;
      for (const PrometheusPage::Row& row : family.rows) {
        any |= add_row(message, snapshot, family, row, options);
      }
      if (any) {
        write();
      } else {
        message.Clear();
      }
    }
    for (const auto& [name, family] : extras) {
      add_extra(message, *family, options.starts);
      write();
    }
  }
  return body;
}

}  // namespace rezolus
