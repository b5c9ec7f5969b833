/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * How long received data waits for the application: from the first segment that made a socket
 * readable to the next read. Per segment with payload: one look-up, a clock read when it is the
 * first; per read: one look-up, and two histogram adds when something was waiting.
 */
#include "samplers/tcp/socket.bpf.h"

SAMPLER(packet);
HISTOGRAMS(packet, 1);
CGROUP_HISTOGRAMS(packet, 1);

/*
 * Whether the segment brings the next bytes in order. Duplicates bring nothing, and what comes
 * early cannot be read before the gap is filled.
 */
static __always_inline bool packet_is_readable(struct tcp_sock *socket, struct sk_buff *buffer,
					       const bool typed)
{
	struct tcp_skb_cb *segment = segment_of(buffer);
	u32 expected = FIELD(typed, socket, rcv_nxt);
	u32 begin = FIELD(typed, segment, seq);
	u32 end = FIELD(typed, segment, end_seq);

	if (FIELD(typed, segment, tcp_flags) & TCP_FLAG_FIN)
		end--;
	return (s32)(begin - expected) <= 0 && (s32)(end - expected) > 0;
}

static __always_inline void packet_arrives(struct socket_state *state)
{
	if (!state->readable_since_ns)
		state->readable_since_ns = bpf_ktime_get_ns();
}

static __always_inline void packet_is_read(struct socket_state *state)
{
	u64 since_ns = state->readable_since_ns;
	u64 waited_ns;

	if (!since_ns)
		return;
	state->readable_since_ns = 0;
	if (LATENCY(packet, 0, since_ns, bpf_ktime_get_ns(), &waited_ns))
		CGROUP_HISTOGRAM_ADD(packet, socket_slot(state), 0, waited_ns);
}
