// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "query/operations.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "query/names.h"

namespace rezolus::query {
namespace {

bool compare(Binary binary, double left, double right) {
  switch (binary) {
    case Binary::kEqual:
      return left == right;
    case Binary::kNotEqual:
      return left != right;
    case Binary::kLess:
      return left < right;
    case Binary::kLessEqual:
      return left <= right;
    case Binary::kGreater:
      return left > right;
    default:
      return left >= right;
  }
}

// Histograms are added, subtracted, and scaled by numbers.
std::optional<HistogramCountsRef> combine_histograms(Binary binary, const Element& left,
                                                     const Element& right) {
  const bool is_sum = binary == Binary::kAdd || binary == Binary::kSubtract;
  if (left.histogram != nullptr && right.histogram != nullptr) {
    if (!is_sum || !left.histogram->has_shape_of(*right.histogram)) return std::nullopt;
    HistogramCounts result = *left.histogram;
    result.add(*right.histogram, binary == Binary::kAdd ? 1 : -1);
    return std::make_shared<const HistogramCounts>(std::move(result));
  }
  const bool is_left = left.histogram != nullptr;
  if (binary != Binary::kMultiply && !(binary == Binary::kDivide && is_left)) return std::nullopt;
  HistogramCounts result = is_left ? *left.histogram : *right.histogram;
  const double number = is_left ? right.value : left.value;
  result.scale(binary == Binary::kDivide ? 1 / number : number);
  return std::make_shared<const HistogramCounts>(std::move(result));
}

// The result without its labels; nothing where it is left out. kept: what a comparison that filters
// lets through.
std::optional<Element> combine_elements(const Expression& node, const Element& left,
                                        const Element& right, const Element& kept) {
  if (left.histogram != nullptr || right.histogram != nullptr) {
    const auto histogram = combine_histograms(node.binary, left, right);
    if (!histogram) return std::nullopt;
    return Element{.labels = nullptr, .value = 0, .histogram = *histogram};
  }
  if (is_comparison(node.binary) && !node.returns_bool) {
    if (!compare(node.binary, left.value, right.value)) return std::nullopt;
    return Element{.labels = nullptr, .value = kept.value, .histogram = nullptr};
  }
  return Element{.labels = nullptr,
                 .value = combine_scalars(node.binary, left.value, right.value),
                 .histogram = nullptr};
}

bool keeps_name(const Expression& node) { return is_comparison(node.binary) && !node.returns_bool; }

Vector combine_with_scalar(const Expression& node, const Value& left, const Value& right) {
  const bool is_left = left.type == Type::kInstantVector;
  const Element scalar{
      .labels = nullptr, .value = is_left ? right.scalar : left.scalar, .histogram = nullptr};
  Vector result;
  for (const Element& element : is_left ? left.vector : right.vector) {
    auto combined =
        combine_elements(node, is_left ? element : scalar, is_left ? scalar : element, element);
    if (!combined) continue;
    combined->labels = keeps_name(node) ? element.labels : without_name(element.labels);
    result.push_back(std::move(*combined));
  }
  return result;
}

// The labels by which the two sides are matched.
LabelsRef matched_labels(const Expression& node, const Labels& labels) {
  return node.label_choice == LabelChoice::kOnly ? only(labels, node.labels)
                                                 : all_but(labels, node.labels);
}

Vector combine_sets(const Expression& node, const Vector& left, const Vector& right) {
  const bool is_or = node.binary == Binary::kOr;
  std::map<Labels, bool> other;
  for (const Element& element : is_or ? left : right) {
    other.emplace(*matched_labels(node, *element.labels), true);
  }
  Vector result;
  if (is_or) result = left;
  for (const Element& element : is_or ? right : left) {
    const bool found = other.contains(*matched_labels(node, *element.labels));
    if (found == (node.binary == Binary::kAnd)) result.push_back(element);
  }
  return result;
}

LabelsRef result_labels(const Expression& node, const LabelsRef& left) {
  if (node.label_choice != LabelChoice::kNone) return matched_labels(node, *left);
  return keeps_name(node) ? left : without_name(left);
}

Result<Vector> combine_vectors(const Expression& node, const Vector& left, const Vector& right) {
  std::map<Labels, const Element*> by_labels;
  for (const Element& element : right) {
    LabelsRef labels = matched_labels(node, *element.labels);
    if (!by_labels.emplace(*labels, &element).second) {
      return error("several series on the right side of {} have the labels {} that match the left",
                   name_of(node.binary), labels_text(*labels));
    }
  }
  std::map<Labels, bool> used;
  Vector result;
  for (const Element& element : left) {
    LabelsRef labels = matched_labels(node, *element.labels);
    const auto other = by_labels.find(*labels);
    if (other == by_labels.end()) continue;
    auto combined = combine_elements(node, element, *other->second, element);
    if (!combined) continue;
    if (!used.emplace(*labels, true).second) {
      return error("several series on the left side of {} have the labels {} that match the right",
                   name_of(node.binary), labels_text(*labels));
    }
    combined->labels = result_labels(node, element.labels);
    result.push_back(std::move(*combined));
  }
  return result;
}

struct Group {
  LabelsRef labels;
  double count = 0;
  double value = 0;
  std::optional<HistogramCounts> histogram;  // sum and avg
  bool is_mixed = false;                     // numbers and histograms, or of several shapes
  std::vector<const Element*> members;       // topk
};

void add_histogram(Group& group, const HistogramCounts& added) {
  if (group.count == 1) {
    group.histogram = added;
  } else if (group.histogram && group.histogram->has_shape_of(added)) {
    group.histogram->add(added);
  } else {
    group.is_mixed = true;
  }
}

void add_member(Aggregation aggregation, Group& group, const Element& element) {
  const bool is_histogram = element.histogram != nullptr;
  const bool adds = aggregation == Aggregation::kSum || aggregation == Aggregation::kAvg;
  if (is_histogram && !adds && aggregation != Aggregation::kCount) return;
  ++group.count;
  if (aggregation == Aggregation::kTopk) group.members.push_back(&element);
  if (is_histogram) {
    if (adds) add_histogram(group, *element.histogram);
    return;
  }
  if (group.histogram) group.is_mixed = true;
  const double value = element.value;
  if (adds) {
    group.value += value;
  } else if (group.count == 1 || std::isnan(group.value) ||
             (aggregation == Aggregation::kMax ? value > group.value : value < group.value)) {
    group.value = value;
  }
}

// The largest first; NaN counts as the smallest.
void take_top(Group& group, double count, Vector& result) {
  std::ranges::stable_sort(group.members, [](const Element* a, const Element* b) {
    if (std::isnan(a->value) || std::isnan(b->value)) return !std::isnan(a->value);
    return a->value > b->value;
  });
  const std::size_t size = group.members.size();
  const std::size_t taken =
      count >= static_cast<double>(size) ? size : static_cast<std::size_t>(count);
  for (std::size_t i = 0; i < taken; ++i) result.push_back(*group.members[i]);
}

}  // namespace

double combine_scalars(Binary binary, double left, double right) {
  switch (binary) {
    case Binary::kAdd:
      return left + right;
    case Binary::kSubtract:
      return left - right;
    case Binary::kMultiply:
      return left * right;
    case Binary::kDivide:
      return left / right;
    case Binary::kModulo:
      return std::fmod(left, right);
    case Binary::kPower:
      return std::pow(left, right);
    default:
      return compare(binary, left, right) ? 1 : 0;
  }
}

Result<Vector> combine(const Expression& node, const Value& left, const Value& right) {
  if (is_set(node.binary)) return combine_sets(node, left.vector, right.vector);
  if (left.type == Type::kScalar || right.type == Type::kScalar) {
    return combine_with_scalar(node, left, right);
  }
  return combine_vectors(node, left.vector, right.vector);
}

Vector aggregate(const Expression& node, const Vector& vector, double count) {
  if (node.aggregation == Aggregation::kTopk && !(count >= 1)) return {};
  std::map<Labels, Group> groups;
  for (const Element& element : vector) {
    // Without a list, all are one group.
    LabelsRef labels = node.label_choice == LabelChoice::kAllBut
                           ? all_but(*element.labels, node.labels)
                           : only(*element.labels, node.labels);
    Group& group = groups[*labels];
    if (group.labels == nullptr) group.labels = std::move(labels);
    add_member(node.aggregation, group, element);
  }
  Vector result;
  for (auto& [key, group] : groups) {
    if (group.count == 0 || group.is_mixed) continue;
    if (node.aggregation == Aggregation::kTopk) {
      take_top(group, count, result);
      continue;
    }
    Element element{.labels = group.labels, .value = group.value, .histogram = nullptr};
    if (node.aggregation == Aggregation::kCount) element.value = group.count;
    const double divisor = node.aggregation == Aggregation::kAvg ? group.count : 1;
    if (group.histogram) {
      group.histogram->scale(1 / divisor);
      element.histogram = std::make_shared<const HistogramCounts>(std::move(*group.histogram));
    } else {
      element.value /= divisor;
    }
    result.push_back(std::move(element));
  }
  return result;
}

}  // namespace rezolus::query
