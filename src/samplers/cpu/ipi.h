/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Slots of the sampler cpu_ipi. */
enum ipi_counter {
	IPI_TO_ONE,
	IPI_TO_MASK,
	IPI_COUNTER_COUNT,
};

/* Words of 64 CPUs that are counted of a mask; the largest kernels are built for 8192 CPUs. */
#define IPI_MASK_WORDS_MAX 128
