// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <array>

#include "samplers/tcp/tcp.h"
#include "samplers/tcp/tcp_family.h"

namespace rezolus {
namespace {

consteval auto metrics() {
  constexpr std::array<std::string_view, TCP_DIRECTION_COUNT> kDirections = {"receive", "transmit"};
  std::array<Metric, TCP_TRAFFIC_COUNTER_COUNT + TCP_DIRECTION_COUNT> rows;
  for (std::uint32_t i = 0; i < TCP_DIRECTION_COUNT; ++i) {
    rows[TCP_TRAFFIC_BYTES + i] = {.slot = TCP_TRAFFIC_BYTES + i,
                                   .name = "tcp_bytes",
                                   .unit = Unit::kBytes,
                                   .prometheus = "rezolus_tcp_bytes_total",
                                   .help = "Bytes that TCP took from applications to send, and "
                                           "that applications took from it."};
    rows[TCP_TRAFFIC_CALLS + i] = {.slot = TCP_TRAFFIC_CALLS + i,
                                   .name = "tcp_packets",
                                   .unit = Unit::kPackets,
                                   .prometheus = "rezolus_tcp_calls_total",
                                   .help = "Calls that moved bytes into or out of TCP; not "
                                           "packets, in spite of the name."};
    rows[TCP_TRAFFIC_COUNTER_COUNT + i] = {
        .slot = i,
        .name = "tcp_size",
        .unit = Unit::kBytes,
        .type = MetricType::kHistogram,
        .prometheus = "rezolus_tcp_size_bytes",
        .lean = false,
        .help = "Bytes that one call moved into or out of TCP."};
  }
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    rows[i].labels[0] = {"direction", kDirections[i % TCP_DIRECTION_COUNT]};
  }
  return rows;
}

constexpr auto kMetrics = metrics();
static_assert(check_metrics(kMetrics, TCP_TRAFFIC_COUNTER_COUNT, TCP_DIRECTION_COUNT));

constexpr Metric cgroup_bytes(tcp_direction direction, std::string_view name) {
  return {.slot = static_cast<std::uint32_t>(TCP_TRAFFIC_CGROUP_BYTES) + direction,
          .name = "cgroup_tcp_bytes",
          .labels = {{{"direction", name}}},
          .unit = Unit::kBytes,
          .dimension = Dimension::kCgroup,
          .prometheus = "rezolus_cgroup_tcp_bytes_total",
          .help = "Bytes that TCP took from a cgroup's sockets to send, and that were read from "
                  "them."};
}
constexpr Metric kCgroupMetrics[] = {cgroup_bytes(TCP_RECEIVE, "receive"),
                                     cgroup_bytes(TCP_TRANSMIT, "transmit")};
static_assert(check_metrics(kCgroupMetrics, TCP_TRAFFIC_CGROUP_COUNTER_COUNT, 0));

constexpr std::string_view kHooks[] = {"handle_send", "handle_receive"};
constexpr std::string_view kOptionalHooks[] = {"handle_sendpage", "handle_splice_read",
                                                "handle_state", "handle_destroy"};

}  // namespace

const BpfSampler kTcpTraffic = {
    .name = "tcp_traffic",
    .description = "bytes, calls and sizes of what applications send and receive over TCP",
    .bpf_name = "traffic",
    .metrics = kMetrics,
    .cgroup_metrics = kCgroupMetrics,
    .hooks = kHooks,
    .optional_hooks = kOptionalHooks,
    .notes =
        {.measures = "Counts what each call returned: short writes count as what was accepted, "
                     "failed calls and MSG_PEEK not at all. IPv4 and IPv6, sendfile and splice "
                     "included; loopback traffic stands in both directions. A socket is the "
                     "cgroup's that connected it, else of the first that sends on it or reads "
                     "from it; kernel threads and softirqs do not count as such.",
         .cost = "Per call on a TCP socket two look-ups, three counter adds and one histogram add; per call on "
                 "another socket a few loads. Calls without bytes add nothing.",
         .needs = "The tracepoints sock_send_length and sock_recv_length (Linux 6.3), else fexit "
                  "on tcp_sendmsg, tcp_sendpage and tcp_recvmsg. Without either it is off: what "
                  "a kprobe sees is what was asked for, not what was done. Splice from a socket "
                  "needs fexit on tcp_splice_read and is missing without. Not seen: reads "
                  "through a mapping (TCP_ZEROCOPY_RECEIVE), readers inside the kernel that go "
                  "past the socket layer, Multipath TCP, and kernel TLS before 6.3.",
         .reading = "Bytes are payload, without headers and retransmissions, so they stay below "
                    "what the interface counts. Bytes over calls is the mean size of a call: a few "
                    "bytes a call says that an application does not buffer."},
};

}  // namespace rezolus
