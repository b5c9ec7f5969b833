// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/network/interface_stats.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "recording/frame/frame.h"
#include "samplers/collector.h"
#include "samplers/files.h"
#include "samplers/source_test_support.h"
#include "wire/msgpack.h"
#include "wire/prometheus.h"

namespace rezolus {
namespace {

std::string name_of(std::string_view metric, std::string_view interface,
                    std::string_view direction) {
  return series_name(
      metric, {{"direction", std::string(direction)}, {"interface", std::string(interface)}});
}

// A host whose /proc/net/dev a test writes.
class WrittenHost {
 public:
  WrittenHost() {
    std::string pattern = "/tmp/rezolus_interface_stats_test.XXXXXX";
    CHECK(::mkdtemp(pattern.data()) != nullptr, "a folder can be made");
    host_.root = pattern + "/";
    std::filesystem::create_directories(host_.path("proc/net"));
  }
  ~WrittenHost() { std::filesystem::remove_all(host_.root); }
  WrittenHost(const WrittenHost&) = delete;
  WrittenHost& operator=(const WrittenHost&) = delete;

  // Interfaces whose 16 columns are first, first + 1, …; in place, as the kernel does.
  void write(const std::vector<std::pair<std::string, std::uint64_t>>& interfaces) const {
    std::string text = "Inter-|   Receive  |  Transmit\n face |bytes    packets|bytes\n";
    for (const auto& [name, first] : interfaces) {
      text += name + ":";
      for (std::uint64_t i = 0; i < 16; ++i) text += " " + std::to_string(first + i);
      text += "\n";
    }
    std::ofstream(host_.path("proc/net/dev")) << text;
  }
  [[nodiscard]] const Host& host() const { return host_; }

