// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <array>

#include "samplers/network/network.h"
#include "samplers/network/network_family.h"

namespace rezolus {
namespace {

constexpr Metric kMetrics[] = {
    {.slot = NETWORK_RECEIVE_BYTES,
     .name = "network_bytes",
     .labels = {{{"direction", "receive"}}},
     .unit = Unit::kBytes,
     .prometheus = "rezolus_network_bytes_total",
     .help = "Bytes of the buffers that devices with hardware receive (without the link header) "
             "and send (with it); virtual devices would count them again."},
    {.slot = NETWORK_TRANSMIT_BYTES,
     .name = "network_bytes",
     .labels = {{{"direction", "transmit"}}},
     .unit = Unit::kBytes,
     .prometheus = "rezolus_network_bytes_total",
     .help = "Bytes of the buffers that devices with hardware receive (without the link header) "
             "and send (with it); virtual devices would count them again."},
    {.slot = NETWORK_RECEIVE_PACKETS,
     .name = "network_packets",
     .labels = {{{"direction", "receive"}}},
     .unit = Unit::kPackets,
     .prometheus = "rezolus_network_packets_total",
     .help = "Buffers that devices with hardware receive and send; one can be many frames on the "
             "wire (GRO, GSO)."},
    {.slot = NETWORK_TRANSMIT_PACKETS,
     .name = "network_packets",
     .labels = {{{"direction", "transmit"}}},
     .unit = Unit::kPackets,
     .prometheus = "rezolus_network_packets_total",
     .help = "Buffers that devices with hardware receive and send; one can be many frames on the "
             "wire (GRO, GSO)."},
    {.slot = NETWORK_RECEIVE_SEGMENTS,
     .name = "network_segments",
     .labels = {{{"direction", "receive"}}},
     .unit = Unit::kSegments,
     .prometheus = "rezolus_network_segments_total",
     .lean = false,
     .help = "Frames on the wire that the received and sent buffers stand for."},
    {.slot = NETWORK_TRANSMIT_SEGMENTS,
     .name = "network_segments",
     .labels = {{{"direction", "transmit"}}},
     .unit = Unit::kSegments,
     .prometheus = "rezolus_network_segments_total",
     .lean = false,
     .help = "Frames on the wire that the received and sent buffers stand for."},
};
static_assert(check_metrics(kMetrics, NETWORK_TRAFFIC_COUNTER_COUNT, 0));

constexpr std::string_view kHooks[] = {"handle_receive", "handle_start_transmit"};

}  // namespace

const BpfSampler kNetworkTraffic = {
    .name = "network_traffic",
    .description = "bytes, packets and wire segments that the host receives and sends",
    .bpf_name = "traffic",
    .metrics = kMetrics,
    .hooks = kHooks,
    .optional_hooks = {},
    .notes =
        {.measures =
             "Every buffer that enters the network stack from a device, and every buffer that is "
             "handed to a driver, in all network namespaces. Only devices with hardware behind "
             "them count (physical cards, virtio, ENA: those with a parent device): loopback, "
             "veth, bridges, bonds, VLANs and tunnels would count the same packet again at each "
             "hop. Frames that XDP consumed in the driver, and those that a program sends past "
             "the queueing layer (AF_XDP, packet sockets with PACKET_QDISC_BYPASS), are not seen.",
         .cost =
             "Per buffer one read of kernel memory (two or three where it is several segments) and "
             "three counter adds; two loads for a buffer on a virtual device.",
         .needs = "The tracepoints netif_receive_skb and net_dev_start_xmit, which every kernel "
                  "has.",
         .reading =
             "Segments per packet tell how well GRO and GSO aggregate: far above 1 in bulk "
             "transfers, 1 where aggregation is off or does not apply. Received bytes are those "
             "after merging, so the headers of merged frames count once. A buffer that the driver "
             "refused counts again when it is tried again (network_transmit_busy). A frame counts "
             "twice where one device with hardware sends through another: accelerated networking "
             "on Hyper-V, DSA switch ports, and what IPsec in tunnel mode unpacks. Where a "
             "device merges frames by itself without saying how many (virtio), segments follow from the lengths, one off at most. By interface, "
             "virtual ones included: network_interface_bytes."},
};

}  // namespace rezolus
