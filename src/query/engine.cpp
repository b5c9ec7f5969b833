// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "query/engine.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "query/matchers.h"
#include "query/operations.h"
#include "query/range_functions.h"
#include "query/tokens.h"

namespace rezolus::query {
namespace {

constexpr std::int64_t kRetryNs = 60'000'000'000;

Vector numbers(const Vector& vector, double (*function)(double, double), double argument) {
  Vector result;
  for (const Element& element : vector) {
    if (element.histogram != nullptr) continue;
    result.push_back({.labels = without_name(element.labels),
                      .value = function(element.value, argument),
                      .histogram = nullptr});
  }
  return result;
}

Vector facts_of_histograms(const Vector& vector, double (*fact)(const HistogramCounts&)) {
  Vector result;
  for (const Element& element : vector) {
    if (element.histogram == nullptr) continue;
    result.push_back({.labels = without_name(element.labels),
                      .value = fact(*element.histogram),
                      .histogram = nullptr});
  }
  return result;
}

// What an absent selector would have had: its labels that can have but one value.
LabelsRef labels_of_absent(const Expression& operand) {
  std::map<std::string, std::string> labels;
  std::set<std::string> several;
  for (const Matcher& matcher : operand.matchers) {
    if (matcher.label == kNameLabel) continue;
    if (matcher.op == MatchOperator::kEqual && !labels.contains(matcher.label)) {
      labels[matcher.label] = matcher.value;
    } else {
      several.insert(matcher.label);
    }
  }
  Labels result;
  for (const auto& [key, value] : labels) {
    if (!several.contains(key) && !value.empty()) result.emplace_back(key, value);
  }
  return std::make_shared<const Labels>(std::move(result));
}

Value scalar_value(double scalar) {
  return {.type = Type::kScalar, .scalar = scalar, .vector = {}};
}

Value vector_value(Vector vector) {
  return {.type = Type::kInstantVector, .scalar = 0, .vector = std::move(vector)};
}

bool needs_two_samples(Function function) {
  return function == Function::kRate || function == Function::kIncrease ||
         function == Function::kIrate || function == Function::kDelta;
}

}  // namespace

struct Engine::Query {
  std::string text;
  ExpressionPtr expression;
  std::map<const Expression*, std::size_t> windows;  // of its selectors
};

class Engine::Evaluation {
 public:
  Evaluation(const Engine& engine, const Query& query, std::int64_t time_ns, double realtime)
      : engine_(engine), query_(query), time_ns_(time_ns), realtime_(realtime) {}

  Result<Value> value(const Expression& node) {
    switch (node.kind) {
      case NodeKind::kNumber:
        return scalar_value(node.number);
      case NodeKind::kSelector:
        return instant(node);
      case NodeKind::kCall:
        return call(node);
      case NodeKind::kAggregation:
        return aggregation(node);
      case NodeKind::kBinary:
        return binary(node);
      case NodeKind::kNegation:
        return negation(node);
    }
    return scalar_value(0);
  }

 private:
  std::unexpected<Error> fail(const Expression& node, std::string_view why) const {
    return error("{}: {}", place_of(query_.text, node.offset_bytes), why);
  }

  Result<const SelectorWindow*> window_of(const Expression& selector) const {
    const Window& window = engine_.windows_[query_.windows.at(&selector)];
    if (!window.problem.empty()) return fail(selector, window.problem);
    return window.samples.get();
  }

  Result<Value> instant(const Expression& selector) const {
    const auto window = window_of(selector);
    if (!window) return std::unexpected(window.error());
    const std::int64_t at_ns = time_ns_ - selector.offset_ns;
    Vector vector;
    for (const auto& series : (*window)->series()) {
      const auto samples = series->samples();
      const auto after = std::ranges::upper_bound(samples, at_ns, {}, &Sample::time_ns);
      if (after == samples.begin()) continue;
      const Sample& sample = *(after - 1);
      if (is_stale(sample) || sample.time_ns < at_ns - engine_.limits_.lookback_ns) continue;
      Element element{.labels = series->labels(), .value = sample.value, .histogram = nullptr};
      if (sample.histogram != nullptr) {
        element.value = 0;
        element.histogram = std::make_shared<const HistogramCounts>(
            make_counts(series->config(), series->meaning().divisor, *sample.histogram));
      }
      vector.push_back(std::move(element));
    }
    return vector_value(std::move(vector));
  }

