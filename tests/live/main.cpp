// SPDX-License-Identifier: Apache-2.0 OR MIT
// The live tests: root, BPF loaded, each against an oracle. Writes a report by sampler to the file
// that REZOLUS_LIVE_REPORT names.

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/host.h"
#include "base/logging.h"
#include "samplers/collector.h"

namespace rezolus {
namespace {

struct Counts {
  int passed = 0;
  int failed = 0;
  int skipped = 0;
};

// Counts results by sampler: the suite's name behind the last slash.
class CountBySampler : public testing::EmptyTestEventListener {
 public:
  void OnTestEnd(const testing::TestInfo& info) override {
    const std::string suite = info.test_suite_name();
    Counts& counts = counts_[suite.substr(suite.rfind('/') + 1)];
    if (info.result()->Skipped()) {
      ++counts.skipped;
    } else if (info.result()->Passed()) {
      ++counts.passed;
    } else {
      ++counts.failed;
    }
  }
  [[nodiscard]] const std::map<std::string, Counts>& counts() const { return counts_; }

 private:
  std::map<std::string, Counts> counts_;
};

std::string attached_as(const SamplerStatus& sampler) {
  if (sampler.state != SamplerState::kActive) return "off: " + sampler.reason;
  if (sampler.programs.empty()) return "file";
  std::set<std::string> kinds;
  for (const ProgramStatus& program : sampler.programs) {
    kinds.insert(program.attached ? program.attached_as : "partly off");
  }
  std::string text;
  for (const std::string& kind : kinds) text += (text.empty() ? "" : ", ") + kind;
  return text;
}

void write_report(const char* path, std::map<std::string, Counts> counts) {
  nlohmann::ordered_json report = nlohmann::ordered_json::array();
  auto host = read_host();
  auto collector = host ? Collector::create(*host, {}) : std::unexpected(host.error());
  const auto add = [&](const std::string& name, const std::string& attached) {
    const Counts& of = counts[name];
    report.push_back({{"sampler", name}, {"attached", attached}, {"passed", of.passed},
                      {"failed", of.failed}, {"skipped", of.skipped}});
    counts.erase(name);
  };
  if (collector) {
    for (const SamplerStatus& sampler : (*collector)->status().samplers) {
      add(sampler.name, attached_as(sampler));
    }
  }
  while (!counts.empty()) add(counts.begin()->first, "");
  std::ofstream(path) << report.dump(2) << "\n";
}

}  // namespace
}  // namespace rezolus

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (::geteuid() != 0) {
    std::fputs("the live tests load BPF programs: run them as root\n", stderr);
    return 2;
  }
  const char* level = std::getenv("REZOLUS_LOGGING_LEVEL");
  (void)rezolus::set_up_logging(level == nullptr ? "warn" : level);
  auto* counter = new rezolus::CountBySampler;
  testing::UnitTest::GetInstance()->listeners().Append(counter);  // takes ownership
  const int failed = RUN_ALL_TESTS();
  if (const char* path = std::getenv("REZOLUS_LIVE_REPORT")) {
    rezolus::write_report(path, counter->counts());
  }
  return failed;
}
