/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Per-task state: task storage where the task pointer is typed (tp_btf, kernel 5.12 and later), else
 * a preallocated hash by thread id. The maps belong to the core object; families share them.
 *
 * Task storage is created at fork, at start by an iterator, and at system call entry. On the
 * scheduler's paths only from 6.4 on: before, the allocation there could call the scheduler again
 * with its lock held.
 */
#include "bpf/bank.bpf.h"
#include "bpf/task_state.h"

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
} task_storage SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TASK_HASH_ENTRIES);
	__type(key, u32);
	__type(value, struct task_state);
} task_hash SEC(".maps");

/* Set by the loader, the same in all objects. */
const volatile bool use_task_storage = true;
/* Since 6.4 (08a7ce384e33) task storage is allocated from a pool of its own, in any context. */
const volatile bool create_task_storage_anywhere = true;

static __always_inline struct task_state *task_hash_get(u64 owner, u32 tid, const bool create)
{
	struct task_state *state = bpf_map_lookup_elem(&task_hash, &tid);

	if (state) {
		if (state->owner != owner) {
			/* The thread id was reused: nothing of the old task may leak into the new. */
			__builtin_memset(state, 0, sizeof(*state));
			state->owner = owner;
		}
		return state;
	}
	if (!create)
		return NULL;
	struct task_state fresh = {.owner = owner};

	/* It may fail because another CPU was first: only a missing entry is a loss. */
	bpf_map_update_elem(&task_hash, &tid, &fresh, BPF_NOEXIST);
	state = bpf_map_lookup_elem(&task_hash, &tid);
	if (!state)
		count_loss(LOSS_TASK_TABLE_FULL);
	return state;
}

/* State of a task that a tracepoint handed over, or NULL (counted). For any context. */
static __always_inline struct task_state *task_state_of(struct task_struct *task, u32 tid,
							const bool typed)
{
	struct task_state *state;

	if (typed && use_task_storage)
		state = bpf_task_storage_get(&task_storage, task, 0,
					     create_task_storage_anywhere ?
						     BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
	else
		return task_hash_get((u64)task, tid, true);
	if (!state)
		count_loss(LOSS_NO_TASK_STATE);
	return state;
}

/* State of the current task at a point where it holds no scheduler lock; created when missing. */
static __always_inline struct task_state *task_state_of_current(const bool typed)
{
	if (typed && use_task_storage) {
		struct task_struct *task = (void *)bpf_get_current_task_btf();
		struct task_state *state = bpf_task_storage_get(&task_storage, task, 0, 0);

		if (!state) {
			state = bpf_task_storage_get(&task_storage, task, 0,
						     BPF_LOCAL_STORAGE_GET_F_CREATE);
			if (!state)
				count_loss(LOSS_NO_TASK_STATE);
		}
		return state;
	}
	return task_hash_get(bpf_get_current_task(), (u32)bpf_get_current_pid_tgid(), true);
}

/* Forgets a dying task (hash only; task storage goes with the task). */
static __always_inline void task_hash_forget(u64 owner, u32 tid)
{
	struct task_state *state = bpf_map_lookup_elem(&task_hash, &tid);

	if (state && state->owner == owner)
		bpf_map_delete_elem(&task_hash, &tid);
}
