// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The tcp family: what TCP moves, how far its peers are, what it sends again, how connects go and
// how long applications leave data unread.

#include "samplers/family.h"

namespace rezolus {

extern const BpfSampler kTcpTraffic;
extern const BpfSampler kTcpReceive;
extern const BpfSampler kTcpRetransmit;
extern const BpfSampler kTcpConnectLatency;
extern const BpfSampler kTcpPacketLatency;
extern const Family kTcpFamily;

}  // namespace rezolus
