// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/prometheus.h"

#include <cmath>
#include <cstdlib>
#include <iterator>

#include <fmt/format.h>

#include "wire/prometheus_page.h"
#include "wire/prometheus_protobuf.h"

namespace rezolus {
namespace {

using Buffer = fmt::memory_buffer;
using Family = PrometheusPage::Family;
using Row = PrometheusPage::Row;

void append(Buffer& out, std::string_view text) { out.append(text); }

void append_integer(Buffer& out, std::uint64_t number) {
  const fmt::format_int digits(number);
  out.append(digits.data(), digits.data() + digits.size());
}

void append_quantity(Buffer& out, std::uint64_t value, bool seconds) {
  if (seconds) {
    append_seconds(out, value);
  } else {
    append_integer(out, value);
  }
}

void append_signed(Buffer& out, std::uint64_t twos_complement, bool seconds) {
  const bool negative = static_cast<std::int64_t>(twos_complement) < 0;
  if (negative) out.push_back('-');
  append_quantity(out, negative ? std::uint64_t{0} - twos_complement : twos_complement, seconds);
}

void append_double(Buffer& out, double value) {
  if (std::isnan(value)) return append(out, "NaN");
  if (std::isinf(value)) return append(out, value > 0 ? "+Inf" : "-Inf");
  fmt::format_to(std::back_inserter(out), "{}", value);
}

// `name` or `name{labels}` and the space before the value.
void append_sample_name(Buffer& out, std::string_view name, std::string_view labels) {
  append(out, name);
  if (!labels.empty()) {
    out.push_back('{');
    append(out, labels);
    out.push_back('}');
  }
  out.push_back(' ');
}

// The two text formats, which differ in the heads of families and in the bounds' spelling.
class TextPage {
 public:
  TextPage(Buffer& out, const PrometheusOptions& options)
      : out_(out),
        options_(options),
        open_metrics_(options.format == PrometheusFormat::kOpenMetrics) {}

  void family(const Snapshot& snapshot, std::string_view name, const Family& family);
  void extra(const ExtraFamily& family);

 private:
  void head(std::string_view name, std::string_view type, std::string_view unit,
            std::string_view help);
  bool scalar(const Snapshot& snapshot, std::string_view name, const Family& family,
              const Row& row);
  bool histogram(const Snapshot& snapshot, std::string_view name, const Family& family,
                 const Row& row);
  void buckets(std::string_view name, const Family& family, const Row& row,
               const PrometheusPage::HistogramTotal& total);
  void quantiles(const Snapshot& snapshot, std::string_view name, const Family& family,
                 const Row& row);
  void created(std::string_view name, std::string_view labels,
               std::optional<std::uint64_t> start_ns);

