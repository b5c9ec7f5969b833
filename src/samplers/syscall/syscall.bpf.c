/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
/*
 * System calls by class: how many, and how long. Entry: one table look-up and one counter add, with
 * latency one task look-up and one clock read; exit: the same two and one histogram add. For the
 * cgroups: a look-up of the slot and a counter add at entry, a histogram add at exit.
 */
#include "bpf/cgroup.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/user_registers.bpf.h"
#include "samplers/syscall/classes.h"

SAMPLER(counts);
SAMPLER(latency);
COUNTERS(counts, SYSCALL_CLASS_COUNT);
HISTOGRAMS(latency, SYSCALL_CLASS_COUNT);
CGROUP_COUNTERS(counts, SYSCALL_CLASS_COUNT);
CGROUP_HISTOGRAMS(latency, LATENCY_CGROUP_HISTOGRAM_COUNT);

/* Class by number, filled before loading for the native ABI. */
const volatile unsigned char syscall_classes[SYSCALL_NUMBER_COUNT] = {};

/* By class: its own histogram of a cgroup, filled before loading; LATENCY_CGROUP: it has none. */
const volatile unsigned char latency_cgroup_classes[32] = {};

static __always_inline u32 class_of(u64 number, bool compat)
{
	if (compat || number >= SYSCALL_NUMBER_COUNT)
		return SYSCALL_OTHER;
	u32 class = syscall_classes[number & (SYSCALL_NUMBER_COUNT - 1)];

	return class < SYSCALL_CLASS_COUNT ? class : SYSCALL_OTHER;
}

static __always_inline void counts_count(u32 class, u32 cgroup)
{
	struct counts_counters_row *row = COUNTER_ROW(counts);
	struct counts_cgroup_counters_row *part = CGROUP_COUNTER_ROW(counts, cgroup);

	KEEP_IN_REGISTER(class);
	if (!row || !part || class >= SYSCALL_CLASS_COUNT)
		return;
	COUNTER_ADD(row, class, 1);
	COUNTER_ADD(part, class, 1);
}

/* Calls that wait are in none of a cgroup's histograms. */
static __always_inline void latency_add_to_cgroup(u32 class, u32 cgroup, u64 took_ns)
{
	u32 own = latency_cgroup_classes[class & 31];

	/* The verifier knows the first, and the place below: what is not wanted is not in the program. */
	if (!latency_cgroup_histogram_count || own < LATENCY_CGROUP_CLASS ||
	    own >= LATENCY_CGROUP_HISTOGRAM_COUNT)
		return;
	if (latency_cgroup_histogram_places[LATENCY_CGROUP])
		CGROUP_HISTOGRAM_ADD(latency, cgroup, LATENCY_CGROUP, took_ns);
	else
		CGROUP_HISTOGRAM_ADD(latency, cgroup, own, took_ns);
}

static __always_inline int handle_enter(u64 *arguments, const bool typed)
{
	s64 number = arguments[1];

	if (number < 0)
		return 0; /* a tracer cancelled the call */
	u32 class = class_of(number, is_compat((void *)arguments[0], typed));

	u32 cgroup = cgroup_slot_of_current();

	if (counts_on)
		counts_count(class, cgroup);
	if (latency_on) {
		struct task_state *state = task_state_of_current(typed);

		if (state) {
			state->syscall_class = class;
			state->syscall_cgroup = cgroup;
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

	if (class < SYSCALL_CLASS_COUNT &&
	    LATENCY(latency, class, state->syscall_start_ns, bpf_ktime_get_ns(), &took_ns))
		latency_add_to_cgroup(class, state->syscall_cgroup, took_ns);
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
