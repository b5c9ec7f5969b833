/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Which cgroup a task belongs to, as a slot of counters and histograms. Per event: four reads from
 * the task on, and a look-up in an array that the program at cgroup_mkdir and user space write, one
 * place as a rule, at most CGROUP_PROBES. Nothing is remembered with the task, so that a task that moves is seen at once.
 */
#include "bpf/bank.bpf.h"

/* Set by the loader: the subsystem whose hierarchy names the cgroups, or -1 for version 2. */
const volatile int cgroup_subsystem = -1;
/* Set by the loader: entries of the table (a power of two) minus one. */
const volatile unsigned int cgroup_table_mask = 0;
/* Set by the loader: slots of counters and of histograms, CGROUP_OTHER included. */
const volatile unsigned int cgroup_slot_count = 1;
const volatile unsigned int cgroup_histogram_slot_count = 1;
/* Set by the loader: stripes of the histograms by cgroup (a power of two) minus one. */
const volatile unsigned int cgroup_histogram_stripe_mask = 0;

/* Owned by the core object. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} cgroups SEC(".maps");

static __always_inline u64 task_cgroup_id(struct task_struct *task, const bool typed)
{
	struct css_set *set = FIELD(typed, task, cgroups);

	if (cgroup_subsystem < 0)
		return typed ? set->dfl_cgrp->kn->id : BPF_CORE_READ(set, dfl_cgrp, kn, id);
	struct cgroup_subsys_state **place =
		(void *)set + bpf_core_field_offset(struct css_set, subsys) +
		cgroup_subsystem * sizeof(void *);
	struct cgroup_subsys_state *state = NULL;

	/* The knob is a constant to the verifier, so that it knows the type of what stands there. */
	if (typed)
		return (*place)->cgroup->kn->id;
	bpf_probe_read_kernel(&state, sizeof(state), place);
	return BPF_CORE_READ(state, cgroup, kn, id);
}

/*
 * The slot that the table has for an id: CGROUP_OTHER where it has none of its own, which is counted where
 * something is about to be charged to it.
 */
static __always_inline u32 cgroup_look_up(u64 id, const bool counted)
{
	u64 key = cgroup_key(id);
	u32 at = cgroup_hash(key >> CGROUP_SLOT_BITS);

#pragma unroll
	for (u32 i = 0; i < CGROUP_PROBES; i++) {
		u32 place = (at + i) & cgroup_table_mask;
		u64 *entry = bpf_map_lookup_elem(&cgroups, &place);
		u64 word = entry ? *(volatile u64 *)entry : 0;

		if ((word ^ key) >> CGROUP_SLOT_BITS == 0 && word)
			return word & ((1 << CGROUP_SLOT_BITS) - 1);
	}
	if (counted)
		count_loss(FOLDED_CGROUP);
	return CGROUP_OTHER;
}

static __always_inline u32 cgroup_slot_of_id(u64 id)
{
	return cgroup_look_up(id, true);
}

static __always_inline u32 cgroup_slot_of(struct task_struct *task, const bool typed)
{
	return cgroup_slot_of_id(task_cgroup_id(task, typed));
}

/* Set by the loader: the kernel has bpf_get_current_task_btf, whose fields plain loads read. */
const volatile bool cgroup_current_is_typed = false;

/* Of the task that is running. On version 2 a helper knows its cgroup. */
static __always_inline u64 cgroup_id_of_current(void)
{
	if (cgroup_subsystem < 0)
		return bpf_get_current_cgroup_id();
	if (cgroup_current_is_typed)
		return task_cgroup_id((void *)bpf_get_current_task_btf(), true);
	return task_cgroup_id((void *)bpf_get_current_task(), false);
}

static __always_inline u32 cgroup_slot_of_current(void)
{
	return cgroup_slot_of_id(cgroup_id_of_current());
}

/* A mmap-able array of rows, one for each stripe and slot: max_entries is set before loading. */
#define CGROUP_COUNTERS(bank, count)                                 \
	struct bank##_cgroup_counters_row {                          \
		u64 value[COUNTER_ROW_SLOTS(count)];                 \
	};                                                           \
	struct {                                                     \
		__uint(type, BPF_MAP_TYPE_ARRAY);                    \
		__uint(map_flags, BPF_F_MMAPABLE);                   \
		__uint(max_entries, 1);                              \
		__type(key, u32);                                    \
		__type(value, struct bank##_cgroup_counters_row);    \
	} bank##_cgroup_counters SEC(".maps")

/* The row of one cgroup's slot, or NULL. */
#define CGROUP_COUNTER_ROW(bank, slot)                                          \
	({                                                                      \
		u32 row_cgroup_ = (bpf_get_smp_processor_id() & device_stripe_mask) * \
					  cgroup_slot_count +                   \
				  (slot);                                       \
		(struct bank##_cgroup_counters_row *)bpf_map_lookup_elem(       \
			&bank##_cgroup_counters, &row_cgroup_);                 \
	})

/*
 * The same of histograms, `count` for each slot and stripe. The loader says how many of them are on, and
 * in which place each is, counted from 1; 0: it is off.
 */
#define CGROUP_HISTOGRAMS(bank, count)                               \
	const volatile unsigned int bank##_cgroup_histogram_count = (count);          \
	const volatile unsigned char bank##_cgroup_histogram_places[count] = {        \
		[0 ... (count) - 1] = 1,                             \
	};                                                           \
	struct {                                                     \
		__uint(type, BPF_MAP_TYPE_ARRAY);                    \
		__uint(map_flags, BPF_F_MMAPABLE);                   \
		__uint(max_entries, count);                          \
		__type(key, u32);                                    \
		__type(value, struct histogram_cell);                \
	} bank##_cgroup_histograms SEC(".maps")

/* histogram must be a constant, or bounded by the caller. */
#define CGROUP_HISTOGRAM_ADD(bank, slot, histogram, amount)                       \
	do {                                                                      \
		u32 place_ = bank##_cgroup_histogram_places[histogram];           \
		if (!place_)                                                      \
			break;                                                    \
		u32 slot_ = (slot);                                               \
		if (slot_ >= cgroup_histogram_slot_count) {                       \
			slot_ = CGROUP_OTHER;                                     \
			count_loss(FOLDED_CGROUP_HISTOGRAM);                      \
		}                                                                 \
		u32 cell_index_ = ((bpf_get_smp_processor_id() &                  \
				    cgroup_histogram_stripe_mask) *               \
					   cgroup_histogram_slot_count +          \
				   slot_) * bank##_cgroup_histogram_count +       \
				  place_ - 1;                                     \
		struct histogram_cell *cell_ =                                    \
			bpf_map_lookup_elem(&bank##_cgroup_histograms, &cell_index_); \
		if (cell_)                                                        \
			histogram_cell_add(cell_, amount);                        \
	} while (0)
