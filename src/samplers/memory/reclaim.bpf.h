/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * How long tasks free memory themselves before they get what they asked for, and how many pages
 * they free. Per reclaim: two clock reads and task look-ups, a histogram and a counter add.
 */
#include "bpf/task.bpf.h"
#include "samplers/memory/reclaim.h"

SAMPLER(reclaim);
COUNTERS(reclaim, RECLAIM_COUNTER_COUNT);
HISTOGRAMS(reclaim, RECLAIM_HISTOGRAM_COUNT);

/* A task that reclaims does not reclaim for the allocations that it does meanwhile: no nesting. */
static __always_inline int reclaim_begin(const bool typed)
{
	if (!reclaim_on)
		return 0;
	struct task_state *task = task_state_of_current(typed);

	if (task)
		task->reclaim_since_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline int reclaim_end(const enum reclaim_counter pages_slot,
				       const enum reclaim_histogram histogram, u64 pages,
				       const bool typed)
{
	u64 took_ns;

	if (!reclaim_on)
		return 0;
	struct reclaim_counters_row *row = COUNTER_ROW(reclaim);

	if (row)
		COUNTER_ADD(row, pages_slot, pages);
	struct task_state *task = task_state_of_current(typed);

	/* Not set: it began before we attached. */
	if (!task || !task->reclaim_since_ns)
		return 0;
	LATENCY(reclaim, histogram, task->reclaim_since_ns, bpf_ktime_get_ns(), &took_ns);
	task->reclaim_since_ns = 0;
	return 0;
}
