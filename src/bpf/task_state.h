/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Everything that any family remembers about a task, in one struct and so one look-up per event.
 * Times are CLOCK_MONOTONIC nanoseconds; 0 means not set.
 */
struct task_state {
	/* Kernel address of the task that owns the entry: tells a reused thread id (hash only). */
	unsigned long long owner;
	unsigned long long enqueued_at_ns;   /* became runnable, not yet running */
	unsigned long long running_since_ns; /* switched in */
	unsigned long long off_cpu_since_ns; /* switched out */
	unsigned long long syscall_start_ns; /* entered the system call that it is in */
	unsigned char syscall_class;         /* of that call */
	unsigned char blocked_reason;        /* why it left the CPU; BLOCKED_NONE if it could run */
	unsigned short syscall_cgroup;       /* slot of the cgroup that entered that call */
	unsigned int last_cpu;               /* CPU it last ran on, plus 1 */
	unsigned long long reclaim_since_ns; /* frees memory for an allocation of its own */
	unsigned long long preempted_by;     /* PREEMPTED (bank.h), while it waits after that; else 0 */
};

#ifdef __cplusplus
static_assert(sizeof(task_state) == 64);
#else
_Static_assert(sizeof(struct task_state) == 64, "no hidden padding");
#endif
