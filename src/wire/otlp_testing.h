// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Reads OTLP's metrics in tests, strictly and without the code that wrote them: a field that is not
// expected is an exception.

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/protobuf_testing.h"

namespace rezolus::test {

struct OtlpPoint {
  std::uint64_t start_ns = 0;
  std::uint64_t time_ns = 0;
  std::uint64_t flags = 0;
  bool has_value = false;  // of a number
  bool is_integer = false;
  double value = 0;
  // Distributions:
  std::uint64_t count = 0;
  double sum = 0;
  std::vector<double> bounds;
  std::vector<std::uint64_t> buckets;
  std::int64_t scale = 0;
  std::int64_t offset = 0;
  std::uint64_t zeros = 0;
  std::map<double, double> quantiles;
};

struct OtlpMetric {
  std::string kind;  // gauge, sum, monotonic sum, histogram, exponential histogram or summary
  std::string unit;
  std::string help;
  std::uint64_t temporality = 0;
  std::map<std::string, std::vector<OtlpPoint>> points;  // by attributes: "a=b c=1 "
};

struct OtlpRead {
  std::string resource;  // attributes
  std::string scope;
  std::map<std::string, OtlpMetric> metrics;
};

[[noreturn]] inline void unexpected_field(const char* where, std::uint32_t number) {
  throw std::runtime_error(std::string(where) + " has field " + std::to_string(number));
}

inline std::string read_attribute(std::string_view bytes) {
  std::string text;
  for (const ProtobufField& field : read_protobuf(bytes)) {
    if (field.number == 1) {
      text = field.bytes() + "=";
      continue;
    }
    if (field.number != 2) unexpected_field("KeyValue", field.number);
    for (const ProtobufField& part : read_protobuf(field.bytes())) {
      if (part.number == 1) {
        text += part.bytes();
      } else if (part.number == 3) {
        text += "int:" + std::to_string(part.integer());
      } else {
        unexpected_field("AnyValue", part.number);
      }
    }
  }
  return text + " ";
}

// What the points of all kinds have in common is handled; false: it is the kind's own.
inline bool read_common(const ProtobufField& field, std::uint32_t attributes, std::uint32_t flags,
                        OtlpPoint& point, std::string& identity) {
  if (field.number == attributes) {
    identity += read_attribute(field.bytes());
  } else if (field.number == flags) {
    point.flags = field.integer();
  } else if (field.number == 2) {
    point.start_ns = field.fixed();
  } else if (field.number == 3) {
    point.time_ns = field.fixed();
  } else {
    return false;
  }
  return true;
}

inline void read_number(std::string_view bytes, OtlpMetric& metric) {
  OtlpPoint point;
  std::string identity;
  for (const ProtobufField& field : read_protobuf(bytes)) {
    if (read_common(field, 7, 8, point, identity)) continue;
    if (field.number != 4 && field.number != 6) unexpected_field("NumberDataPoint", field.number);
    point.has_value = true;
    point.is_integer = field.number == 6;
    point.value = point.is_integer ? static_cast<double>(static_cast<std::int64_t>(field.fixed()))
                                   : field.number_value();
  }
  metric.points[identity].push_back(point);
}

inline void read_distribution(std::string_view bytes, OtlpMetric& metric) {
  OtlpPoint point;
  std::string identity;
  const bool exponential = metric.kind == "exponential histogram";
  const bool summary = metric.kind == "summary";
  for (const ProtobufField& field : read_protobuf(bytes)) {
    if (read_common(field, exponential ? 1 : summary ? 7 : 9, summary ? 8 : 10, point, identity)) {
      continue;
    }
    if (field.number == 4) {
      point.count = field.fixed();
    } else if (field.number == 5) {
      point.sum = field.number_value();
    } else if (summary && field.number == 6) {
      std::pair<double, double> quantile;
      for (const ProtobufField& part : read_protobuf(field.bytes())) {
        (part.number == 1 ? quantile.first : quantile.second) = part.number_value();
      }
      point.quantiles.insert(quantile);
    } else if (exponential && field.number == 6) {
      point.scale = field.zigzag();
    } else if (exponential && field.number == 7) {
      point.zeros = field.fixed();
    } else if (exponential && field.number == 8) {
      for (const ProtobufField& part : read_protobuf(field.bytes())) {
        if (part.number == 1) point.offset = part.zigzag();
        if (part.number == 2) point.buckets = part.packed();
      }
    } else if (!exponential && !summary && field.number == 6) {
      point.buckets = field.packed_fixed<std::uint64_t>();
    } else if (!exponential && !summary && field.number == 7) {
      point.bounds = field.packed_fixed<double>();
    } else {
      unexpected_field(metric.kind.c_str(), field.number);
    }
  }
  metric.points[identity].push_back(point);
}

inline void read_data(const ProtobufField& data, OtlpMetric& metric) {
  const std::map<std::uint32_t, std::string> kinds = {
      {5, "gauge"}, {7, "sum"}, {9, "histogram"}, {10, "exponential histogram"}, {11, "summary"}};
  if (!kinds.contains(data.number)) unexpected_field("Metric", data.number);
  metric.kind = kinds.at(data.number);
  const bool sum = data.number == 7;
  for (const ProtobufField& field : read_protobuf(data.bytes())) {
    if (field.number == 1) {
      if (sum || data.number == 5) {
        read_number(field.bytes(), metric);
      } else {
        read_distribution(field.bytes(), metric);
      }
    } else if (field.number == 2 && data.number != 5 && data.number != 11) {
      metric.temporality = field.integer();
    } else if (field.number == 3 && sum) {
      if (field.integer() == 1) metric.kind = "monotonic sum";
    } else {
      unexpected_field("the metric's data", field.number);
    }
  }
}

inline OtlpRead read_otlp(std::string_view bytes) {
  OtlpRead result;
  for (const ProtobufField& resource : read_protobuf(bytes)) {
    if (resource.number != 1) unexpected_field("the request", resource.number);
    for (const ProtobufField& part : read_protobuf(resource.bytes())) {
      if (part.number == 1) {
        for (const ProtobufField& one : read_protobuf(part.bytes())) {
          if (one.number != 1) unexpected_field("Resource", one.number);
          result.resource += read_attribute(one.bytes());
        }
        continue;
      }
      if (part.number != 2) unexpected_field("ResourceMetrics", part.number);
      for (const ProtobufField& scoped : read_protobuf(part.bytes())) {
        if (scoped.number == 1) {
          for (const ProtobufField& one : read_protobuf(scoped.bytes())) {
            result.scope += one.bytes() + " ";
          }
          continue;
        }
        if (scoped.number != 2) unexpected_field("ScopeMetrics", scoped.number);
        OtlpMetric metric;
        std::string name;
        for (const ProtobufField& field : read_protobuf(scoped.bytes())) {
          if (field.number == 1) {
            name = field.bytes();
          } else if (field.number == 2) {
            metric.help = field.bytes();
          } else if (field.number == 3) {
            metric.unit = field.bytes();
          } else {
            read_data(field, metric);
          }
        }
        if (!result.metrics.emplace(name, metric).second) {
          throw std::runtime_error(name + " stands there twice");
        }
      }
    }
  }
  return result;
}

}  // namespace rezolus::test
