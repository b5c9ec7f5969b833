// SPDX-License-Identifier: Apache-2.0 OR MIT
// `rezolus-query`: samples and questions as JSON on standard input, what our expressions say of them as
// JSON on standard output. For the test that compares them with those of a real Prometheus.
//
//   {"series": [{"name": "x_total", "labels": {"op": "read"}}, …],
//    "ticks": [{"time_ms": 1000, "values": [1.5, null, …]}, …],       one value for each series
//    "questions": [{"expression": "rate(x_total[10s])", "time_ms": 1500}, …]}
//
// The answer to each question is that of an instant query of Prometheus, at that time.

#include <bit>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "metrics/snapshot.h"
#include "query/engine.h"

namespace rezolus {
namespace {

using nlohmann::json;
using query::Engine;

constexpr std::int64_t kNsPerMilli = 1'000'000;

struct Question {
  std::size_t query = 0;
  std::int64_t time_ms = 0;
  json answer;
};

json sample(const std::string& text) { return json{{"value", text}}; }

json answer_of(const Engine& engine, const Question& question, std::int64_t later_ns) {
  const auto value = engine.evaluate(question.query, later_ns);
  if (!value) return {{"error", value.error().message}};
  if (value->type == query::Type::kScalar) return sample(query::number_text(value->scalar));
  json elements = json::array();
  for (const query::Element& element : value->vector) {
    json one = sample(query::value_text(element));
    one["metric"] = json::object();
    for (const auto& [key, text] : *element.labels) one["metric"][key] = text;
    elements.push_back(std::move(one));
  }
  return {{"vector", std::move(elements)}};
}

std::shared_ptr<const Schema> schema_of(const json& series) {
  SchemaBuilder builder;
  for (const json& one : series) {
    Series made{.name = one.at("name"),
                .type = MetricType::kGauge,
                .prometheus = one.at("name"),
                .floating = true};
    for (const auto& [key, value] : one.at("labels").items()) made.labels.emplace_back(key, value);
    builder.add(std::move(made));
  }
  return builder.publish();
}

Snapshot snapshot_of(const std::shared_ptr<const Schema>& schema, const json& tick) {
  Snapshot snapshot;
  snapshot.schema = schema;
  snapshot.realtime_ns = tick.at("time_ms").get<std::uint64_t>() * 1'000'000;
  for (const json& value : tick.at("values")) {
    snapshot.present.push_back(value.is_null() ? 0 : 1);
    const double number = value.is_null() ? 0 : value.get<double>();
    snapshot.scalars.push_back(std::bit_cast<std::uint64_t>(number));
  }
  return snapshot;
}

int run() {
  const json input = json::parse(std::cin);
  Engine engine;
  std::vector<Question> questions;
  for (const json& asked : input.at("questions")) {
    auto query = engine.add_query(asked.at("expression").get<std::string>());
    if (!query) {
      fmt::print(stderr, "rezolus-query: {}: {}\n", asked.at("expression").dump(),
                 query.error().message);
      return 2;
    }
    questions.push_back({.query = *query, .time_ms = asked.at("time_ms"), .answer = {}});
  }
  const auto schema = schema_of(input.at("series"));
  const json& ticks = input.at("ticks");
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    engine.add(snapshot_of(schema, ticks[i]));
    const auto from_ms = ticks[i].at("time_ms").get<std::int64_t>();
    const auto to_ms =
        i + 1 < ticks.size() ? ticks[i + 1].at("time_ms").get<std::int64_t>() : INT64_MAX;
    for (Question& question : questions) {
      if (question.time_ms < from_ms || question.time_ms >= to_ms) continue;
      question.answer = answer_of(engine, question, (question.time_ms - from_ms) * kNsPerMilli);
    }
  }
  json answers = json::array();
  for (Question& question : questions) answers.push_back(std::move(question.answer));
  fmt::print("{}\n", answers.dump());
  return 0;
}

}  // namespace
}  // namespace rezolus

int main() {
  try {
    return rezolus::run();
  } catch (const std::exception& wrong) {
    fmt::print(stderr, "rezolus-query: {}\n", wrong.what());
    return 2;
  }
}
