/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
/*
 * The scheduler's hooks: wakeups and context switches. One program per hook serves all samplers of
 * the family; a switch costs one clock read and two task look-ups before what the samplers add.
 */
#include "samplers/scheduler/blocked.bpf.h"
#include "samplers/scheduler/cgroup_cpu.bpf.h"
#include "samplers/scheduler/migrations.bpf.h"
#include "samplers/scheduler/preemption.bpf.h"
#include "samplers/scheduler/runqueue.bpf.h"
#include "samplers/scheduler/task_exits.bpf.h"
#include "samplers/scheduler/wakeups.bpf.h"

/*
 * Set by the loader. Since 5.18 (fa2c3254d7cf, 9c2136be0878) sched_switch hands over the state that
 * the previous task had; before, the state word is read again, which races with a wakeup.
 */
const volatile bool switch_has_previous_state = true;

/* The idle tasks share thread id 0 and are always runnable: they are no tasks to anybody here. */
#define IDLE_TID 0

/* Whether anybody needs to know when tasks wait and when they are blocked. */
static __always_inline bool times_waits(void)
{
	return runqueue_on || blocked_on || preemption_on;
}

static __always_inline int handle_wakeup(struct task_struct *task, const bool is_new, const bool typed)
{
	bool count = wakeups_on && !is_new;
	u32 tid = FIELD(typed, task, pid);

	if (tid == IDLE_TID || (!count && !times_waits()))
		return 0;
	struct task_state *state = task_state_of(task, tid, typed);

	if (!state)
		return 0;
	if (count)
		wakeups_wakeup(task, state, typed);
	/* Preempted on its way to sleep and woken then: it has been waiting since. */
	if (times_waits() && !state->enqueued_at_ns)
		state->enqueued_at_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline void switch_out(struct task_struct *task, bool preempted, u64 task_state,
				       u64 now, u32 cgroup_slot, struct task_struct *next,
				       u32 next_slot, const bool typed)
{
	u32 tid = FIELD(typed, task, pid);
	struct runqueue_counters_row *row = runqueue_on ? COUNTER_ROW(runqueue) : NULL;

	if (tid == IDLE_TID) {
		if (row)
			COUNTER_ADD(row, RUNQUEUE_IDLE, 1);
		return;
	}
	bool dead = !preempted && (task_state & TASK_DEAD);
	bool runnable = preempted || task_state == TASK_RUNNING;

	if (row)
		runqueue_count(runnable, cgroup_slot, row);
	u64 kept = 0;

	if (preemption_on && runnable) {
		u32 by = preemption_by(task, cgroup_slot, next, next_slot, typed);

		preemption_add(cgroup_slot, by, 1, 0);
		kept = preemption_keep(by, next, typed);
	}
	if (dead) {
		if (!use_task_storage)
			task_hash_forget((u64)task, tid);
		if (task_exits_on)
			task_exits_last_switch(task, typed);
		return;
	}
	if (!times_waits())
		return;
	struct task_state *state = task_state_of(task, tid, typed);

	if (!state)
		return;
	if (row)
		runqueue_switch_out(state, now, row);
	/* One that can still run starts to wait for a CPU at once. */
	state->enqueued_at_ns = runnable ? now : 0;
	state->off_cpu_since_ns = now;
	if (preemption_on)
		state->preempted_by = kept;
	if (blocked_on)
		state->blocked_reason =
			runnable ? BLOCKED_NONE : blocked_reason_of(task, task_state, typed);
}

/* Since when a task that now runs was blocked: the time away less the wait for a CPU; 0: it was not. */
static __always_inline u64 blocked_since(struct task_state *task, u64 now)
{
	u64 enqueued_at_ns = task->enqueued_at_ns;
	u64 waited_ns = enqueued_at_ns && enqueued_at_ns <= now ? now - enqueued_at_ns : 0;
	u64 since_ns = task->off_cpu_since_ns;

	return since_ns && since_ns + waited_ns < now ? since_ns + waited_ns : 0;
}

static __always_inline void switch_in(struct task_struct *task, u64 now, u32 cgroup_slot,
				      const bool typed)
{
	u32 tid = FIELD(typed, task, pid);

	if (tid == IDLE_TID || !(times_waits() || migrations_on || wakeups_on))
		return;
	struct task_state *state = task_state_of(task, tid, typed);

	if (!state)
		return;
	if (migrations_on)
		migrations_switch_in(state, cgroup_slot);
	if (migrations_on || wakeups_on)
		state->last_cpu = bpf_get_smp_processor_id() + 1;
	if (!times_waits())
		return;
	u64 blocked_since_ns = blocked_since(state, now);

	if (runqueue_on) {
		struct runqueue_counters_row *row = COUNTER_ROW(runqueue);

		if (row)
			runqueue_switch_in(state, blocked_since_ns, now, cgroup_slot, row);
	}
	if (preemption_on)
		preemption_ends(state, now, cgroup_slot);
	if (blocked_on && blocked_since_ns)
		blocked_switch_in(state, blocked_since_ns, now);
	state->enqueued_at_ns = 0;
	state->off_cpu_since_ns = 0;
}

/* The slot of the task's cgroup for those who keep counts by cgroup; CGROUP_NONE for the idle task. */
static __always_inline u32 switched_slot(struct task_struct *task, const bool typed)
{
	if (!(cgroup_cpu_on || runqueue_on || migrations_on || preemption_on) ||
	    FIELD(typed, task, pid) == IDLE_TID)
		return CGROUP_NONE;
	return cgroup_slot_of(task, typed);
}

static __always_inline int handle_switch(u64 *arguments, const bool typed)
{
	bool preempted = arguments[0];
	struct task_struct *previous = (void *)arguments[1];
	struct task_struct *next = (void *)arguments[2];
	u64 now = bpf_ktime_get_ns();
	u64 task_state;

	if (switch_has_previous_state)
		task_state = (u32)arguments[3];
	else
		task_state = task_runtime_state(previous, typed);
	u32 from_slot = switched_slot(previous, typed);
	u32 to_slot = switched_slot(next, typed);

	if (cgroup_cpu_on)
		cgroup_cpu_switch(previous, from_slot, next, to_slot, now, typed);
	switch_out(previous, preempted, task_state, now, from_slot, next, to_slot, typed);
	switch_in(next, now, to_slot, typed);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int handle_wakeup__btf(u64 *arguments)
{
	return handle_wakeup((void *)arguments[0], false, true);
}

SEC("raw_tp/sched_wakeup")
int handle_wakeup__raw(u64 *arguments)
{
	return handle_wakeup((void *)arguments[0], false, false);
}

SEC("tp_btf/sched_wakeup_new")
int handle_wakeup_new__btf(u64 *arguments)
{
	return handle_wakeup((void *)arguments[0], true, true);
}

SEC("raw_tp/sched_wakeup_new")
int handle_wakeup_new__raw(u64 *arguments)
{
	return handle_wakeup((void *)arguments[0], true, false);
}

SEC("tp_btf/sched_switch")
int handle_switch__btf(u64 *arguments)
{
	return handle_switch(arguments, true);
}

SEC("raw_tp/sched_switch")
int handle_switch__raw(u64 *arguments)
{
	return handle_switch(arguments, false);
}
