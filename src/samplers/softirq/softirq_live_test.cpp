// SPDX-License-Identifier: Apache-2.0 OR MIT
// Softirqs against /proc/softirqs, which counts the same by kind and CPU.

#include <array>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "live/live.h"

namespace rezolus::live {
namespace {

REZOLUS_LIVE_SUITE_WITHOUT_TASKS(softirq);

// Kind and CPU, as the sampler labels them.
using Counts = std::map<std::pair<std::string, std::string>, std::uint64_t>;

Counts kernel_counts() {
  static const std::map<std::string, std::string> kKinds = {
      {"HI:", "hi"},       {"TIMER:", "timer"},       {"NET_TX:", "net_tx"},
      {"NET_RX:", "net_rx"}, {"BLOCK:", "block"},     {"IRQ_POLL:", "irq_poll"},
      {"TASKLET:", "tasklet"}, {"SCHED:", "sched"},   {"HRTIMER:", "hrtimer"},
      {"RCU:", "rcu"}};
  Counts counts;
  std::ifstream file("/proc/softirqs");
  std::string line;
  std::getline(file, line);
  std::istringstream heads(line);
  std::vector<std::string> cpus;
  for (std::string cpu; heads >> cpu;) cpus.push_back(cpu.substr(3));
  while (std::getline(file, line)) {
    std::istringstream row(line);
    std::string name;
    row >> name;
    for (const std::string& cpu : cpus) {
      std::uint64_t count = 0;
      row >> count;
      if (kKinds.contains(name)) counts[{kKinds.at(name), cpu}] = count;
    }
  }
  return counts;
}

// Packets over the loopback, for net_rx.
void send_packets(int count) {
  const int receiver = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(receiver, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t size = sizeof address;
  ::getsockname(receiver, reinterpret_cast<sockaddr*>(&address), &size);
  const int sender = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  std::array<char, 64> bytes{};
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(::sendto(sender, bytes.data(), bytes.size(), 0,
                       reinterpret_cast<sockaddr*>(&address), size),
              static_cast<ssize_t>(bytes.size()));
    ASSERT_EQ(::recv(receiver, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  ::close(sender);
  ::close(receiver);
}

TEST_P(softirq, CountsLieBetweenTheKernels) {
  LiveCollector collector({"softirq"}, GetParam());
  const Counts outer_before = kernel_counts();
  collector.begin();
  const Counts inner_before = kernel_counts();
  send_packets(200);
  const timespec length{0, 300'000'000};
  ::nanosleep(&length, nullptr);
  const Counts inner_after = kernel_counts();
  const Delta delta = collector.end();
  const Counts outer_after = kernel_counts();
  ASSERT_FALSE(outer_after.empty());
  for (const auto& [key, after] : outer_after) {
    const Labels labels = {{"id", key.second}, {"kind", key.first}};
    const std::uint64_t ours = delta.counter("softirq", labels);
    // The kernel counts at entry just before the tracepoint: one can lie between the two.
    EXPECT_LE(ours, after - outer_before.at(key) + 1) << key.first << " on CPU " << key.second;
    EXPECT_GE(ours + 1, inner_after.at(key) - inner_before.at(key))
        << key.first << " on CPU " << key.second;
  }
  EXPECT_GE(delta.counter("softirq", {{"kind", "net_rx"}}), 100u);
  collector.expect_no_losses();
}

TEST_P(softirq, EveryRunHasATimeAndAWait) {
  LiveCollector collector({"softirq"}, GetParam());
  collector.begin();
  const std::uint64_t begin = now_ns();
  send_packets(200);
  const Delta delta = collector.end();
  const std::uint64_t elapsed = now_ns() - begin;
  const Labels kind = {{"kind", "net_rx"}};
  const std::uint64_t count = delta.counter("softirq", kind);
  const HistogramValue run = delta.histogram("softirq_run", kind);
  const HistogramValue wait = delta.histogram("softirq_wait", kind);
  EXPECT_NEAR(static_cast<double>(run.count()), static_cast<double>(count), 2);
  EXPECT_EQ(run.sum, delta.counter("softirq_time", kind));
  EXPECT_GT(run.sum, 0u);
  EXPECT_LE(run.sum, elapsed * static_cast<std::uint64_t>(online_cpus()));
  // Every run was raised; at most the first ones were raised before we attached.
  EXPECT_LE(wait.count(), count);
  EXPECT_GE(wait.count() + 2, count);
  EXPECT_LE(wait.sum, elapsed * wait.count());
}

}  // namespace
}  // namespace rezolus::live
