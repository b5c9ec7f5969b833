/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Wakeups by whether the task is to run where it ran last. Per wakeup: one read and one counter add;
 * per switch one store.
 */
#include "bpf/task.bpf.h"
#include "samplers/scheduler/wakeups.h"

SAMPLER(wakeups);
COUNTERS(wakeups, WAKEUPS_COUNTER_COUNT);

static __always_inline void wakeups_wakeup(struct task_struct *task, struct task_state *state,
					   const bool typed)
{
	struct wakeups_counters_row *row = COUNTER_ROW(wakeups);
	u32 last_cpu = state->last_cpu;

	if (!row)
		return;
	if (!last_cpu)
		COUNTER_ADD(row, WAKEUPS_UNKNOWN, 1);
	else if (last_cpu == task_cpu(task, typed) + 1)
		COUNTER_ADD(row, WAKEUPS_SAME_CPU, 1);
	else
		COUNTER_ADD(row, WAKEUPS_OTHER_CPU, 1);
}
