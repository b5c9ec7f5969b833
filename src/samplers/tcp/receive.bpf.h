/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * The round-trip time and its variation that TCP holds for the connection of each segment it
 * receives. Per segment: two look-ups for the cgroup, three histogram adds.
 */
#include "samplers/tcp/socket.bpf.h"

SAMPLER(receive);
HISTOGRAMS(receive, TCP_RECEIVE_HISTOGRAM_COUNT);
CGROUP_HISTOGRAMS(receive, 1);

/* state: the socket's, or NULL. */
static __always_inline void receive_segment(struct tcp_sock *socket, struct socket_state *state,
					    const bool typed)
{
	u64 srtt_us = FIELD(typed, socket, srtt_us);

	if (!srtt_us)
		return; /* not measured yet */
	HISTOGRAM_ADD(receive, TCP_RECEIVE_SRTT, srtt_us * 1000 / 8);
	CGROUP_HISTOGRAM_ADD(receive, socket_slot(state), 0, srtt_us * 1000 / 8);
	HISTOGRAM_ADD(receive, TCP_RECEIVE_JITTER, (u64)FIELD(typed, socket, mdev_us) * 1000 / 4);
}