  Result<Value> range_call(const Expression& node) const {
    const Expression& selector = *node.operands[0];
    const auto window = window_of(selector);
    if (!window) return std::unexpected(window.error());
    const std::int64_t end_ns = time_ns_ - selector.offset_ns;
    const std::int64_t begin_ns = end_ns - selector.range_ns;
    Vector vector;
    std::vector<const Sample*> samples;
    for (const auto& series : (*window)->series()) {
      samples.clear();
      for (const Sample& sample : series->samples()) {
        if (sample.time_ns >= begin_ns && sample.time_ns <= end_ns && !is_stale(sample)) {
          samples.push_back(&sample);
        }
      }
      auto element = apply_range_function(node.function, {*series, samples, begin_ns, end_ns});
      if (!element) continue;
      element->labels = series->labels_without_name();
      vector.push_back(std::move(*element));
    }
    return distinct(node, std::move(vector));
  }

  // Names that are dropped may leave two elements alike.
  Result<Value> distinct(const Expression& node, Vector vector) const {
    std::set<Labels> seen;
    for (const Element& element : vector) {
      if (!seen.insert(*element.labels).second) {
        return fail(node, fmt::format("without the metric's name several series are {}",
                                      labels_text(*element.labels)));
      }
    }
    return vector_value(std::move(vector));
  }

  Result<std::vector<Value>> operands_of(const Expression& node) {
    std::vector<Value> values;
    for (const ExpressionPtr& operand : node.operands) {
      auto made = value(*operand);
      if (!made) return std::unexpected(std::move(made.error()));
      values.push_back(std::move(*made));
    }
    return values;
  }

  Result<Value> call(const Expression& node) {
    if (!node.operands.empty() && node.operands[0]->type == Type::kRangeVector) {
      return range_call(node);
    }
    auto operands = operands_of(node);
    if (!operands) return std::unexpected(std::move(operands.error()));
    const auto vector_at = [&](std::size_t at) -> const Vector& { return (*operands)[at].vector; };
    switch (node.function) {
      case Function::kTime:
        return scalar_value(realtime_);
      case Function::kScalar: {
        const bool is_one = vector_at(0).size() == 1 && vector_at(0)[0].histogram == nullptr;
        return scalar_value(is_one ? vector_at(0)[0].value
                                   : std::numeric_limits<double>::quiet_NaN());
      }
      case Function::kVector:
        return vector_value({{.labels = std::make_shared<const Labels>(),
                              .value = (*operands)[0].scalar,
                              .histogram = nullptr}});
      case Function::kAbsent:
        if (!vector_at(0).empty()) return vector_value({});
        return vector_value(
            {{.labels = labels_of_absent(*node.operands[0]), .value = 1, .histogram = nullptr}});
      case Function::kAbs:
        return distinct(node,
                        numbers(vector_at(0), [](double v, double) { return std::abs(v); }, 0));
      case Function::kClampMax:
        return distinct(
            node,
            numbers(
                vector_at(0), [](double v, double to) { return std::isnan(v) || v < to ? v : to; },
                (*operands)[1].scalar));
      case Function::kClampMin:
        return distinct(
            node,
            numbers(
                vector_at(0), [](double v, double to) { return std::isnan(v) || v > to ? v : to; },
                (*operands)[1].scalar));
      case Function::kHistogramQuantile:
        return distinct(node, histogram_quantiles((*operands)[0].scalar, vector_at(1)));
      case Function::kHistogramCount:
        return distinct(node, facts_of_histograms(vector_at(0), [](const HistogramCounts& counts) {
                          return counts.count();
                        }));
      default:  // kHistogramSum; the others take ranges
        return distinct(node, facts_of_histograms(vector_at(0), [](const HistogramCounts& counts) {
                          return counts.sum;
                        }));
    }
  }

