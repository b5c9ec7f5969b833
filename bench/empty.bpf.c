/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
/*
 * Programs that do nothing, on the hooks that a system call and a context switch cross: what
 * entering a hook costs on this kernel, and so the floor under every probe's cost. And a pair that
 * only reads the clock: the floor under everything that measures how long a system call takes.
 */
#include "bpf/kernel.bpf.h"

#define EMPTY(hook, event)                                  \
	SEC("tp_btf/" #event)                               \
	int hook##__btf(u64 *arguments)                     \
	{                                                   \
		return 0;                                   \
	}                                                   \
	SEC("raw_tp/" #event)                               \
	int hook##__raw(u64 *arguments)                     \
	{                                                   \
		return 0;                                   \
	}

EMPTY(handle_enter, sys_enter)
EMPTY(handle_leave, sys_exit)
EMPTY(handle_switch, sched_switch)
EMPTY(handle_wakeup, sched_wakeup)

SEC("tp_btf/sys_enter")
int read_clock_enter__btf(u64 *arguments)
{
	bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sys_exit")
int read_clock_leave__btf(u64 *arguments)
{
	bpf_ktime_get_ns();
	return 0;
}
