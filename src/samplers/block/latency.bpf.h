/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * How long block requests take: in the queue (from the request's own start, else its insertion, to
 * its last issue), at the device (from there to completion) and in total, which is the sum of both.
 * Per request: three histogram adds at completion.
 */
#include "samplers/block/request.bpf.h"

SAMPLER(latency);
HISTOGRAMS(latency, BLOCK_LATENCY_HISTOGRAM_COUNT);

static __always_inline void latency_complete(struct request *request,
					     const struct request_state *state, u32 operation,
					     u64 now, const bool typed)
{
	u64 issued_at_ns = state->issued_at_ns;
	/* Zero where I/O statistics are off for the device. Of the clock of bpf_ktime_get_ns(). */
	u64 started_at_ns = FIELD(typed, request, start_time_ns);
	u64 took_ns;

	if (!issued_at_ns)
		return; /* issued before we attached */
	LATENCY(latency, BLOCK_DEVICE_LATENCY + operation, issued_at_ns, now, &took_ns);
	if (!started_at_ns)
		started_at_ns = state->inserted_at_ns;
	if (!started_at_ns)
		return;
	LATENCY(latency, BLOCK_QUEUE_LATENCY + operation, started_at_ns, issued_at_ns, &took_ns);
	LATENCY(latency, BLOCK_TOTAL_LATENCY + operation, started_at_ns, now, &took_ns);
}
