/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Banks: how every counter and every histogram is kept. A counter costs one relaxed atomic add, a
 * histogram two and a byte store. Adds are atomic even though rows are per CPU, since a program can
 * be interrupted by another on its own CPU.
 */
#include "bpf/bank.h"
#include "bpf/histogram_index.h"
#include "bpf/kernel.bpf.h"

/* Set by the loader: histogram stripes (a power of two) minus one. */
const volatile unsigned int histogram_stripe_mask = 0;

/* Declares a sampler's knob: while it is false the verifier removes the sampler's code. */
#define SAMPLER(sampler) const volatile bool sampler##_on = true

/* A mmap-able array of rows, one per CPU: max_entries is set before loading. */
#define COUNTERS(bank, count)                                        \
	struct bank##_counters_row {                                 \
		u64 value[COUNTER_ROW_SLOTS(count)];                 \
	};                                                           \
	struct {                                                     \
		__uint(type, BPF_MAP_TYPE_ARRAY);                    \
		__uint(map_flags, BPF_F_MMAPABLE);                   \
		__uint(max_entries, 1);                              \
		__type(key, u32);                                    \
		__type(value, struct bank##_counters_row);           \
	} bank##_counters SEC(".maps")

/* A mmap-able array of histograms, `count` for each stripe. */
#define HISTOGRAMS(bank, count)                                      \
	enum { bank##_histogram_count = (count) };                   \
	struct {                                                     \
		__uint(type, BPF_MAP_TYPE_ARRAY);                    \
		__uint(map_flags, BPF_F_MMAPABLE);                   \
		__uint(max_entries, count);                          \
		__type(key, u32);                                    \
		__type(value, struct histogram_cell);                \
	} bank##_histograms SEC(".maps")

/* The row of one CPU, or NULL. */
#define COUNTER_ROW_OF(bank, cpu_number)                             \
	({                                                           \
		u32 row_cpu_ = (cpu_number);                         \
		(struct bank##_counters_row *)bpf_map_lookup_elem(   \
			&bank##_counters, &row_cpu_);                \
	})
#define COUNTER_ROW(bank) COUNTER_ROW_OF(bank, bpf_get_smp_processor_id())

/* Set by the loader: stripes of the counters by device (a power of two) minus one. */
const volatile unsigned int device_stripe_mask = 0;

/* A family's table of devices, written by user space through mmap. */
#define DEVICE_TABLE(table)                                          \
	struct {                                                     \
		__uint(type, BPF_MAP_TYPE_ARRAY);                    \
		__uint(map_flags, BPF_F_MMAPABLE);                   \
		__uint(max_entries, 1);                              \
		__type(key, u32);                                    \
		__type(value, struct device_table);                  \
	} table SEC(".maps")

/* What the table says of a key: a slot with its flags, or DEVICE_OTHER. */
static __always_inline u32 device_find(void *table, u32 key)
{
	u32 first = 0;
	u32 at = device_hash(key);
	struct device_table *devices = bpf_map_lookup_elem(table, &first);

	if (!devices)
		return DEVICE_OTHER;
#pragma unroll
	for (u32 i = 0; i < DEVICE_PROBES; i++) {
		u64 entry = devices->entries[(at + i) & (DEVICE_TABLE_ENTRIES - 1)];

		if (entry >> 32 == key && (u32)entry)
			return entry;
	}
	return DEVICE_OTHER;
}

/* A mmap-able array of rows, DEVICE_SLOTS for each stripe: max_entries is set before loading. */
#define DEVICE_COUNTERS(bank, count)                                 \
	struct bank##_device_counters_row {                          \
		u64 value[COUNTER_ROW_SLOTS(count)];                 \
	};                                                           \
	struct {                                                     \
		__uint(type, BPF_MAP_TYPE_ARRAY);                    \
		__uint(map_flags, BPF_F_MMAPABLE);                   \
		__uint(max_entries, DEVICE_SLOTS);                   \
		__type(key, u32);                                    \
		__type(value, struct bank##_device_counters_row);    \
	} bank##_device_counters SEC(".maps")

/* The row of one device, from what device_find() said of it, or NULL. */
#define DEVICE_COUNTER_ROW(bank, device)                                        \
	({                                                                      \
		u32 row_device_ = (bpf_get_smp_processor_id() & device_stripe_mask) * \
					  DEVICE_SLOTS +                        \
				  ((device) & (DEVICE_SLOTS - 1));              \
		(struct bank##_device_counters_row *)bpf_map_lookup_elem(       \
			&bank##_device_counters, &row_device_);                 \
	})

/* slot must be a constant, or bounded by the caller. */
#define COUNTER_ADD(row, slot, amount) \
	__sync_fetch_and_add(&(row)->value[slot], amount)

/*
 * Before a bounds check: the compiler may not derive the (64-bit) variable anew after it, so that
 * the verifier sees the bound on the register that is used.
 */
#define KEEP_IN_REGISTER(variable) asm volatile("" : "+r"(variable))

static __always_inline void histogram_cell_add(struct histogram_cell *cell, u64 value)
{
	u64 bucket = histogram_index(value);

	/* Cannot be out of range, but the verifier does not know. */
	KEEP_IN_REGISTER(bucket);
	if (bucket >= HISTOGRAM_BUCKETS)
		return;
	/* Total first, parts after: the reader takes them in the other order. */
	__sync_fetch_and_add(&cell->sum, value);
	__sync_fetch_and_add(&cell->buckets[bucket], 1);
	cell->dirty[bucket / HISTOGRAM_BUCKETS_PER_LINE] = 1;
}

#define HISTOGRAM_ADD(bank, histogram, amount)                                    \
	do {                                                                      \
		u32 cell_index_ = (bpf_get_smp_processor_id() &                   \
				   histogram_stripe_mask) *                       \
					  bank##_histogram_count +                \
				  (histogram);                                    \
		struct histogram_cell *cell_ =                                    \
			bpf_map_lookup_elem(&bank##_histograms, &cell_index_);    \
		if (cell_)                                                        \
			histogram_cell_add(cell_, amount);                        \
	} while (0)

/* What could not be measured, by reason. */
COUNTERS(loss, LOSS_ROW_COUNT);

static __always_inline void count_loss(const enum loss_reason reason)
{
	struct loss_counters_row *row = COUNTER_ROW(loss);

	if (row)
		COUNTER_ADD(row, reason, 1);
}

/*
 * The one door of every latency: from start to end (nanoseconds, CLOCK_MONOTONIC) into a histogram
 * of a bank. A start after the end is a loss, never a huge value. Yields whether it was recorded;
 * *duration is set then.
 */
#define LATENCY(bank, histogram, start_ns, end_ns, duration)                      \
	({                                                                        \
		u64 latency_start_ = (start_ns);                                  \
		u64 latency_end_ = (end_ns);                                      \
		bool latency_ordered_ = latency_start_ <= latency_end_;           \
		if (latency_ordered_) {                                           \
			*(duration) = latency_end_ - latency_start_;              \
			HISTOGRAM_ADD(bank, histogram, *(duration));              \
		} else {                                                          \
			count_loss(LOSS_CLOCK_ORDER);                             \
		}                                                                 \
		latency_ordered_;                                                 \
	})
