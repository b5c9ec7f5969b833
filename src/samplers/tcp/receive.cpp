// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/tcp/tcp.h"
#include "samplers/tcp/tcp_family.h"

namespace rezolus {
namespace {

constexpr Metric kMetrics[] = {
    {.slot = TCP_RECEIVE_SRTT,
     .name = "tcp_srtt",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kHistogram,
     .prometheus = "rezolus_tcp_srtt_seconds",
     .help = "Smoothed round-trip time of a connection, taken at each segment received."},
    {.slot = TCP_RECEIVE_JITTER,
     .name = "tcp_jitter",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kHistogram,
     .prometheus = "rezolus_tcp_jitter_seconds",
     .lean = false,
     .help = "Mean deviation of a connection's round-trip time, taken at each segment received."},
};
static_assert(check_metrics(kMetrics, 0, TCP_RECEIVE_HISTOGRAM_COUNT));

constexpr Metric kCgroupMetrics[] = {
    {.slot = 0,
     .name = "cgroup_tcp_srtt",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kHistogram,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_tcp_srtt_seconds",
     .lean = false,
     .help = "Smoothed round-trip time of a cgroup's connections, taken at each segment received."},
};
static_assert(check_metrics(kCgroupMetrics, 0, 1));

constexpr std::string_view kHooks[] = {"handle_probe"};
// These say whose a socket is.
constexpr std::string_view kOptionalHooks[] = {"handle_read", "handle_state", "handle_destroy"};

}  // namespace

const BpfSampler kTcpReceive = {
    .name = "tcp_receive",
    .description = "round-trip time and jitter of TCP connections",
    .bpf_name = "receive",
    .metrics = kMetrics,
    .cgroup_metrics = kCgroupMetrics,
    .hooks = kHooks,
    .optional_hooks = kOptionalHooks,
    .notes =
        {.measures = "What the kernel holds of the connection when a segment arrives, before the "
                     "segment itself is taken into account: srtt_us and mdev_us of its socket. "
                     "Connections whose round-trip time was not measured yet add nothing. A connection "
                     "is the cgroup's that made it, else of the first that reads from it or, with "
                     "tcp_traffic, sends; what comes before stands in `other`.",
         .cost = "Per segment received (after receive offload) two look-ups and three histogram "
                 "adds; per read one look-up.",
         .needs = "The tracepoint tcp_probe, which every kernel has.",
         .reading = "Busy connections weigh more, since each segment adds a sample. Loopback "
                    "connections are in it, tens of microseconds long. A jitter near the "
                    "round-trip time itself says that the path queues."},
};

}  // namespace rezolus
