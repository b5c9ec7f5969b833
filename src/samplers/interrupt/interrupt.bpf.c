/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
/*
 * Hard interrupts of devices: how many, and how long their handlers run. Per handler: two clock
 * reads, a look-up of the line among a few words, four counter and one histogram add.
 */
#include "bpf/bank.bpf.h"
#include "samplers/interrupt/interrupt.h"

SAMPLER(interrupts);
COUNTERS(interrupts, INTERRUPTS_COUNTER_COUNT);
HISTOGRAMS(interrupts, INTERRUPTS_HISTOGRAM_COUNT);
DEVICE_COUNTERS(interrupts, INTERRUPTS_DEVICE_COUNTER_COUNT);
DEVICE_TABLE(devices);

/* What a driver registered for a line; those that share a line are a list. */
struct irqaction {
	struct irqaction *next;
} __relocated;

/* Handlers run with interrupts off: one at a time on a CPU. A cache line each. */
struct cpu_state {
	u64 entered_at_ns;
	u64 padding[7];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_state);
} cpu_states SEC(".maps");

static __always_inline struct cpu_state *this_cpu(void)
{
	u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&cpu_states, &cpu);
}

/* One handler of a line ran. */
static __always_inline void interrupts_handled(u32 line, bool last_of_line, u64 ran_ns)
{
	struct interrupts_counters_row *row = COUNTER_ROW(interrupts);
	struct interrupts_device_counters_row *line_row =
		DEVICE_COUNTER_ROW(interrupts, device_find(&devices, line));

	if (!row || !line_row)
		return;
	/* The handlers of a shared line all run, in order: the line counts once, at the last. */
	if (last_of_line) {
		COUNTER_ADD(row, INTERRUPTS_COUNT, 1);
		COUNTER_ADD(line_row, INTERRUPTS_OF_LINE_COUNT, 1);
	}
	COUNTER_ADD(row, INTERRUPTS_TIME_NS, ran_ns);
	COUNTER_ADD(line_row, INTERRUPTS_OF_LINE_TIME_NS, ran_ns);
}

static __always_inline int handle_entry(void)
{
	struct cpu_state *state = this_cpu();

	if (!interrupts_on || !state)
		return 0;
	state->entered_at_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline int handle_exit(u32 line, struct irqaction *action, const bool typed)
{
	struct cpu_state *state = this_cpu();
	u64 ran_ns = 0;

	/* Not entered: we attached while it was running. */
	if (!interrupts_on || !state || !state->entered_at_ns)
		return 0;
	LATENCY(interrupts, INTERRUPTS_RUNNING, state->entered_at_ns, bpf_ktime_get_ns(), &ran_ns);
	state->entered_at_ns = 0;
	interrupts_handled(line, !FIELD(typed, action, next), ran_ns);
	return 0;
}

SEC("tp_btf/irq_handler_entry")
int handle_entry__btf(u64 *arguments)
{
	return handle_entry();
}

SEC("raw_tp/irq_handler_entry")
int handle_entry__raw(u64 *arguments)
{
	return handle_entry();
}

SEC("tp_btf/irq_handler_exit")
int handle_exit__btf(u64 *arguments)
{
	return handle_exit(arguments[0], (void *)arguments[1], true);
}

SEC("raw_tp/irq_handler_exit")
int handle_exit__raw(u64 *arguments)
{
	return handle_exit(arguments[0], (void *)arguments[1], false);
}
