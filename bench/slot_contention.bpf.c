/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
/*
 * What adding to a cgroup's counter or histogram costs, with the macros of the families. The programs
 * are on no hook: the benchmark runs them itself, on all CPUs at the same time. Every event is of one
 * value, so that CPUs that share a histogram share its bucket.
 */
#include "bpf/cgroup.bpf.h"
#include "slot_contention.h"

CGROUP_COUNTERS(event, 1);
CGROUP_HISTOGRAMS(event, 1);

/* Set before loading: each CPU has a slot of its own, or all have the same. */
const volatile bool own_slots = true;

static __always_inline u32 event_slot(void)
{
	return own_slots ? bpf_get_smp_processor_id() + 1 : 1;
}

SEC("tc")
int add_nothing(struct __sk_buff *packet)
{
	return event_slot();
}

SEC("tc")
int add_to_counter(struct __sk_buff *packet)
{
	u32 slot = event_slot();

#pragma unroll
	for (u32 i = 0; i < EVENTS_PER_RUN; i++) {
		struct event_cgroup_counters_row *row = CGROUP_COUNTER_ROW(event, slot);

		if (row)
			COUNTER_ADD(row, 0, 1);
	}
	return slot;
}

SEC("tc")
int add_to_histogram(struct __sk_buff *packet)
{
	u32 slot = event_slot();

#pragma unroll
	for (u32 i = 0; i < EVENTS_PER_RUN; i++)
		CGROUP_HISTOGRAM_ADD(event, slot, 0, 5000);
	return slot;
}
