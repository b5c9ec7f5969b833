// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <array>

#include "samplers/network/network.h"
#include "samplers/network/network_family.h"

namespace rezolus {
namespace {

constexpr std::string_view kDropHook = "handle_drop";
constexpr std::string_view kTimeoutHook = "handle_transmit_timeout";

consteval auto metrics() {
  constexpr std::array<std::string_view, NETWORK_DROP_CLASS_COUNT> kClassNames = {
      "device", "memory", "checksum", "malformed", "neighbour", "route"};
  std::array<Metric, NETWORK_INTERFACES_COUNTER_COUNT> rows;
  for (std::uint32_t i = 0; i < NETWORK_DROP_CLASS_COUNT; ++i) {
    rows[NETWORK_DROP_BY_CLASS + i] = {
        .slot = NETWORK_DROP_BY_CLASS + i,
        .name = "network_drop_by_reason",
        .labels = {{{"reason", kClassNames[i]}}},
        .unit = Unit::kPackets,
        .prometheus = "rezolus_network_drops_by_reason_total",
        .lean = false,
        .hook = kDropHook,
        .help =
            "Packets that the kernel dropped, by the kind of its reason; the kinds sum to "
            "network_drop."};
  }
  rows[NETWORK_DROP] = {.slot = NETWORK_DROP,
                        .name = "network_drop",
                        .unit = Unit::kPackets,
                        .prometheus = "rezolus_network_drops_total",
                        .hook = kDropHook,
                        .help =
                            "Packets that the kernel dropped for want of a device, memory, a "
                            "good checksum, a sound header, a neighbour or a route."};
  rows[NETWORK_TRANSMIT_BUSY] = {
      .slot = NETWORK_TRANSMIT_BUSY,
      .name = "network_transmit_busy",
      .unit = Unit::kPackets,
      .prometheus = "rezolus_network_transmit_busy_total",
      .lean = false,
      .help = "Buffers that the driver of a device with hardware did not take."};
  rows[NETWORK_TRANSMIT_COMPLETE] = {
      .slot = NETWORK_TRANSMIT_COMPLETE,
      .name = "network_transmit_complete",
      .unit = Unit::kPackets,
      .prometheus = "rezolus_network_transmit_complete_total",
      .lean = false,
      .help = "Buffers that the driver of a device with hardware took."};
  rows[NETWORK_TRANSMIT_TIMEOUT] = {
      .slot = NETWORK_TRANSMIT_TIMEOUT,
      .name = "network_transmit_timeout",
      .unit = Unit::kEvents,
      .prometheus = "rezolus_network_transmit_timeouts_total",
      .lean = false,
      .hook = kTimeoutHook,
      .help = "Times that the kernel found a device's transmit queue stuck."};
  return rows;
}

constexpr auto kMetrics = metrics();
static_assert(check_metrics(kMetrics, NETWORK_INTERFACES_COUNTER_COUNT, 0));

constexpr std::string_view kHooks[] = {"handle_transmit"};
constexpr std::string_view kOptionalHooks[] = {kDropHook, kTimeoutHook};

}  // namespace

const BpfSampler kNetworkInterfaces = {
    .name = "network_interfaces",
    .description = "packets dropped by the kernel, refused by drivers, and stuck transmit queues",
    .bpf_name = "interfaces",
    .metrics = kMetrics,
    .hooks = kHooks,
    .optional_hooks = kOptionalHooks,
    .notes =
        {.measures = "Drops: every packet that the kernel frees with a reason of the counted "
                     "kinds, on any device and in all network namespaces. `device`: DEV_HDR, "
                     "DEV_READY, FULL_RING. `memory`: NOMEM, SOCKET_RCVBUFF, PROTO_MEM, "
                     "CPU_BACKLOG, QDISC_DROP and what newer kernels tell apart from it. "
                     "`checksum`: IP_CSUM, TCP_CSUM, UDP_CSUM, ICMP_CSUM, SKB_CSUM. `malformed`: "
                     "PKT_TOO_BIG, PKT_TOO_SMALL, HDR_TRUNC, IP_INHDR. `neighbour`: "
                     "NEIGH_CREATEFAIL, NEIGH_FAILED, NEIGH_QUEUEFULL, NEIGH_DEAD. `route`: "
                     "IP_OUTNOROUTES, IP_INNOROUTES. Reasons are found by their names in the "
                     "running kernel, never by number. Busy and complete: the driver's answer to "
                     "each buffer, on devices with hardware behind them only; together they are "
                     "network_packets of direction `transmit`. Timeout: each time the transmit "
                     "watchdog fires, on any device.",
         .cost = "One counter add per buffer sent, two loads where the device is virtual. Per "
                 "freed packet one look-up in a constant table, and two counter adds where the "
                 "reason is counted.",
         .needs = "The tracepoints net_dev_xmit and, for the timeouts, net_dev_xmit_timeout, which "
                  "every kernel since 5.2 has. Drops need Linux 5.17, where the tracepoint "
                  "kfree_skb tells its reason, and BTF; without them network_drop and "
                  "network_drop_by_reason are absent.",
         .reading = "Packets that a filter, a closed port or the state of a connection ends are "
                    "not drops here. `memory` is a receiver or queue that is too slow or too "
                    "small; `checksum` and `malformed` are the wire or the sender; `neighbour` "
                    "and `route` are the configuration or a peer that is gone. What the hardware "
                    "itself drops never becomes a packet: see network_interface_drops. Busy "
                    "means that a driver was out of descriptors and the buffer went back to its "
                    "queue; a timeout is a driver or device that hangs."},
};

}  // namespace rezolus
