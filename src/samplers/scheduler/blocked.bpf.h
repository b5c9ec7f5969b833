/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * What tasks wait for while they are off the CPU. A task that blocks: five reads of its fields and
 * saved registers; when it runs again: one histogram and one counter add.
 */
#include "bpf/task.bpf.h"
#include "bpf/user_registers.bpf.h"
#include "samplers/scheduler/blocked.h"
#include "samplers/syscall/classes.h"

SAMPLER(blocked);
COUNTERS(blocked, BLOCKED_REASON_COUNT);
HISTOGRAMS(blocked, BLOCKED_REASON_COUNT);

/* The reason by number of the system call, filled before loading for the native ABI. */
const volatile unsigned char blocked_reasons[SYSCALL_NUMBER_COUNT] = {};
/* Set by the loader: the kernel has bpf_task_pt_regs. */
const volatile bool has_task_pt_regs = true;

static __always_inline u32 blocked_reason_of_call(struct pt_regs *registers, u64 number)
{
	u32 reason = BLOCKED_OTHER_SYSCALL;

	if (number < SYSCALL_NUMBER_COUNT && !is_compat(registers, false))
		reason = blocked_reasons[number & (SYSCALL_NUMBER_COUNT - 1)];
	if (reason == BLOCKED_OTHER_SYSCALL && is_user_worker(registers))
		return BLOCKED_NONE;
	return reason;
}

/*
 * Why the current task blocks, the first that holds: it waits for I/O (it says so itself); a signal,
 * a tracer or the cgroup freezer stopped it: no reason; it is a program's thread, not exiting and not
 * in a system call: then what is left is a page fault; it is in uninterruptible sleep; by its system
 * call. Kernel threads that sleep interruptibly have no reason: they wait for work.
 */
static __always_inline u32 blocked_reason_of(struct task_struct *task, u64 state, const bool typed)
{
	bool uninterruptible = (state & (TASK_UNINTERRUPTIBLE | TASK_NOLOAD)) ==
				       TASK_UNINTERRUPTIBLE ||
			       (state & TASK_RTLOCK_WAIT);

	if (task_in_iowait(task, typed))
		return BLOCKED_IO;
	u32 flags = FIELD(typed, task, flags);

	if (flags & PF_KTHREAD)
		return uninterruptible ? BLOCKED_UNINTERRUPTIBLE : BLOCKED_NONE;
	if (state & (TASK_STOPPED | TASK_TRACED))
		return BLOCKED_NONE;
	/* Whoever is in the freezer's trap would not block in any other interruptible sleep. */
	if (!uninterruptible && (FIELD(typed, task, jobctl) & JOBCTL_TRAP_FREEZE))
		return BLOCKED_NONE;
	struct pt_regs *registers = user_registers_of_current(has_task_pt_regs);
	s64 number = system_call_number(registers);

	/* On its way out a task may block for other reasons, whatever it was interrupted in. */
	if (number == NOT_IN_A_CALL && !(flags & PF_EXITING))
		return BLOCKED_PAGE_FAULT;
	if (uninterruptible)
		return BLOCKED_UNINTERRUPTIBLE;
	return number < 0 ? BLOCKED_NONE : blocked_reason_of_call(registers, number);
}

static __always_inline void blocked_switch_in(struct task_state *task, u64 since_ns, u64 now)
{
	struct blocked_counters_row *row = COUNTER_ROW(blocked);
	u64 reason = task->blocked_reason;
	u64 blocked_ns;

	if (!row || reason >= BLOCKED_REASON_COUNT ||
	    !LATENCY(blocked, reason, since_ns, now, &blocked_ns))
		return;
	KEEP_IN_REGISTER(reason);
	if (reason < BLOCKED_REASON_COUNT)
		COUNTER_ADD(row, reason, blocked_ns);
}
