/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* CPU time of tasks that have ended. Per task that ends: one read and one counter add. */
#include "bpf/bank.bpf.h"
#include "samplers/scheduler/task_exits.h"

SAMPLER(task_exits);
COUNTERS(task_exits, TASK_EXITS_COUNTER_COUNT);

/*
 * A dead task leaves its CPU for the last time: the scheduler has just brought its run time up to
 * date. At sched_process_exit it would lack the time of the exit and up to a tick before.
 */
static __always_inline void task_exits_last_switch(struct task_struct *task, const bool typed)
{
	struct task_exits_counters_row *row = COUNTER_ROW(task_exits);
	u64 ran_ns = FIELD(typed, task, se.sum_exec_runtime);

	if (row)
		COUNTER_ADD(row, TASK_EXITS_CPU_NS, ran_ns);
}
