/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * How long runnable tasks wait for a CPU, how long they run and how long they are away, and how
 * they leave the CPU. Per switch: up to three histogram and two counter adds.
 */
#include "bpf/cgroup.bpf.h"
#include "bpf/task.bpf.h"
#include "samplers/scheduler/runqueue.h"

SAMPLER(runqueue);
COUNTERS(runqueue, RUNQUEUE_COUNTER_COUNT);
HISTOGRAMS(runqueue, RUNQUEUE_HISTOGRAM_COUNT);
CGROUP_COUNTERS(runqueue, RUNQUEUE_CGROUP_COUNTER_COUNT);
CGROUP_HISTOGRAMS(runqueue, RUNQUEUE_CGROUP_HISTOGRAM_COUNT);

/*
 * A task left the CPU. It counts as involuntary when it can still run: preempted (also on its way
 * to sleep), or yielding.
 */
static __always_inline void runqueue_count(bool runnable, u32 cgroup_slot,
					   struct runqueue_counters_row *row)
{
	struct runqueue_cgroup_counters_row *part = CGROUP_COUNTER_ROW(runqueue, cgroup_slot);

	if (runnable)
		COUNTER_ADD(row, RUNQUEUE_INVOLUNTARY, 1);
	else
		COUNTER_ADD(row, RUNQUEUE_VOLUNTARY, 1);
	if (part && runnable)
		COUNTER_ADD(part, RUNQUEUE_CGROUP_INVOLUNTARY, 1);
	else if (part)
		COUNTER_ADD(part, RUNQUEUE_CGROUP_VOLUNTARY, 1);
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
					       u64 now, u32 cgroup_slot,
					       struct runqueue_counters_row *row)
{
	struct runqueue_cgroup_counters_row *part = CGROUP_COUNTER_ROW(runqueue, cgroup_slot);

	if (!part)
		return;
	task->running_since_ns = now;
	if (task->enqueued_at_ns) {
		u64 waited_ns;

		if (LATENCY(runqueue, RUNQUEUE_LATENCY, task->enqueued_at_ns, now, &waited_ns)) {
			COUNTER_ADD(row, RUNQUEUE_WAIT_NS, waited_ns);
			COUNTER_ADD(part, RUNQUEUE_CGROUP_WAIT_NS, waited_ns);
			CGROUP_HISTOGRAM_ADD(runqueue, cgroup_slot, RUNQUEUE_CGROUP_LATENCY,
					     waited_ns);
		} else {
			COUNTER_ADD(row, RUNQUEUE_DISCARDED, 1);
		}
	}
	if (blocked_since_ns) {
		u64 blocked_ns;

		if (!LATENCY(runqueue, RUNQUEUE_OFF_CPU, blocked_since_ns, now, &blocked_ns))
			return;
		COUNTER_ADD(part, RUNQUEUE_CGROUP_OFF_CPU_NS, blocked_ns);
		CGROUP_HISTOGRAM_ADD(runqueue, cgroup_slot, RUNQUEUE_CGROUP_OFF_CPU, blocked_ns);
	}
}
