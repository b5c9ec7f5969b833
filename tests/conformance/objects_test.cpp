// SPDX-License-Identifier: Apache-2.0 OR MIT
// Does every BPF object have the programs, knobs and maps that its family's tables name? Opens the
// objects without loading them: no root, any kernel.

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpf/bank.h"
#include "bpf/object.h"
#include "samplers/list.h"

namespace rezolus {
namespace {

struct Close {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Opened = std::unique_ptr<bpf_object, Close>;

Opened open(const Family& family) {
  libbpf_set_print(nullptr);
  const auto bytes = family.object();
  return Opened(bpf_object__open_mem(bytes.data(), bytes.size(), nullptr));
}

std::uint32_t rows_of_type(const BpfSampler& sampler, bool histogram) {
  std::uint32_t count = 0;
  for (const Metric& metric : sampler.metrics) {
    if ((metric.type == MetricType::kHistogram) == histogram) ++count;
  }
  return count;
}

std::set<std::string> program_stems(bpf_object* object) {
  std::set<std::string> stems;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    const std::string name = bpf_program__name(program);
    stems.insert(name.substr(0, name.find("__")));
  }
  return stems;
}

TEST(Conformance, EverySamplerHasItsKnobAndBanks) {
  for (const Family* family : families()) {
    const Opened object = open(*family);
    ASSERT_NE(object, nullptr) << family->name;
    ObjectSettings settings(object.get());
    for (const BpfSampler* sampler : family->samplers) {
      SCOPED_TRACE(sampler->name);
      const std::string prefix(sampler->bpf_name);
      EXPECT_TRUE(settings.has_knob((prefix + "_on").c_str()));
      const std::uint32_t counters = rows_of_type(*sampler, false);
      const std::uint32_t histograms = rows_of_type(*sampler, true);
      bpf_map* counter_map = settings.find_map(prefix + "_counters");
      bpf_map* histogram_map = settings.find_map(prefix + "_histograms");
      ASSERT_EQ(counter_map != nullptr, counters != 0);
      ASSERT_EQ(histogram_map != nullptr, histograms != 0);
      if (counters != 0) {
        EXPECT_EQ(bpf_map__value_size(counter_map), COUNTER_ROW_SLOTS(counters) * 8);
        EXPECT_NE(bpf_map__map_flags(counter_map) & BPF_F_MMAPABLE, 0u);
      }
      if (histograms != 0) {
        EXPECT_EQ(bpf_map__value_size(histogram_map), sizeof(histogram_cell));
        EXPECT_EQ(bpf_map__max_entries(histogram_map), histograms);
        EXPECT_NE(bpf_map__map_flags(histogram_map) & BPF_F_MMAPABLE, 0u);
      }
    }
  }
}

TEST(Conformance, EveryHookThatASamplerNamesIsAProgramAndTheReverse) {
  for (const Family* family : families()) {
    const Opened object = open(*family);
    ASSERT_NE(object, nullptr) << family->name;
    std::set<std::string> named;
    for (const BpfSampler* sampler : family->samplers) {
      for (const std::string_view hook : sampler->hooks) named.emplace(hook);
      for (const std::string_view hook : sampler->optional_hooks) named.emplace(hook);
    }
    EXPECT_EQ(named, program_stems(object.get())) << family->name;
  }
}

// A value larger than 4 MiB is refused by the oldest kernels.
TEST(Conformance, NoMapValueIsTooLargeForOldKernels) {
  for (const Family* family : families()) {
    const Opened object = open(*family);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object.get()) {
      EXPECT_LE(bpf_map__value_size(map), 4u << 20) << bpf_map__name(map);
    }
  }
}

TEST(Conformance, MetricsOfDifferentSamplersDoNotCollide) {
  std::set<std::string> names;
  std::set<std::string> prometheus_names;
  const auto check = [&](std::string_view sampler, std::span<const Metric> metrics) {
    std::set<std::string> own;
    std::set<std::string> own_prometheus;
    for (const Metric& metric : metrics) {
      own.emplace(metric.name);
      own_prometheus.emplace(metric.prometheus);
    }
    for (const std::string& name : own) EXPECT_TRUE(names.insert(name).second) << sampler << name;
    for (const std::string& name : own_prometheus) {
      EXPECT_TRUE(prometheus_names.insert(name).second) << sampler << " " << name;
    }
  };
  for (const Family* family : families()) {
    for (const BpfSampler* sampler : family->samplers) check(sampler->name, sampler->metrics);
  }
  for (const FileSampler* sampler : file_samplers()) check(sampler->name, sampler->metrics);
}

}  // namespace
}  // namespace rezolus
