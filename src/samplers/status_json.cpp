// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/status_json.h"

#include <nlohmann/json.hpp>

#include "samplers/collector.h"

namespace rezolus {

using Json = nlohmann::ordered_json;

namespace {

Json program_json(const ProgramStatus& program) {
  Json item = {{"name", program.name}, {"target", program.target}, {"attached", program.attached}};
  if (program.attached) item["attached_as"] = program.attached_as;
  if (!program.reason.empty()) item["error"] = program.reason;
  item["intent"] = {{"type", "required"}};
  item["expected"] = program.verdict != ProgramVerdict::kNotApplicable;
  item["verdict"] = to_string(program.verdict);
  if (program.run_count) item["run_count"] = *program.run_count;
  if (program.run_time_ns) item["run_time_ns"] = *program.run_time_ns;
  if (program.recursion_misses) item["recursion_misses"] = *program.recursion_misses;
  return item;
}

}  // namespace

Json programs_json(std::span<const ProgramStatus> programs) {
  Json list = Json::array();
  for (const ProgramStatus& program : programs) list.push_back(program_json(program));
  return list;
}

Json samplers_json(std::span<const SamplerStatus> samplers) {
  Json list = Json::array();
  for (const SamplerStatus& sampler : samplers) {
    Json entry = {{"name", sampler.name}, {"state", to_string(sampler.state)}};
    if (!sampler.reason.empty()) entry["error"] = sampler.reason;
    if (sampler.health != SamplerHealth::kUnknown) entry["health"] = to_string(sampler.health);
    if (!sampler.family.empty()) entry["family"] = sampler.family;
    if (sampler.read_failures != 0) entry["read_failures"] = sampler.read_failures;
    if (!sampler.programs.empty()) entry["programs"] = programs_json(sampler.programs);
    list.push_back(std::move(entry));
  }
  return list;
}

Json descriptions_json() {
  Json descriptions = Json::object();
  for (const SamplerMetrics& sampler : all_metrics()) {
    for (const Metric& metric : sampler.metrics) {
      descriptions[std::string(metric.name)] = metric.help;
    }
  }
  return descriptions;
}

}  // namespace rezolus
