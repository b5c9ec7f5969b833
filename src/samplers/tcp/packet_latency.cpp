// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/tcp/tcp.h"
#include "samplers/tcp/tcp_family.h"

namespace rezolus {
namespace {

constexpr Metric kMetrics[] = {
    {.slot = 0,
     .name = "tcp_packet_latency",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kHistogram,
     .prometheus = "rezolus_tcp_packet_latency_seconds",
     .lean = false,
     .help = "Time from the first unread TCP segment reaching a socket to the application's read."},
};
static_assert(check_metrics(kMetrics, 0, 1));

constexpr Metric kCgroupMetrics[] = {
    {.slot = 0,
     .name = "cgroup_tcp_packet_latency",
     .unit = Unit::kNanoseconds,
     .type = MetricType::kHistogram,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_tcp_packet_latency_seconds",
     .lean = false,
     .help = "Time from the first unread TCP segment reaching a cgroup's socket to the read."},
};
static_assert(check_metrics(kCgroupMetrics, 0, 1));

constexpr std::string_view kHooks[] = {"handle_probe", "handle_read"};
constexpr std::string_view kOptionalHooks[] = {"handle_state", "handle_destroy"};

}  // namespace

const BpfSampler kTcpPacketLatency = {
    .name = "tcp_packet_latency",
    .description = "how long received data waits for the application",
    .bpf_name = "packet",
    .metrics = kMetrics,
    .cgroup_metrics = kCgroupMetrics,
    .hooks = kHooks,
    .optional_hooks = kOptionalHooks,
    .notes =
        {.measures = "Starts when the first segment in order with payload reaches a socket from "
                     "which nothing is waiting to be timed; stops at the next read of the "
                     "application, a peek included. Duplicates and segments ahead of a gap start "
                     "nothing; what a short read left behind is not timed again. Data that comes with "
                     "the handshake or after one side has closed is not seen. A socket is the cgroup's "
                     "that connected it, else of the first that sends on it or reads from it.",
         .cost = "Per segment with payload one look-up, and a clock read when it is the first; per "
                 "read one look-up, and a clock read and two histogram adds when something was "
                 "waiting.",
         .needs = "The tracepoints tcp_probe and tcp_rcv_space_adjust, which every kernel has. "
                  "State is kept in socket storage (Linux 5.11 with BTF), else in a hash of "
                  "16,384 sockets whose refused inserts are counted as `socket_table_full`.",
         .reading = "The application's own delay: waking up, queueing for a CPU, and being busy "
                    "with something else. Compare with scheduler_runqueue_latency to tell which. "
                    "An application that pauses reading on purpose shows it here."},
};

}  // namespace rezolus
