/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Interrupts that CPUs send each other. Per sending: one counter add; for a set of CPUs also a read
 * of its mask, a word for each 64 CPUs of the host.
 */
#include "bpf/bank.bpf.h"
#include "samplers/cpu/ipi.h"

SAMPLER(ipi);
COUNTERS(ipi, IPI_COUNTER_COUNT);

/* Set by the loader: words of a CPU mask that this host uses. */
const volatile unsigned int ipi_mask_words = 1;

/* The back end of clang 14 has no instruction for it. */
static __always_inline u64 bits_set(u64 word)
{
	word -= (word >> 1) & 0x5555555555555555ULL;
	word = (word & 0x3333333333333333ULL) + ((word >> 2) & 0x3333333333333333ULL);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return (word * 0x0101010101010101ULL) >> 56;
}

static __always_inline u64 cpus_in_mask(const u64 *mask)
{
	u64 count = 0;

	for (u32 i = 0; i < IPI_MASK_WORDS_MAX && i < ipi_mask_words; ++i) {
		u64 word = 0;

		bpf_probe_read_kernel(&word, sizeof(word), mask + i);
		count += bits_set(word);
	}
	return count;
}

static __always_inline int ipi_count(const enum ipi_counter slot, u64 count)
{
	struct ipi_counters_row *row = COUNTER_ROW(ipi);

	if (row)
		COUNTER_ADD(row, slot, count);
	return 0;
}
