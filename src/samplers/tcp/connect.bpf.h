/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * How long connects take, from just before the SYN is sent to the established connection, and how
 * those fail that do not get there. Per connect: one state made, one histogram or counter add; per
 * accepted connection one look-up.
 */
#include "samplers/tcp/socket.bpf.h"

SAMPLER(connect);
COUNTERS(connect, TCP_CONNECT_FAILURE_COUNT);
HISTOGRAMS(connect, 1);

/* Error numbers, the same on the architectures that are supported. */
static __always_inline u32 connect_failure_of(int error)
{
	switch (error) {
	case 111: /* ECONNREFUSED */
		return TCP_CONNECT_REFUSED;
	case 110: /* ETIMEDOUT */
		return TCP_CONNECT_TIMEOUT;
	case 101: /* ENETUNREACH */
	case 113: /* EHOSTUNREACH */
		return TCP_CONNECT_UNREACHABLE;
	default:
		return TCP_CONNECT_OTHER;
	}
}

static __always_inline void connect_failed(int error)
{
	struct connect_counters_row *row = COUNTER_ROW(connect);
	u64 failure = connect_failure_of(error);

	KEEP_IN_REGISTER(failure);
	if (row && failure < TCP_CONNECT_FAILURE_COUNT)
		COUNTER_ADD(row, failure, 1);
}

static __always_inline void connect_state_changes(struct sock *socket, u32 from, u32 to,
						  const bool typed)
{
	struct socket_state *state;
	u64 since_ns;
	u64 took_ns;

	if (to == BPF_TCP_SYN_SENT) {
		state = socket_state_of(socket, typed);
		if (state)
			state->connecting_since_ns = bpf_ktime_get_ns();
		return;
	}
	/* Both ends at once: on the way still. */
	if (to == BPF_TCP_SYN_RECV)
		return;
	state = socket_state_find(socket, typed);
	if (!state || !state->connecting_since_ns)
		return;
	since_ns = state->connecting_since_ns;
	state->connecting_since_ns = 0;
	if (to == BPF_TCP_ESTABLISHED)
		LATENCY(connect, 0, since_ns, bpf_ktime_get_ns(), &took_ns);
	else
		connect_failed(FIELD(typed, socket, sk_err));
}