  Buffer& out_;
  const PrometheusOptions& options_;
  const bool open_metrics_;
};

void TextPage::head(std::string_view name, std::string_view type, std::string_view unit,
                    std::string_view help) {
  // In OpenMetrics the family's name is that of its samples without their suffix.
  if (open_metrics_ && type == "counter" && name.ends_with("_total")) name.remove_suffix(6);
  if (open_metrics_ && type == "untyped") type = "unknown";
  const auto out = std::back_inserter(out_);
  // A quote is escaped in the help of OpenMetrics alone.
  fmt::format_to(out, "# HELP {} {}\n# TYPE {} {}\n", name, prometheus_escaped(help, open_metrics_),
                 name, type);
  if (open_metrics_ && !unit.empty() && name.ends_with(unit)) {
    fmt::format_to(out, "# UNIT {} {}\n", name, unit);
  }
}

void TextPage::extra(const ExtraFamily& family) {
  head(family.name, family.type, "", family.help);
  for (const ExtraSample& sample : family.samples) {
    std::string labels;
    for (const auto& [key, value] : sample.labels) append_prometheus_label(labels, key, value);
    append_sample_name(out_, family.name, labels);
    append_double(out_, sample.value);
    out_.push_back('\n');
    if (family.type == "counter" && options_.starts.process_ns != 0) {
      created(family.name, labels, options_.starts.process_ns);
    }
  }
}

void TextPage::created(std::string_view name, std::string_view labels,
                       std::optional<std::uint64_t> start_ns) {
  if (!open_metrics_ || !options_.created_lines || !start_ns) return;
  if (name.ends_with("_total")) name.remove_suffix(6);
  append(out_, name);
  append_sample_name(out_, "_created", labels);
  append_seconds(out_, *start_ns);
  out_.push_back('\n');
}

bool TextPage::scalar(const Snapshot& snapshot, std::string_view name, const Family& family,
                      const Row& row) {
  const auto total = PrometheusPage::scalar_total(snapshot, row);
  if (!total) return false;
  append_sample_name(out_, name, row.text);
  if (family.type == MetricType::kGauge) {
    append_signed(out_, *total, family.seconds);
  } else {
    append_quantity(out_, *total, family.seconds);
  }
  out_.push_back('\n');
  created(name, row.text, PrometheusPage::start_ns(snapshot, row, options_.starts));
  return true;
}

void TextPage::buckets(std::string_view name, const Family& family, const Row& row,
                       const PrometheusPage::HistogramTotal& total) {
  const auto bucket = [&](std::string_view le, std::uint64_t below) {
    append(out_, name);
    append(out_, "_bucket{");
    append(out_, row.text);
    append(out_, row.text.empty() ? "le=\"" : ",le=\"");
    append(out_, le);
    // OpenMetrics wants bounds to look like floating numbers, so that all peers spell them alike.
    append(out_,
           open_metrics_ && le.find_first_not_of("0123456789") == le.npos ? ".0\"} " : "\"} ");
    append_integer(out_, below);
    out_.push_back('\n');
  };
  for (std::size_t i = 0; i < family.bounds.size(); ++i) {
    bucket(family.bounds[i].le, total.cumulative[i]);
  }
  bucket("+Inf", total.count);
}

void TextPage::quantiles(const Snapshot& snapshot, std::string_view name, const Family& family,
                         const Row& row) {
  const auto growth = PrometheusPage::growth(snapshot, options_.previous, row);
  if (!growth) return;
  for (const std::string& q : options_.quantiles) {
    const auto value =
        PrometheusPage::quantile(snapshot, row, *growth, std::strtod(q.c_str(), nullptr));
    if (!value) continue;
    append(out_, name);
    out_.push_back('{');
    append(out_, row.text);
    append(out_, row.text.empty() ? "quantile=\"" : ",quantile=\"");
    append(out_, q);
    append(out_, "\"} ");
    append_quantity(out_, *value, family.seconds);
    out_.push_back('\n');
  }
}

bool TextPage::histogram(const Snapshot& snapshot, std::string_view name, const Family& family,
                         const Row& row) {
  const auto total = PrometheusPage::histogram_total(snapshot, family, row);
  if (!total) return false;
  if (family.form == HistogramForm::kSummary) {
    quantiles(snapshot, name, family, row);
  } else {
    buckets(name, family, row, *total);
  }
  append(out_, name);
  append_sample_name(out_, "_sum", row.text);
  if (total->sum_known) {
    append_quantity(out_, total->sum, family.seconds);
  } else {
    append_double(out_, PrometheusPage::base_sum(family, *total));
  }
  out_.push_back('\n');
  append(out_, name);
  append_sample_name(out_, "_count", row.text);
  append_integer(out_, total->count);
  out_.push_back('\n');
  created(name, row.text, PrometheusPage::start_ns(snapshot, row, options_.starts));
  return true;
}

void TextPage::family(const Snapshot& snapshot, std::string_view name, const Family& family) {
  const std::size_t start = out_.size();
  head(name, family.form == HistogramForm::kSummary ? "summary" : metric_type_name(family.type),
       family.unit, family.help);
  bool any = false;
  for (const Row& row : family.rows) {
    any |= family.type == MetricType::kHistogram ? histogram(snapshot, name, family, row)
                                                 : scalar(snapshot, name, family, row);
  }
  if (!any) out_.resize(start);
}

}  // namespace

std::string_view prometheus_content_type(PrometheusFormat format) {
  switch (format) {
    case PrometheusFormat::kOpenMetrics:
      return "application/openmetrics-text; version=1.0.0; charset=utf-8";
    case PrometheusFormat::kProtobuf:
      return "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
             "encoding=delimited";
    case PrometheusFormat::kText:
      break;
  }
  return "text/plain; version=0.0.4; charset=utf-8";
}

PrometheusEncoder::PrometheusEncoder() = default;
PrometheusEncoder::~PrometheusEncoder() = default;
PrometheusEncoder::PrometheusEncoder(PrometheusEncoder&&) noexcept = default;
PrometheusEncoder& PrometheusEncoder::operator=(PrometheusEncoder&&) noexcept = default;

const PrometheusPage& PrometheusEncoder::page(const PrometheusOptions& options) {
  const int key = (options.naming == PrometheusNaming::kUpstream ? 1 : 0) | (options.full ? 2 : 0) |
                  (options.format == PrometheusFormat::kProtobuf ? 4 : 0) |
                  options.native_schema * 8;
  auto& page = pages_[key];
  if (page) return *page;
  page = std::make_unique<PrometheusPage>(*schema_, options);
  // It has the labels in two forms, of which a format needs one; a large host has many thousand rows.
  for (auto& [name, family] : page->families) {
    for (PrometheusPage::Row& row : family.rows) {
      if (options.format == PrometheusFormat::kProtobuf) {
        row.text = std::string();
      } else {
        row.labels = Labels();
      }
    }
  }
  return *page;
}

std::string PrometheusEncoder::encode(const Snapshot& snapshot, const PrometheusOptions& options) {
  if (schema_ != snapshot.schema) {
    schema_ = snapshot.schema;
    pages_.clear();
  }
  const PrometheusPage& page = this->page(options);
  std::map<std::string_view, const ExtraFamily*> extras;
  for (const ExtraFamily& family : options.extra) {
    if (!page.families.contains(family.name)) extras.emplace(family.name, &family);
  }
  if (options.format == PrometheusFormat::kProtobuf) {
    return encode_prometheus_protobuf(snapshot, page, extras, options);
  }
  Buffer out;
  out.reserve(size_bytes_hint_);
  TextPage text(out, options);
  auto extra = extras.begin();
  for (const auto& [name, family] : page.families) {
    for (; extra != extras.end() && extra->first < name; ++extra) text.extra(*extra->second);
    text.family(snapshot, name, family);
  }
  for (; extra != extras.end(); ++extra) text.extra(*extra->second);
  if (options.format == PrometheusFormat::kOpenMetrics) append(out, "# EOF\n");
  size_bytes_hint_ = out.size() + out.size() / 16;
  return std::string(out.data(), out.size());
}

std::string encode_prometheus(const Snapshot& snapshot, const PrometheusOptions& options) {
  return PrometheusEncoder().encode(snapshot, options);
}

}  // namespace rezolus
