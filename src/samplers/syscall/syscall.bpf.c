/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
/*
 * System calls by class: how many, and how long. Entry: one table look-up and one counter add, with
 * latency one task look-up and one clock read; exit: the same two and one histogram add.
 */
#include "bpf/task.bpf.h"
#include "bpf/user_registers.bpf.h"
#include "samplers/syscall/classes.h"

SAMPLER(counts);
SAMPLER(latency);
COUNTERS(counts, SYSCALL_CLASS_COUNT);
HISTOGRAMS(latency, SYSCALL_CLASS_COUNT);

/* Class by number, filled before loading for the native ABI. */
const volatile unsigned char syscall_classes[SYSCALL_NUMBER_COUNT] = {};

static __always_inline u32 class_of(u64 number, bool compat)
{
	if (compat || number >= SYSCALL_NUMBER_COUNT)
		return SYSCALL_OTHER;
	u32 class = syscall_classes[number & (SYSCALL_NUMBER_COUNT - 1)];

	return class < SYSCALL_CLASS_COUNT ? class : SYSCALL_OTHER;
}

static __always_inline int handle_enter(u64 *arguments, const bool typed)
{
	s64 number = arguments[1];

	if (number < 0)
		return 0; /* a tracer cancelled the call */
	u32 class = class_of(number, is_compat((void *)arguments[0], typed));

	if (counts_on) {
		struct counts_counters_row *row = COUNTER_ROW(counts);

		KEEP_IN_REGISTER(class);
		if (row && class < SYSCALL_CLASS_COUNT)
			COUNTER_ADD(row, class, 1);
	}
	if (latency_on) {
		struct task_state *state = task_state_of_current(typed);

		if (state) {
			state->syscall_class = class;
			state->syscall_start_ns = bpf_ktime_get_ns();
		}
	}
	return 0;
}

static __always_inline int handle_leave(const bool typed)
{
	if (!latency_on)
		return 0;
	struct task_state *state = task_state_of_current(typed);

	if (!state || !state->syscall_start_ns)
		return 0; /* it was in the call when we attached */
	u32 class = state->syscall_class;
	u64 took_ns;

	if (class < SYSCALL_CLASS_COUNT)
		LATENCY(latency, class, state->syscall_start_ns, bpf_ktime_get_ns(), &took_ns);
	state->syscall_start_ns = 0;
	return 0;
}

SEC("tp_btf/sys_enter")
int handle_enter__btf(u64 *arguments)
{
	return handle_enter(arguments, true);
}

SEC("raw_tp/sys_enter")
int handle_enter__raw(u64 *arguments)
{
	return handle_enter(arguments, false);
}

SEC("tp_btf/sys_exit")
int handle_leave__btf(u64 *arguments)
{
	return handle_leave(true);
}

SEC("raw_tp/sys_exit")
int handle_leave__raw(u64 *arguments)
{
	return handle_leave(false);
}
