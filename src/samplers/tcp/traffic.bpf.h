/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * What applications hand to TCP and take from it: bytes as the call returned them, so that short
 * writes, failures and peeks are exact. Per call that moved bytes: two look-ups for the cgroup, three
 * counter adds and one histogram add; per call of another protocol's socket: one to three loads.
 */
#include "samplers/tcp/socket.bpf.h"

SAMPLER(traffic);
COUNTERS(traffic, TCP_TRAFFIC_COUNTER_COUNT);
HISTOGRAMS(traffic, TCP_DIRECTION_COUNT);
CGROUP_COUNTERS(traffic, TCP_TRAFFIC_CGROUP_COUNTER_COUNT);

/* Of recvmsg(2): what is read stays in the socket, or does not come from the peer. */
#define MESSAGE_PEEK 0x2
#define MESSAGE_ERROR_QUEUE 0x2000

/* result: of the call, negative when it failed. socket: NULL where the call does not tell. */
static __always_inline void traffic_add(struct sock *socket, const enum tcp_direction direction,
					s64 result, const bool typed)
{
	struct traffic_counters_row *row;
	struct traffic_cgroup_counters_row *part;
	struct socket_state *state = NULL;

	if (result <= 0)
		return;
	row = COUNTER_ROW(traffic);
	if (!row)
		return;
	COUNTER_ADD(row, TCP_TRAFFIC_BYTES + direction, result);
	COUNTER_ADD(row, TCP_TRAFFIC_CALLS + direction, 1);
	HISTOGRAM_ADD(traffic, direction, result);
	if (socket)
		state = socket_state_of(socket, typed);
	socket_take(state);
	part = CGROUP_COUNTER_ROW(traffic, socket_slot(state));
	if (part)
		COUNTER_ADD(part, TCP_TRAFFIC_CGROUP_BYTES + direction, result);
}

static __always_inline void traffic_received(struct sock *socket, s64 result, u32 flags,
					     const bool typed)
{
	if (!(flags & (MESSAGE_PEEK | MESSAGE_ERROR_QUEUE)))
		traffic_add(socket, TCP_RECEIVE, result, typed);
}