  Result<Value> aggregation(const Expression& node) {
    auto operands = operands_of(node);
    if (!operands) return std::unexpected(std::move(operands.error()));
    const double count = operands->size() > 1 ? operands->front().scalar : 0;
    return vector_value(aggregate(node, operands->back().vector, count));
  }

  Result<Value> binary(const Expression& node) {
    auto operands = operands_of(node);
    if (!operands) return std::unexpected(std::move(operands.error()));
    const Value& left = (*operands)[0];
    const Value& right = (*operands)[1];
    if (node.type == Type::kScalar) {
      return scalar_value(combine_scalars(node.binary, left.scalar, right.scalar));
    }
    auto combined = combine(node, left, right);
    if (!combined) return fail(node, combined.error().message);
    return distinct(node, std::move(*combined));
  }

  Result<Value> negation(const Expression& node) {
    auto operand = value(*node.operands[0]);
    if (!operand) return operand;
    if (operand->type == Type::kScalar) return scalar_value(-operand->scalar);
    for (Element& element : operand->vector) {
      element.labels = without_name(element.labels);
      element.value = -element.value;
      if (element.histogram == nullptr) continue;
      HistogramCounts counts = *element.histogram;
      counts.scale(-1);
      element.histogram = std::make_shared<const HistogramCounts>(std::move(counts));
    }
    return distinct(node, std::move(operand->vector));
  }

