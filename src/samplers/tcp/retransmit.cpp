// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/tcp/tcp.h"
#include "samplers/tcp/tcp_family.h"

namespace rezolus {
namespace {

constexpr Metric kMetrics[] = {
    {.slot = 0,
     .name = "tcp_retransmit",
     .unit = Unit::kPackets,
     .prometheus = "rezolus_tcp_retransmitted_segments_total",
     .help = "TCP segments sent again."},
};
static_assert(check_metrics(kMetrics, 1, 0));

constexpr Metric kCgroupMetrics[] = {
    {.slot = 0,
     .name = "cgroup_tcp_retransmit",
     .unit = Unit::kPackets,
     .dimension = Dimension::kCgroup,
     .prometheus = "rezolus_cgroup_tcp_retransmitted_segments_total",
     .help = "TCP segments of a cgroup's connections that were sent again."},
};
static_assert(check_metrics(kCgroupMetrics, 1, 0));

constexpr std::string_view kHooks[] = {"handle_retransmit"};
constexpr std::string_view kOptionalHooks[] = {"handle_retransmit_synack", "handle_read", "handle_state",
                                                "handle_destroy"};

}  // namespace

const BpfSampler kTcpRetransmit = {
    .name = "tcp_retransmit",
    .description = "TCP segments sent again",
    .bpf_name = "retransmit",
    .metrics = kMetrics,
    .cgroup_metrics = kCgroupMetrics,
    .hooks = kHooks,
    .optional_hooks = kOptionalHooks,
    .notes =
        {.measures = "Segments, not calls: one retransmission of a large buffer is many. SYN, "
                     "answers to a SYN and tail loss probes are included, in all network "
                     "namespaces. A retransmission that this host could not send is not counted. A "
                     "connection is the cgroup's that made it, else of the first that reads from it "
                     "or, with tcp_traffic, sends; answers to a SYN stand in `other`.",
         .cost = "Per retransmission two look-ups and two counter adds; per read one look-up.",
         .needs = "The tracepoint tcp_retransmit_skb, which every kernel has; "
                  "tcp_retransmit_synack for answers to a SYN.",
         .reading = "The same as RetransSegs of /proc/net/snmp, summed over the network "
                    "namespaces. Set against the segments sent, more than 1 % is felt by "
                    "applications."},
};

}  // namespace rezolus
