/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * How long runnable tasks wait for a CPU, how long they run and how long they are away, and how
 * they leave the CPU. Per switch: up to three histogram and two counter adds.
 */
#include "bpf/task.bpf.h"
#include "samplers/scheduler/runqueue.h"

SAMPLER(runqueue);
COUNTERS(runqueue, RUNQUEUE_COUNTER_COUNT);
HISTOGRAMS(runqueue, RUNQUEUE_HISTOGRAM_COUNT);

/*
 * A task left the CPU. It counts as involuntary when it can still run: preempted (also on its way
 * to sleep), or yielding.
 */
static __always_inline void runqueue_count(bool runnable, struct runqueue_counters_row *row)
{
	if (runnable)
		COUNTER_ADD(row, RUNQUEUE_INVOLUNTARY, 1);
	else
		COUNTER_ADD(row, RUNQUEUE_VOLUNTARY, 1);
}

static __always_inline void runqueue_switch_out(struct task_state *task, u64 now,
						struct runqueue_counters_row *row)
{
	u64 ran_ns;

	if (!task->running_since_ns)
		return;
	if (!LATENCY(runqueue, RUNQUEUE_RUNNING, task->running_since_ns, now, &ran_ns))
		COUNTER_ADD(row, RUNQUEUE_DISCARDED, 1);
	task->running_since_ns = 0;
}

/* blocked_since_ns: 0 if it was not blocked. */
static __always_inline void runqueue_switch_in(struct task_state *task, u64 blocked_since_ns,
					       u64 now, struct runqueue_counters_row *row)
{
	task->running_since_ns = now;
	if (task->enqueued_at_ns) {
		u64 waited_ns;

		if (LATENCY(runqueue, RUNQUEUE_LATENCY, task->enqueued_at_ns, now, &waited_ns))
			COUNTER_ADD(row, RUNQUEUE_WAIT_NS, waited_ns);
		else
			COUNTER_ADD(row, RUNQUEUE_DISCARDED, 1);
	}
	if (blocked_since_ns) {
		u64 blocked_ns;

		LATENCY(runqueue, RUNQUEUE_OFF_CPU, blocked_since_ns, now, &blocked_ns);
	}
}
