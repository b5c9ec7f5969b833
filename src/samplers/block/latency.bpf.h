/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * How long block requests take: in the queue (from the request's own start, else its insertion, to
 * its last issue), at the device (from there to completion) and in total, which is the sum of both.
 * Per request: three histogram adds at completion, two counter adds for the device and a histogram
 * add for the cgroup.
 */
#include "samplers/block/request.bpf.h"

SAMPLER(latency);
HISTOGRAMS(latency, BLOCK_LATENCY_HISTOGRAM_COUNT);
DEVICE_COUNTERS(latency, BLOCK_LATENCY_DEVICE_COUNTER_COUNT);
CGROUP_HISTOGRAMS(latency, BLOCK_LATENCY_CGROUP_HISTOGRAM_COUNT);

static __always_inline void latency_on_device(u32 device, u64 operation, u64 queued_ns,
					      u64 took_ns)
{
	struct latency_device_counters_row *row = DEVICE_COUNTER_ROW(latency, device);

	/* It is timed, but 5.10 may have lost the bound on the way. */
	KEEP_IN_REGISTER(operation);
	if (!row || operation >= BLOCK_TIMED_COUNT)
		return;
	COUNTER_ADD(row, BLOCK_ON_DEVICE_TIME_NS + operation, took_ns);
	COUNTER_ADD(row, BLOCK_ON_DEVICE_QUEUE_TIME_NS + operation, queued_ns);
}

static __always_inline void latency_complete(struct request *request,
					     const struct request_state *state, u64 operation,
					     u64 now, u32 device, const bool typed)
{
	u64 issued_at_ns = state->issued_at_ns;
	/* Zero where I/O statistics are off for the device. Of the clock of bpf_ktime_get_ns(). */
	u64 started_at_ns = FIELD(typed, request, start_time_ns);
	u64 took_ns;
	u64 at_device_ns = 0;
	u64 queued_ns = 0;

	KEEP_IN_REGISTER(operation);
	if (!issued_at_ns || operation >= BLOCK_TIMED_COUNT)
		return; /* issued before we attached, or not timed */
	if (!started_at_ns)
		started_at_ns = state->inserted_at_ns;
	if (issued_at_ns <= now)
		at_device_ns = now - issued_at_ns;
	if (started_at_ns && started_at_ns <= issued_at_ns)
		queued_ns = issued_at_ns - started_at_ns;
	latency_on_device(device, operation, queued_ns, at_device_ns);
	if (device & DEVICE_STACKED)
		return;
	LATENCY(latency, BLOCK_DEVICE_LATENCY + operation, issued_at_ns, now, &took_ns);
	if (!started_at_ns)
		return;
	LATENCY(latency, BLOCK_QUEUE_LATENCY + operation, started_at_ns, issued_at_ns, &took_ns);
	if (!LATENCY(latency, BLOCK_TOTAL_LATENCY + operation, started_at_ns, now, &took_ns))
		return;
	if (operation == BLOCK_READ)
		CGROUP_HISTOGRAM_ADD(latency, request_state_cgroup(state), BLOCK_OF_CGROUP_READ,
				     took_ns);
	else if (operation == BLOCK_WRITE)
		CGROUP_HISTOGRAM_ADD(latency, request_state_cgroup(state), BLOCK_OF_CGROUP_WRITE,
				     took_ns);
}
