// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/network/drop_reasons.h"

#include <string>

namespace rezolus {
namespace {

struct DropReason {
  std::string_view name;  // without SKB_DROP_REASON_
  network_drop_class drop_class;
};

// Upstream's selection: what tells of trouble on the host or the wire. Filters, closed ports and
// TCP state, the everyday reasons, are not among them.
constexpr DropReason kReasons[] = {
    {"DEV_HDR", NETWORK_DROP_DEVICE},
    {"DEV_READY", NETWORK_DROP_DEVICE},
    {"FULL_RING", NETWORK_DROP_DEVICE},
    {"NOMEM", NETWORK_DROP_MEMORY},
    {"SOCKET_RCVBUFF", NETWORK_DROP_MEMORY},
    {"PROTO_MEM", NETWORK_DROP_MEMORY},
    {"CPU_BACKLOG", NETWORK_DROP_MEMORY},
    {"QDISC_DROP", NETWORK_DROP_MEMORY},
    // What was QDISC_DROP before a kernel between 6.8 and 6.15 told it apart.
    {"FQ_BAND_LIMIT", NETWORK_DROP_MEMORY},
    {"FQ_HORIZON_LIMIT", NETWORK_DROP_MEMORY},
    {"FQ_FLOW_LIMIT", NETWORK_DROP_MEMORY},
    {"QDISC_OVERLIMIT", NETWORK_DROP_MEMORY},
    {"QDISC_CONGESTED", NETWORK_DROP_MEMORY},
    {"QDISC_BURST_DROP", NETWORK_DROP_MEMORY},
    {"CAKE_FLOOD", NETWORK_DROP_MEMORY},
    {"IP_CSUM", NETWORK_DROP_CHECKSUM},
    {"TCP_CSUM", NETWORK_DROP_CHECKSUM},
    {"UDP_CSUM", NETWORK_DROP_CHECKSUM},
    {"ICMP_CSUM", NETWORK_DROP_CHECKSUM},
    {"SKB_CSUM", NETWORK_DROP_CHECKSUM},
    {"PKT_TOO_BIG", NETWORK_DROP_MALFORMED},
    {"PKT_TOO_SMALL", NETWORK_DROP_MALFORMED},
    {"HDR_TRUNC", NETWORK_DROP_MALFORMED},
    {"IP_INHDR", NETWORK_DROP_MALFORMED},
    {"NEIGH_CREATEFAIL", NETWORK_DROP_NEIGHBOUR},
    {"NEIGH_FAILED", NETWORK_DROP_NEIGHBOUR},
    {"NEIGH_QUEUEFULL", NETWORK_DROP_NEIGHBOUR},
    {"NEIGH_DEAD", NETWORK_DROP_NEIGHBOUR},
    {"IP_OUTNOROUTES", NETWORK_DROP_ROUTE},
    {"IP_INNOROUTES", NETWORK_DROP_ROUTE},
};

}  // namespace

DropReasons find_drop_reasons(const EnumLookup& enum_value) {
  DropReasons reasons;
  for (const DropReason& reason : kReasons) {
    const auto number =
        enum_value("skb_drop_reason", "SKB_DROP_REASON_" + std::string(reason.name));
    if (!number || *number <= 0 || *number >= NETWORK_DROP_REASON_LIMIT) continue;
    reasons.class_of_reason[static_cast<std::size_t>(*number)] =
        static_cast<std::uint8_t>(reason.drop_class + 1);
  }
  // Where queueing disciplines have reasons of their own, in a subsystem.
  const auto queues = enum_value("skb_drop_reason_subsys", "SKB_DROP_REASON_SUBSYS_QDISC");
  if (queues && *queues > 0) reasons.queue_subsystem = static_cast<std::uint32_t>(*queues);
  return reasons;
}

}  // namespace rezolus
