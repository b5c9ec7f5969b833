/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Segments that TCP sent again. Two look-ups for the cgroup and two counter adds per retransmission.
 */
#include "samplers/tcp/socket.bpf.h"

SAMPLER(retransmit);
COUNTERS(retransmit, 1);
CGROUP_COUNTERS(retransmit, 1);

/* Set by the loader: the tracepoint hands over an error (since 6.16) and fires on failure too. */
const volatile bool retransmit_has_error = false;

static __always_inline void retransmit_add(u64 segments, u32 cgroup_slot)
{
	struct retransmit_counters_row *row = COUNTER_ROW(retransmit);
	struct retransmit_cgroup_counters_row *part = CGROUP_COUNTER_ROW(retransmit, cgroup_slot);

	if (row)
		COUNTER_ADD(row, 0, segments);
	if (part)
		COUNTER_ADD(part, 0, segments);
}

/* The event comes after the buffer was cut to what is sent: its segments are the kernel's count. */
static __always_inline void retransmit_buffer(struct sock *socket, struct sk_buff *buffer,
					      const bool typed)
{
	struct tcp_skb_cb *segment = segment_of(buffer);
	u64 segments = FIELD(typed, segment, tcp_gso_segs);

	retransmit_add(segments ? segments : 1, socket_slot(socket_state_find(socket, typed)));
}