  const Engine& engine_;
  const Query& query_;
  const std::int64_t time_ns_;
  const double realtime_;
};

Engine::Engine(EngineLimits limits) : limits_(limits) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

Result<std::size_t> Engine::add_query(std::string_view text) {
  auto expression = parse_expression(text);
  if (!expression) return std::unexpected(std::move(expression.error()));
  auto query = std::make_unique<Query>();
  query->text = text;
  query->expression = std::move(*expression);
  if (auto added = add_windows(*query, *query->expression); !added) {
    return std::unexpected(std::move(added.error()));
  }
  queries_.push_back(std::move(query));
  schema_ = nullptr;  // the new windows have no series yet
  return queries_.size() - 1;
}

Result<void> Engine::add_windows(Query& query, const Expression& node) {
  if (node.kind == NodeKind::kSelector) {
    auto window = add_window(query, node);
    if (!window) return std::unexpected(std::move(window.error()));
    query.windows[&node] = *window;
  }
  for (const ExpressionPtr& operand : node.operands) {
    if (auto added = add_windows(query, *operand); !added) return added;
  }
  return {};
}

Result<std::size_t> Engine::add_window(const Query& query, const Expression& selector) {
  Expression plain;
  plain.kind = NodeKind::kSelector;
  plain.metric = selector.metric;
  plain.matchers = selector.matchers;
  const std::string text = to_text(plain);
  auto found = std::ranges::find(windows_, text, &Window::text);
  if (found == windows_.end()) {
    auto matchers = Matchers::compile(selector, query.text);
    if (!matchers) return std::unexpected(std::move(matchers.error()));
    windows_.push_back({.text = text,
                        .samples = std::make_unique<SelectorWindow>(std::move(*matchers)),
                        .problem = {},
                        .retry_ns = 0});
    found = windows_.end() - 1;
  }
  found->samples->extend(selector.range_ns + selector.offset_ns);
  return static_cast<std::size_t>(found - windows_.begin());
}

const Expression& Engine::expression(std::size_t query) const {
  return *queries_[query]->expression;
}

std::int64_t Engine::time_of(const Snapshot& snapshot) {
  const auto realtime_ns = static_cast<std::int64_t>(snapshot.realtime_ns);
  const auto monotonic_ns = static_cast<std::int64_t>(snapshot.monotonic_ns);
  if (monotonic_ns == 0) return realtime_ns;
  if (!has_time_) offset_ns_ = realtime_ns - monotonic_ns;
  return monotonic_ns + offset_ns_;
}

void Engine::add(const Snapshot& snapshot) {
  std::int64_t time_ns = time_of(snapshot);
  if (has_time_ && time_ns <= time_ns_) {
    has_time_ = false;
    schema_ = nullptr;
    for (Window& window : windows_) window.samples->clear();
    time_ns = time_of(snapshot);
  }
  has_time_ = true;
  time_ns_ = time_ns;
  realtime_ns_ = static_cast<std::int64_t>(snapshot.realtime_ns);
  const bool is_new = schema_ != snapshot.schema;
  schema_ = snapshot.schema;
  for (Window& window : windows_) {
    const bool retries = !window.problem.empty() && time_ns >= window.retry_ns;
    if (!window.problem.empty() && !retries) continue;
    if (is_new || retries) {
      window.problem.clear();
      auto set = window.samples->set_schema(*schema_, limits_.series_max);
      if (!set) {
        refuse(window, set.error().message);
        continue;
      }
    }
    window.samples->add(snapshot, time_ns, limits_.samples_max);
  }
  bound_memory();
}

void Engine::add_gap() {
  for (Window& window : windows_) window.samples->add_gap(time_ns_ + 1);
}

void Engine::refuse(Window& window, std::string problem) {
  window.problem = std::move(problem);
  window.retry_ns = time_ns_ + kRetryNs;
  window.samples->clear();
  ++refused_count_;
}

void Engine::bound_memory() {
  std::size_t total = 0;
  Window* largest = nullptr;
  for (Window& window : windows_) {
    total += window.samples->size_bytes();
    if (largest == nullptr || window.samples->size_bytes() > largest->samples->size_bytes()) {
      largest = &window;
    }
  }
  if (total <= limits_.size_bytes_max) return;
  refuse(*largest, fmt::format("the samples of the expressions need more than {} MiB, most of them "
                               "for this selector; name more labels, or shorten its range",
                               limits_.size_bytes_max >> 20));
}

Result<Value> Engine::evaluate(std::size_t query, std::int64_t later_ns) const {
  const Query& asked = *queries_[query];
  const double realtime = static_cast<double>(realtime_ns_ + later_ns) / 1e9;
  return Evaluation(*this, asked, time_ns_ + later_ns, realtime).value(*asked.expression);
}

EngineState Engine::state() const {
  EngineState state;
  for (const Window& window : windows_) {
    state.series_count += window.samples->series().size();
    state.sample_count += window.samples->sample_count();
    state.size_bytes += window.samples->size_bytes();
  }
  state.refused_count = refused_count_;
  return state;
}

std::size_t Engine::series_count(std::size_t query) const {
  std::size_t count = 0;
  for (const auto& [selector, window] : queries_[query]->windows) {
    count += windows_[window].samples->series().size();
  }
  return count;
}

std::int64_t reach_ns(const Expression& expression) {
  std::int64_t reach = expression.range_ns + expression.offset_ns;
  for (const ExpressionPtr& operand : expression.operands) {
    reach = std::max(reach, reach_ns(*operand));
  }
  return reach;
}

std::int64_t shortest_rate_range_ns(const Expression& expression) {
  std::int64_t shortest = 0;
  if (expression.kind == NodeKind::kCall && needs_two_samples(expression.function)) {
    shortest = expression.operands[0]->range_ns;
  }
  for (const ExpressionPtr& operand : expression.operands) {
    const std::int64_t inner = shortest_rate_range_ns(*operand);
    if (inner != 0 && (shortest == 0 || inner < shortest)) shortest = inner;
  }
  return shortest;
}

}  // namespace rezolus::query
