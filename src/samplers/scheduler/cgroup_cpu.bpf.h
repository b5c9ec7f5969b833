/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * CPU time of each cgroup. Per switch: one counter add, and four stores that say who runs since when,
 * so that a reader can add what no switch has charged yet; another add or two where a tick fell into
 * the time.
 */
#include "bpf/cgroup.bpf.h"
#include "samplers/scheduler/cgroup_cpu.h"

SAMPLER(cgroup_cpu);
CGROUP_COUNTERS(cgroup_cpu, CGROUP_CPU_COUNTER_COUNT);
COUNTERS(cgroup_cpu_running, CGROUP_RUNNING_COUNT);

/* How far the clocks of a task came while it ran. */
static __always_inline void cgroup_cpu_ticks(struct cgroup_cpu_running_counters_row *running,
					     struct cgroup_cpu_cgroup_counters_row *row,
					     struct task_struct *task, const bool typed)
{
	u64 user_ns = FIELD(typed, task, utime) - running->value[CGROUP_RUNNING_USER_NS];
	u64 system_ns = FIELD(typed, task, stime) - running->value[CGROUP_RUNNING_SYSTEM_NS];

	if ((s64)user_ns > 0)
		COUNTER_ADD(row, CGROUP_TIME_USER_TICKS_NS, user_ns);
	if ((s64)system_ns > 0)
		COUNTER_ADD(row, CGROUP_TIME_SYSTEM_TICKS_NS, system_ns);
}

/* The CPU is switched from one task to another; CGROUP_NONE: that one is the idle task. */
static __always_inline void cgroup_cpu_switch(struct task_struct *from, u32 from_slot,
					      struct task_struct *to, u32 to_slot, u64 now,
					      const bool typed)
{
	struct cgroup_cpu_running_counters_row *running = COUNTER_ROW(cgroup_cpu_running);

	if (!running)
		return;
	u64 since_ns = running->value[CGROUP_RUNNING_SINCE_NS];

	/* The first switch that is seen on a CPU charges nothing. */
	if (since_ns && since_ns <= now && from_slot != CGROUP_NONE) {
		struct cgroup_cpu_cgroup_counters_row *row =
			CGROUP_COUNTER_ROW(cgroup_cpu, from_slot);

		if (row) {
			COUNTER_ADD(row, CGROUP_TIME_NS, now - since_ns);
			cgroup_cpu_ticks(running, row, from, typed);
		}
	}
	if (to_slot != CGROUP_NONE) {
		running->value[CGROUP_RUNNING_USER_NS] = FIELD(typed, to, utime);
		running->value[CGROUP_RUNNING_SYSTEM_NS] = FIELD(typed, to, stime);
	}
	/* A reader that sees the same time before and after the slot has a pair. */
	*(volatile u64 *)&running->value[CGROUP_RUNNING_SINCE_NS] = 0;
	*(volatile u64 *)&running->value[CGROUP_RUNNING_SLOT] = to_slot;
	*(volatile u64 *)&running->value[CGROUP_RUNNING_SINCE_NS] = now;
}
