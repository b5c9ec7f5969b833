/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Tasks that run on another CPU than the last time. Per switch: one compare; two counter adds when
 * the task moved.
 */
#include "bpf/cgroup.bpf.h"
#include "bpf/task.bpf.h"
#include "samplers/scheduler/migrations.h"

SAMPLER(migrations);
COUNTERS(migrations, MIGRATIONS_COUNTER_COUNT);
CGROUP_COUNTERS(migrations, MIGRATIONS_CGROUP_COUNTER_COUNT);

static __always_inline void migrations_switch_in(struct task_state *task, u32 cgroup_slot)
{
	u32 cpu = bpf_get_smp_processor_id();
	u32 last_cpu = task->last_cpu;

	if (last_cpu == 0 || last_cpu == cpu + 1)
		return;
	struct migrations_counters_row *from = COUNTER_ROW_OF(migrations, last_cpu - 1);
	struct migrations_counters_row *to = COUNTER_ROW_OF(migrations, cpu);

	if (from && to) {
		COUNTER_ADD(from, MIGRATIONS_FROM, 1);
		COUNTER_ADD(to, MIGRATIONS_TO, 1);
		struct migrations_cgroup_counters_row *part =
			CGROUP_COUNTER_ROW(migrations, cgroup_slot);

		if (part)
			COUNTER_ADD(part, MIGRATIONS_CGROUP, 1);
	}
}