 private:
  Host host_;
};

TEST(NetworkInterfaceStats, ThisKernel) {
  SourceReader reader(kNetworkInterfaceStats, fixture_host("linux-6.18-2-cpus"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(name_of("network_interface_bytes", "eth0", "receive")), 4510421331u);
  EXPECT_EQ(reader.value(name_of("network_interface_packets", "eth0", "receive")), 100337u);
  EXPECT_EQ(reader.value(name_of("network_interface_bytes", "eth0", "transmit")), 4517941u);
  EXPECT_EQ(reader.value(name_of("network_interface_packets", "lo", "transmit")), 84751u);
  EXPECT_EQ(reader.value(name_of("network_interface_drops", "ifb1", "transmit")), 0u);
  EXPECT_EQ(reader.value("network_interfaces_folded"), 0u);
  EXPECT_EQ(reader.present_count(), 4 * kInterfaceValues + 1);
}

TEST(NetworkInterfaceStats, OldKernelsHaveNoSpaceAfterTheName) {
  SourceReader reader(kNetworkInterfaceStats, fixture_host("linux-2.6.9-no-steal-no-guest"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(name_of("network_interface_bytes", "lo", "receive")), 4294967295u);
  EXPECT_EQ(reader.value(name_of("network_interface_errors", "eth0", "receive")), 11u);
  EXPECT_EQ(reader.value(name_of("network_interface_drops", "eth0", "receive")), 7u);
  EXPECT_EQ(reader.value(name_of("network_interface_bytes", "eth0", "transmit")), 3299470122u);
  EXPECT_EQ(reader.value(name_of("network_interface_errors", "eth0", "transmit")), 5u);
  EXPECT_EQ(reader.value(name_of("network_interface_drops", "eth0", "transmit")), 2u);
}

TEST(NetworkInterfaceStats, WhatIsMissingOrGarbageIsAbsent) {
  SourceReader reader(kNetworkInterfaceStats, fixture_host("garbage"));
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value(name_of("network_interface_bytes", "eth0", "receive")), 10u);
  EXPECT_EQ(reader.value(name_of("network_interface_packets", "eth0", "receive")), 20u);
  EXPECT_EQ(reader.value(name_of("network_interface_errors", "eth0", "receive")), std::nullopt);
  EXPECT_EQ(reader.value(name_of("network_interface_drops", "eth0", "receive")), std::nullopt);
  EXPECT_EQ(reader.value(name_of("network_interface_bytes", "eth0", "transmit")), 90u);
  EXPECT_EQ(reader.value(name_of("network_interface_packets", "eth0", "transmit")), std::nullopt);
  // Bytes that are no UTF-8 stay told apart.
  EXPECT_EQ(reader.value(name_of("network_interface_bytes", "\\xff\\xfeq", "transmit")), 9u);
  const std::string odd = "\tt\"\\:b";
  EXPECT_EQ(reader.value(name_of("network_interface_bytes", odd, "receive")),
            18446744073709551615u);
  EXPECT_EQ(reader.value(name_of("network_interface_packets", odd, "receive")), std::nullopt);
  EXPECT_EQ(reader.value(name_of("network_interface_packets", "last", "receive")), 8u);
  EXPECT_EQ(reader.series().size(), 4 * kInterfaceValues + 1);
}

TEST(NetworkInterfaceStats, NothingToReadIsAnError) {
  SourceReader reader(kNetworkInterfaceStats, fixture_host("empty"));
  EXPECT_FALSE(reader.read().has_value());
  const WrittenHost written;
  written.write({});
  SourceReader headed(kNetworkInterfaceStats, written.host());
  EXPECT_FALSE(headed.read().has_value());
}

TEST(NetworkInterfaceStats, SeriesComeAndGoWithTheirInterfaces) {
  const WrittenHost written;
  SourceReader reader(kNetworkInterfaceStats, written.host());
  const auto read = [&](const std::vector<std::pair<std::string, std::uint64_t>>& interfaces) {
    written.write(interfaces);
    EXPECT_TRUE(reader.read().has_value());
    return reader.series_list();
  };
  const auto kept_of = [](const SeriesList& before, const SeriesList& after) {
    const std::set<std::shared_ptr<const Series>> all(before->begin(), before->end());
    std::size_t kept = 0;
    for (const auto& series : *after) kept += all.contains(series);
    return kept;
  };
  const SeriesList first = read({{"lo", 0}, {"veth1", 100}});
  EXPECT_EQ(read({{"lo", 1}, {"veth1", 101}}), first) << "nothing came or went";
  EXPECT_EQ(read({{"lo", 2}}), first) << "missed once";
  EXPECT_EQ(reader.value(name_of("network_interface_bytes", "veth1", "receive")), std::nullopt);
  EXPECT_EQ(read({{"lo", 2}, {"veth1", 102}}), first) << "and there again";
  read({{"lo", 2}});
  const SeriesList without = read({{"lo", 2}});
  EXPECT_EQ(without->size(), kInterfaceValues + 1);
  EXPECT_EQ(kept_of(first, without), without->size());
  const SeriesList returned = read({{"lo", 3}, {"veth1", 7}});
  EXPECT_EQ(returned->size(), first->size());
  EXPECT_EQ(kept_of(first, returned), kInterfaceValues + 1) << "the one that returns is new";
  EXPECT_EQ(reader.value(name_of("network_interface_bytes", "veth1", "receive")), 7u);
  read({{"lo", 4}});
  const SeriesList another = read({{"lo", 5}, {"veth1", 3}});
  EXPECT_EQ(kept_of(returned, another), kInterfaceValues + 1) << "another one of that name";
  EXPECT_EQ(another->size(), returned->size());
}

TEST(NetworkInterfaceStats, WhatIsBeyondTheBoundIsSummed) {
  const WrittenHost written;
  SourceReader reader(kNetworkInterfaceStats, written.host());
  std::vector<std::pair<std::string, std::uint64_t>> interfaces;
  for (std::size_t i = 0; i < kInterfacesMax + 3; ++i) {
    interfaces.emplace_back("veth" + std::to_string(i), 1000 * i);
  }
  const std::string other = name_of("network_interface_packets", "other", "receive");
  written.write(interfaces);
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("network_interfaces_folded"), 3u);
  EXPECT_EQ(reader.series().size(), (kInterfacesMax + 1) * kInterfaceValues + 1);
  EXPECT_EQ(reader.value(other), 256'001u + 257'001u + 258'001u);
  // One of the folded goes: its share stays. The others grow.
  interfaces.pop_back();
  for (auto& [name, first] : interfaces) first += 5;
  written.write(interfaces);
  ASSERT_TRUE(reader.read().has_value());
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("network_interfaces_folded"), 2u);
  EXPECT_EQ(reader.value(other), 256'001u + 257'001u + 258'001u + 10);
  EXPECT_EQ(reader.value(name_of("network_interface_packets", "veth7", "receive")), 7006u);
  // Room for a new one; those that are folded stay so.
  interfaces.erase(interfaces.begin());
  written.write(interfaces);
  ASSERT_TRUE(reader.read().has_value());
  interfaces.emplace_back("new", 1);
  written.write(interfaces);
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("network_interfaces_folded"), 2u);
  EXPECT_EQ(reader.value(name_of("network_interface_packets", "new", "receive")), 2u);
}

TEST(NetworkInterfaceStats, AnInterfaceNamedOtherIsFolded) {
  const WrittenHost written;
  SourceReader reader(kNetworkInterfaceStats, written.host());
  written.write({{"lo", 0}, {"other", 50}});
  ASSERT_TRUE(reader.read().has_value());
  EXPECT_EQ(reader.value("network_interfaces_folded"), 1u);
  EXPECT_EQ(reader.value(name_of("network_interface_bytes", "other", "receive")), 50u);
  EXPECT_EQ(reader.series().size(), 2 * kInterfaceValues + 1);
}

// Every encoder over one stream of snapshots whose schema changes.
class Consumers {
 public:
  void take(const SnapshotRef& snapshot) {
    std::string frames;
    ASSERT_TRUE(frame_encoder_.encode(*snapshot, frames).has_value());
    frame_decoder_.feed(frames);
    while (true) {
      auto event = frame_decoder_.next();
      ASSERT_TRUE(event.has_value());
      if (!*event) break;
      if ((*event)->snapshot) framed_ = (*event)->snapshot;
    }
    auto decoded = v2_decoder_.decode(v2_encoder_.encode_v2(*snapshot, {}));
    ASSERT_TRUE(decoded.has_value());
    v2_ = *decoded;
    page_ = prometheus_.encode(*snapshot, {.full = true, .extra = {}});
  }

