/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * CPU time of each cgroup. Per switch: one counter add, and two stores that say who runs since when,
 * so that a reader can add what no switch has charged yet.
 */
#include "bpf/cgroup.bpf.h"
#include "samplers/scheduler/cgroup_cpu.h"

SAMPLER(cgroup_cpu);
CGROUP_COUNTERS(cgroup_cpu, CGROUP_CPU_COUNTER_COUNT);
COUNTERS(cgroup_cpu_running, CGROUP_RUNNING_COUNT);

/* The CPU is switched from one task to another; CGROUP_NONE: the idle task. */
static __always_inline void cgroup_cpu_switch(u32 from_slot, u32 to_slot, u64 now)
{
	struct cgroup_cpu_running_counters_row *running = COUNTER_ROW(cgroup_cpu_running);

	if (!running)
		return;
	u64 since_ns = running->value[CGROUP_RUNNING_SINCE_NS];

	/* The first switch that is seen on a CPU charges nothing. */
	if (since_ns && since_ns <= now && from_slot != CGROUP_NONE) {
		struct cgroup_cpu_cgroup_counters_row *row =
			CGROUP_COUNTER_ROW(cgroup_cpu, from_slot);

		if (row)
			COUNTER_ADD(row, CGROUP_CPU_NS, now - since_ns);
	}
	/* A reader that sees the same time before and after the slot has a pair. */
	*(volatile u64 *)&running->value[CGROUP_RUNNING_SINCE_NS] = 0;
	*(volatile u64 *)&running->value[CGROUP_RUNNING_SLOT] = to_slot;
	*(volatile u64 *)&running->value[CGROUP_RUNNING_SINCE_NS] = now;
}
