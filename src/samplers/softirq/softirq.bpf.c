/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
/*
 * Softirqs by kind: how many, how long they run, and how long they wait from being raised to being
 * entered. Per softirq: three clock reads, two counter and two histogram adds.
 */
#include "bpf/bank.bpf.h"
#include "samplers/softirq/softirq.h"

SAMPLER(softirq);
COUNTERS(softirq, SOFTIRQ_COUNTER_COUNT);
HISTOGRAMS(softirq, SOFTIRQ_HISTOGRAM_COUNT);

/* A CPU runs one softirq at a time; a cache line multiple, so that CPUs do not share lines. */
struct cpu_state {
	u64 entered_at_ns;
	u64 raised_at_ns[SOFTIRQ_KIND_COUNT]; /* 0: not pending; the first raise counts */
	u64 padding[5];
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

static __always_inline int handle_raise(u64 kind)
{
	struct cpu_state *state = this_cpu();

	KEEP_IN_REGISTER(kind);
	if (!softirq_on || !state || kind >= SOFTIRQ_KIND_COUNT)
		return 0;
	if (!state->raised_at_ns[kind])
		state->raised_at_ns[kind] = bpf_ktime_get_ns();
	return 0;
}

static __always_inline int handle_entry(u64 kind)
{
	struct cpu_state *state = this_cpu();
	u64 waited_ns;

	KEEP_IN_REGISTER(kind);
	if (!softirq_on || !state || kind >= SOFTIRQ_KIND_COUNT)
		return 0;
	/* Taken before the clock is read: an interrupt in between may raise it anew. */
	u64 raised_at_ns = state->raised_at_ns[kind];

	state->raised_at_ns[kind] = 0;
	u64 now = bpf_ktime_get_ns();
	struct softirq_counters_row *row = COUNTER_ROW(softirq);

	if (row)
		COUNTER_ADD(row, SOFTIRQ_COUNT + kind, 1);
	if (raised_at_ns)
		LATENCY(softirq, SOFTIRQ_WAIT + kind, raised_at_ns, now, &waited_ns);
	state->entered_at_ns = now;
	return 0;
}

static __always_inline int handle_exit(u64 kind)
{
	struct cpu_state *state = this_cpu();
	u64 ran_ns;

	KEEP_IN_REGISTER(kind);
	if (!softirq_on || !state || kind >= SOFTIRQ_KIND_COUNT)
		return 0;
	/* Zero when we attached while it was running. */
	if (!state->entered_at_ns)
		return 0;
	struct softirq_counters_row *row = COUNTER_ROW(softirq);

	if (LATENCY(softirq, SOFTIRQ_RUN + kind, state->entered_at_ns, bpf_ktime_get_ns(),
		    &ran_ns) && row)
		COUNTER_ADD(row, SOFTIRQ_TIME_NS + kind, ran_ns);
	state->entered_at_ns = 0;
	return 0;
}

SEC("tp_btf/softirq_raise")
int handle_raise__btf(u64 *arguments)
{
	return handle_raise(arguments[0]);
}

SEC("raw_tp/softirq_raise")
int handle_raise__raw(u64 *arguments)
{
	return handle_raise(arguments[0]);
}

SEC("tp_btf/softirq_entry")
int handle_entry__btf(u64 *arguments)
{
	return handle_entry(arguments[0]);
}

SEC("raw_tp/softirq_entry")
int handle_entry__raw(u64 *arguments)
{
	return handle_entry(arguments[0]);
}

SEC("tp_btf/softirq_exit")
int handle_exit__btf(u64 *arguments)
{
	return handle_exit(arguments[0]);
}

SEC("raw_tp/softirq_exit")
int handle_exit__raw(u64 *arguments)
{
	return handle_exit(arguments[0]);
}
