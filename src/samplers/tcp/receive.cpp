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

constexpr std::string_view kHooks[] = {"handle_probe"};

}  // namespace

const BpfSampler kTcpReceive = {
    .name = "tcp_receive",
    .description = "round-trip time and jitter of TCP connections",
    .bpf_name = "receive",
    .metrics = kMetrics,
    .hooks = kHooks,
    .notes =
        {.measures = "What the kernel holds of the connection when a segment arrives, before the "
                     "segment itself is taken into account: srtt_us and mdev_us of its socket. "
                     "Connections whose round-trip time was not measured yet add nothing.",
         .cost = "Per segment received (after receive offload) two histogram adds.",
         .needs = "The tracepoint tcp_probe, which every kernel has.",
         .reading = "Busy connections weigh more, since each segment adds a sample. Loopback "
                    "connections are in it, tens of microseconds long. A jitter near the "
                    "round-trip time itself says that the path queues."},
};

}  // namespace rezolus
