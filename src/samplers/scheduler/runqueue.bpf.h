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

static __always_inline void runqueue_wakeup(struct task_state *task, u64 now)
{
	/* Preempted on its way to sleep and woken then: it has been waiting since. */
	if (!task->enqueued_at_ns)
		task->enqueued_at_ns = now;
}

/*
 * A task left the CPU. It counts as involuntary when it can still run: preempted (also on its way
 * to sleep), or yielding. Only then does it start to wait at once.
 */
static __always_inline void runqueue_switch_out(struct task_state *task, bool runnable, u64 now,
						struct runqueue_counters_row *row)
{
	u64 ran_ns;

	if (runnable) {
		COUNTER_ADD(row, RUNQUEUE_INVOLUNTARY, 1);
		task->enqueued_at_ns = now;
	} else {
		COUNTER_ADD(row, RUNQUEUE_VOLUNTARY, 1);
		task->enqueued_at_ns = 0;
	}
	if (task->running_since_ns) {
		if (!LATENCY(runqueue, RUNQUEUE_RUNNING, task->running_since_ns, now, &ran_ns))
			COUNTER_ADD(row, RUNQUEUE_DISCARDED, 1);
		task->running_since_ns = 0;
	}
	task->off_cpu_since_ns = now;
}

static __always_inline void runqueue_switch_in(struct task_state *task, u64 now,
					       struct runqueue_counters_row *row)
{
	u64 waited_ns = 0;

	task->running_since_ns = now;
	if (task->enqueued_at_ns) {
		if (LATENCY(runqueue, RUNQUEUE_LATENCY, task->enqueued_at_ns, now, &waited_ns))
			COUNTER_ADD(row, RUNQUEUE_WAIT_NS, waited_ns);
		else
			COUNTER_ADD(row, RUNQUEUE_DISCARDED, 1);
		task->enqueued_at_ns = 0;
	}
	/* Off-CPU is the time away that was not spent waiting for a CPU. */
	u64 away_since_ns = task->off_cpu_since_ns;

	if (away_since_ns && away_since_ns + waited_ns < now) {
		u64 away_ns;

		LATENCY(runqueue, RUNQUEUE_OFF_CPU, away_since_ns + waited_ns, now, &away_ns);
	}
	task->off_cpu_since_ns = 0;
}