  // All of them say this of the bytes that an interface received; nothing: it is absent.
  void expect(std::string_view interface, std::optional<std::uint64_t> value) const {
    const Labels labels = {{"direction", "receive"}, {"interface", std::string(interface)}};
    for (const SnapshotRef& snapshot : {framed_, v2_}) {
      const std::int64_t index = find_series(*snapshot->schema, "network_interface_bytes", labels);
      const bool present = index >= 0 && snapshot->present[static_cast<std::size_t>(index)] == 1;
      ASSERT_EQ(present, value.has_value()) << interface;
      if (!present) continue;
      EXPECT_EQ(snapshot->scalars[static_cast<std::size_t>(index)], *value);
    }
    const std::string line =
        "rezolus_network_interface_bytes_total{direction=\"receive\",interface=\"" +
        std::string(interface) + "\"} ";
    const std::size_t at = page_.find(line);
    ASSERT_EQ(at != std::string::npos, value.has_value()) << interface;
    if (value) {
      EXPECT_EQ(page_.substr(at + line.size(), page_.find('\n', at) - at - line.size()),
                std::to_string(*value));
    }
  }

 private:
  FrameEncoder frame_encoder_{SourceMetadata{}};
  FrameDecoder frame_decoder_;
  MsgpackEncoder v2_encoder_;
  SnapshotDecoder v2_decoder_;
  PrometheusEncoder prometheus_;
  SnapshotRef framed_;
  SnapshotRef v2_;
  std::string page_;
};

TEST(NetworkInterfaceStats, SnapshotsFollowThroughEveryEncoder) {
  const WrittenHost written;
  written.write({{"lo", 1}, {"veth1", 100}});
  CollectorConfig config;
  config.samplers_enabled = false;
  config.sampler_enabled["network_interface_stats"] = true;
  auto collector = Collector::create(written.host(), config);
  ASSERT_TRUE(collector.has_value());
  Consumers consumers;
  const auto collect_until = [&](const std::function<bool(const Schema&)>& condition) {
    SnapshotRef snapshot;
    for (int i = 0; i < 200; ++i) {
      snapshot = (*collector)->collect();
      consumers.take(snapshot);
      if (condition(*snapshot->schema)) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
    }
    EXPECT_TRUE(condition(*snapshot->schema));
    return snapshot;
  };
  const auto index_of = [](const Schema& schema, std::string_view interface) {
    return find_series(schema, "network_interface_bytes",
                       {{"direction", "receive"}, {"interface", std::string(interface)}});
  };
  const auto has = [&](std::string_view interface, bool there) {
    return [=](const Schema& schema) { return (index_of(schema, interface) >= 0) == there; };
  };
  const SnapshotRef first = collect_until(has("veth1", true));
  const std::int64_t first_index = index_of(*first->schema, "veth1");
  consumers.expect("lo", 1);
  consumers.expect("veth1", 100);

  written.write({{"lo", 2}});
  const SnapshotRef without = collect_until(has("veth1", false));
  EXPECT_EQ(without->schema->series[static_cast<std::size_t>(first_index)], nullptr);
  EXPECT_EQ(without->present[static_cast<std::size_t>(first_index)], 0);
  consumers.expect("lo", 2);
  consumers.expect("veth1", std::nullopt);

  written.write({{"lo", 3}, {"veth1", 7}});
  const SnapshotRef returned = collect_until(has("veth1", true));
  EXPECT_GT(index_of(*returned->schema, "veth1"), first_index) << "an index is not used again";
  EXPECT_EQ(index_of(*returned->schema, "lo"), index_of(*first->schema, "lo"));
  consumers.expect("lo", 3);
  consumers.expect("veth1", 7);
}

// Interfaces that come and go for days: the schema stays as large as what lives needs.
TEST(NetworkInterfaceStats, SeriesThatAreGoneGiveTheirPlacesUp) {
  const WrittenHost written;
  written.write({{"lo", 7}});
  CollectorConfig config;
  config.samplers_enabled = false;
  config.sampler_enabled["network_interface_stats"] = true;
  auto collector = Collector::create(written.host(), config);
  ASSERT_TRUE(collector.has_value());
  Consumers consumers;
  std::size_t largest = 0;
  for (int round = 0; round < 7; ++round) {
    std::vector<std::pair<std::string, std::uint64_t>> interfaces = {{"lo", 7}};
    for (int i = 0; i < 120; ++i) {
      interfaces.emplace_back("veth" + std::to_string(round) + "_" + std::to_string(i), 1);
    }
    written.write(interfaces);
    const std::string last = interfaces.back().first;
    SnapshotRef snapshot;
    for (int i = 0; i < 100; ++i) {
      snapshot = (*collector)->collect();
      consumers.take(snapshot);
      largest = std::max(largest, snapshot->schema->series.size());
      if (find_series(*snapshot->schema, "network_interface_bytes",
                      {{"direction", "receive"}, {"interface", last}}) >= 0) {
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
    }
    consumers.expect(last, 1);
    consumers.expect("lo", 7);
  }
  // 7 rounds of 120 interfaces with 8 series each are 6,720.
  EXPECT_GT(largest, 960u);
  EXPECT_LT(largest, 4500u);
}

}  // namespace
}  // namespace rezolus
