// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "wire/otlp_names.h"

#include <gtest/gtest.h>

namespace rezolus {
namespace {

RemoteSeries series_of(const RemoteMetadata& metadata, Labels labels = {}) {
  RemoteSeries series;
  labels.emplace_back("__name__", metadata.family);
  series.labels = std::move(labels);
  series.metadata = std::make_shared<const RemoteMetadata>(metadata);
  return series;
}

RemoteMetadata own(std::string name, std::string unit, std::string family,
                   std::string type = "counter") {
  const bool seconds = unit == "nanoseconds";
  return {std::move(family), std::move(type), "", "", std::move(name), std::move(unit), seconds};
}

TEST(OtlpNames, UnitsAreUcum) {
  EXPECT_EQ(ucum_unit("nanoseconds", true), "s");
  EXPECT_EQ(ucum_unit("nanoseconds", false), "ns");
  EXPECT_EQ(ucum_unit("bytes", false), "By");
  EXPECT_EQ(ucum_unit("packets", false), "{packet}");
  EXPECT_EQ(ucum_unit("", false), "");
  EXPECT_EQ(ucum_unit("{weird}", false), "") << "a peer's";
}

TEST(OtlpNames, OfTheMetricOfTheConventionOrOfThePage) {
  const RemoteSeries runqueue =
      series_of(own("scheduler_runqueue_latency", "nanoseconds",
                    "rezolus_scheduler_runqueue_latency_seconds", "histogram"));
  EXPECT_EQ(otlp_name(runqueue, OtlpNaming::kOtel),
            (OtlpName{"rezolus.scheduler_runqueue_latency", "s", false}));
  EXPECT_EQ(otlp_name(runqueue, OtlpNaming::kPage),
            (OtlpName{"rezolus_scheduler_runqueue_latency_seconds", "s", false}));
  const RemoteSeries agent = series_of(own("rezolus_cpu_usage", "nanoseconds", "x"));
  EXPECT_EQ(otlp_name(agent, OtlpNaming::kOtel).name, "rezolus.agent_cpu_usage");
  const RemoteSeries memory = series_of(own("memory_total", "bytes", "x", "gauge"));
  EXPECT_EQ(otlp_name(memory, OtlpNaming::kOtel), (OtlpName{"system.memory.limit", "By", true}));
  EXPECT_EQ(otlp_name(memory, OtlpNaming::kPage), (OtlpName{"x", "By", false}));
}

TEST(OtlpNames, AConventionMayKnowSomeSeriesOfAMetric) {
  const RemoteMetadata bytes = own("blockio_device_bytes", "bytes", "x");
  const RemoteSeries read = series_of(bytes, {{"device", "sda"}, {"op", "read"}});
  const RemoteSeries discard = series_of(bytes, {{"device", "sda"}, {"op", "discard"}});
  EXPECT_EQ(otlp_name(read, OtlpNaming::kOtel).name, "system.disk.io");
  EXPECT_EQ(otlp_name(discard, OtlpNaming::kOtel).name, "rezolus.blockio_device_bytes");
  const auto attribute = [](const RemoteSeries& series, const char* key, const char* value) {
    const auto [name, text] = otlp_attribute(series, OtlpNaming::kOtel, key, value);
    return std::string(name) + "=" + std::string(text);
  };
  EXPECT_EQ(attribute(read, "op", "read"), "disk.io.direction=read");
  EXPECT_EQ(attribute(discard, "op", "discard"), "op=discard");
  EXPECT_EQ(attribute(discard, "device", "sda"), "system.device=sda");
  const RemoteSeries usage = series_of(own("cpu_usage", "nanoseconds", "x"), {{"state", "irq"}});
  EXPECT_EQ(attribute(usage, "state", "irq"), "cpu.mode=interrupt");
  EXPECT_EQ(attribute(usage, "state", "user"), "cpu.mode=user");
  EXPECT_EQ(otlp_attribute(usage, OtlpNaming::kPage, "state", "irq"),
            (std::pair<std::string_view, std::string_view>("state", "irq")));
}

TEST(OtlpNames, ContainersOfKubernetesAndOthers) {
  const RemoteMetadata time = own("cgroup_cpu_time", "nanoseconds", "x");
  const RemoteSeries pod =
      series_of(time, {{"container", "web"}, {"image", "i"}, {"namespace", "n"}, {"pod", "p"}});
  const RemoteSeries plain = series_of(time, {{"container", "web"}});
  const RemoteSeries unit = series_of(time, {{"systemd_unit", "sshd.service"}});
  EXPECT_EQ(otlp_name(pod, OtlpNaming::kOtel).name, "container.cpu.time");
  EXPECT_EQ(otlp_name(plain, OtlpNaming::kOtel).name, "container.cpu.time");
  EXPECT_EQ(otlp_name(unit, OtlpNaming::kOtel).name, "rezolus.cgroup_cpu_time");
  EXPECT_EQ(otlp_attribute(pod, OtlpNaming::kOtel, "container", "web").first, "k8s.container.name");
  EXPECT_EQ(otlp_attribute(plain, OtlpNaming::kOtel, "container", "web").first, "container.name");
  EXPECT_EQ(otlp_attribute(pod, OtlpNaming::kOtel, "pod", "p").first, "k8s.pod.name");
}

TEST(OtlpNames, FamiliesOfThisProcessSayTheirUnit) {
  const auto name = [](const char* family, const char* type) {
    return otlp_name(series_of({family, type, "", ""}), OtlpNaming::kOtel);
  };
  EXPECT_EQ(name("rezolus_exporter_push_oldest_seconds", "gauge"),
            (OtlpName{"rezolus.exporter_push_oldest", "s", false}));
  EXPECT_EQ(name("rezolus_exporter_missed_ticks_total", "counter"),
            (OtlpName{"rezolus.exporter_missed_ticks", "", false}));
  EXPECT_EQ(name("process_cpu_seconds_total", "counter"),
            (OtlpName{"process.cpu.time", "s", false}));
  EXPECT_EQ(name("process_start_time_seconds", "gauge"),
            (OtlpName{"process.start_time", "s", false}));
}

}  // namespace
}  // namespace rezolus
