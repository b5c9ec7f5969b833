/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Who takes the CPU from whom: involuntary switches, and the wait that follows, by the cgroup that had
 * the CPU and what came in its place. Per involuntary switch, and once more when the task runs again:
 * a look-up of one place as a rule, at most PREEMPTION_PROBES, and two adds that are not atomic.
 */
#include "bpf/cgroup.bpf.h"
#include "bpf/task.bpf.h"

SAMPLER(preemption);

struct cfs_rq {
	int throttle_count; /* of the quotas that hold it back */
} __relocated;

/* Since 6.18 tasks are held back by a quota one by one, on their way to user mode. */
struct task_struct___since_6_18 {
	bool throttled;
} __relocated;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct preemption_table);
} preemption_pairs SEC(".maps");

/* A task that left its CPU, though it could run, did so since a quota is used up. */
static __always_inline bool task_is_throttled(struct task_struct *task, const bool typed)
{
	struct task_struct___since_6_18 *since_6_18 = (void *)task;

	if (bpf_core_field_exists(since_6_18->throttled))
		return FIELD(typed, since_6_18, throttled);
	struct cfs_rq *queue = NULL;

	if (!bpf_core_field_exists(task->se.cfs_rq) ||
	    !bpf_core_field_exists(queue->throttle_count))
		return false;
	queue = FIELD(typed, task, se.cfs_rq);
	return queue && FIELD(typed, queue, throttle_count) > 0;
}

/* What comes in place of a task that could run on; next_slot: CGROUP_NONE for the idle task. */
static __always_inline u32 preemption_by(struct task_struct *task, u32 slot,
					 struct task_struct *next, u32 next_slot, const bool typed)
{
	if (task_is_throttled(task, typed))
		return PREEMPTION_BY(PREEMPTED_BY_THROTTLING, 0);
	if (next_slot == CGROUP_NONE || (FIELD(typed, next, flags) & PF_KTHREAD))
		return PREEMPTION_BY(PREEMPTED_BY_KERNEL, 0);
	/* Two in `other` may be of different cgroups. */
	if (next_slot == slot && slot != CGROUP_OTHER)
		return PREEMPTION_BY(PREEMPTED_BY_SELF, 0);
	return PREEMPTION_BY(PREEMPTED_BY_CGROUP, next_slot);
}

/* Only from sched_switch, where nothing interrupts us: interrupts are off. */
static __always_inline void preemption_add(u32 victim_slot, u32 by, u64 count, u64 wait_ns)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct preemption_table *table = bpf_map_lookup_elem(&preemption_pairs, &cpu);
	u64 key = PREEMPTION_KEY(victim_slot, by);
	u32 at = cgroup_hash(key);

	if (!table)
		return;
#pragma unroll
	for (u32 i = 0; i < PREEMPTION_PROBES; i++) {
		struct preemption_pair *pair = &table->pairs[(at + i) & (PREEMPTION_PAIRS - 1)];
		u64 found = *(volatile u64 *)&pair->key;

		if (!found) {
			*(volatile u64 *)&pair->key = key;
			table->taken++;
		} else if (found != key) {
			continue;
		}
		pair->count += count;
		pair->wait_ns += wait_ns;
		return;
	}
	table->other.count += count;
	table->other.wait_ns += wait_ns;
}

/* To be kept with a task that starts to wait. */
static __always_inline u64 preemption_keep(u32 by, struct task_struct *next, const bool typed)
{
	bool by_cgroup = (by & 0x7fffffff) >> CGROUP_SLOT_BITS == PREEMPTED_BY_CGROUP;

	return PREEMPTED(by_cgroup ? cgroup_key(task_cgroup_id(next, typed)) : 0, by);
}

/* What that says when the wait is over. */
static __always_inline u32 preemption_recall(u64 kept, u64 waited_ns)
{
	u32 kind = kept >> 16 & 3;
	u32 slot = kept & 0xffff;

	if (kind == PREEMPTED_BY_CGROUP && slot != CGROUP_OTHER &&
	    waited_ns > CGROUP_SLOT_REUSED_NS &&
	    cgroup_look_up(kept >> CGROUP_SLOT_BITS, false) != slot)
		slot = CGROUP_OTHER;
	return PREEMPTION_BY(kind, slot);
}

/* The task runs again. */
static __always_inline void preemption_ends(struct task_state *task, u64 now, u32 slot)
{
	u64 kept = task->preempted_by;

	if (!kept)
		return;
	task->preempted_by = 0;
	if (task->enqueued_at_ns && task->enqueued_at_ns <= now) {
		u64 waited_ns = now - task->enqueued_at_ns;

		preemption_add(slot, preemption_recall(kept, waited_ns), 0, waited_ns);
	}
}
