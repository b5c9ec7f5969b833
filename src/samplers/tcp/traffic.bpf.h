/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * What applications hand to TCP and take from it: bytes as the call returned them, so that short
 * writes, failures and peeks are exact. Per call that moved bytes: two counter adds and one
 * histogram add; per call of another protocol's socket: one to three loads.
 */
#include "samplers/tcp/socket.bpf.h"

SAMPLER(traffic);
COUNTERS(traffic, TCP_TRAFFIC_COUNTER_COUNT);
HISTOGRAMS(traffic, TCP_DIRECTION_COUNT);

/* Of recvmsg(2): what is read stays in the socket, or does not come from the peer. */
#define MESSAGE_PEEK 0x2
#define MESSAGE_ERROR_QUEUE 0x2000

/* result: of the call, negative when it failed. */
static __always_inline void traffic_add(const enum tcp_direction direction, s64 result)
{
	struct traffic_counters_row *row;

	if (result <= 0)
		return;
	row = COUNTER_ROW(traffic);
	if (!row)
		return;
	COUNTER_ADD(row, TCP_TRAFFIC_BYTES + direction, result);
	COUNTER_ADD(row, TCP_TRAFFIC_CALLS + direction, 1);
	HISTOGRAM_ADD(traffic, direction, result);
}

static __always_inline void traffic_received(s64 result, u32 flags)
{
	if (!(flags & (MESSAGE_PEEK | MESSAGE_ERROR_QUEUE)))
		traffic_add(TCP_RECEIVE, result);
}
