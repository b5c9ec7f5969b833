/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
/*
 * The scheduler's hooks: wakeups and context switches. One program per hook serves all samplers of
 * the family; a switch costs one clock read and two task look-ups before what the samplers add.
 */
#include "samplers/scheduler/migrations.bpf.h"
#include "samplers/scheduler/runqueue.bpf.h"

/*
 * Set by the loader. Since 5.18 (fa2c3254d7cf, 9c2136be0878) sched_switch hands over the state that
 * the previous task had; before, the state word is read again, which races with a wakeup.
 */
const volatile bool switch_has_previous_state = true;

/* The idle tasks share thread id 0 and are always runnable: they are no tasks to anybody here. */
#define IDLE_TID 0

static __always_inline int handle_wakeup(struct task_struct *task, const bool typed)
{
	u32 tid = FIELD(typed, task, pid);

	if (tid == IDLE_TID || !runqueue_on)
		return 0;
	struct task_state *state = task_state_of(task, tid, typed);

	if (state)
		runqueue_wakeup(state, bpf_ktime_get_ns());
	return 0;
}

static __always_inline void switch_out(struct task_struct *task, bool preempted, u64 task_state,
				       u64 now, const bool typed)
{
	u32 tid = FIELD(typed, task, pid);

	if (tid == IDLE_TID)
		return;
	bool dead = !preempted && (task_state & TASK_DEAD);

	if (dead && !use_task_storage)
		task_hash_forget((u64)task, tid);
	if (!runqueue_on)
		return;
	struct runqueue_counters_row *row = COUNTER_ROW(runqueue);

	if (!row)
		return;
	if (dead) {
		COUNTER_ADD(row, RUNQUEUE_VOLUNTARY, 1);
		return;
	}
	bool runnable = preempted || task_state == TASK_RUNNING;
	struct task_state *state = task_state_of(task, tid, typed);

	if (state)
		runqueue_switch_out(state, runnable, now, row);
	else if (runnable)
		COUNTER_ADD(row, RUNQUEUE_INVOLUNTARY, 1);
	else
		COUNTER_ADD(row, RUNQUEUE_VOLUNTARY, 1);
}

static __always_inline void switch_in(struct task_struct *task, u64 now, const bool typed)
{
	u32 tid = FIELD(typed, task, pid);

	if (tid == IDLE_TID)
		return;
	struct task_state *state = task_state_of(task, tid, typed);

	if (!state)
		return;
	if (migrations_on)
		migrations_switch_in(state);
	if (runqueue_on) {
		struct runqueue_counters_row *row = COUNTER_ROW(runqueue);

		if (row)
			runqueue_switch_in(state, now, row);
	}
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
	switch_out(previous, preempted, task_state, now, typed);
	switch_in(next, now, typed);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int handle_wakeup__btf(u64 *arguments)
{
	return handle_wakeup((void *)arguments[0], true);
}

SEC("raw_tp/sched_wakeup")
int handle_wakeup__raw(u64 *arguments)
{
	return handle_wakeup((void *)arguments[0], false);
}

SEC("tp_btf/sched_wakeup_new")
int handle_wakeup_new__btf(u64 *arguments)
{
	return handle_wakeup((void *)arguments[0], true);
}

SEC("raw_tp/sched_wakeup_new")
int handle_wakeup_new__raw(u64 *arguments)
{
	return handle_wakeup((void *)arguments[0], false);
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
