/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Kinds of softirq, by the kernel's vector number, and the slots of the sampler softirq. */
#define SOFTIRQ_KIND_COUNT 10

enum softirq_counter {
	SOFTIRQ_COUNT = 0,
	SOFTIRQ_TIME_NS = SOFTIRQ_KIND_COUNT,
	SOFTIRQ_COUNTER_COUNT = 2 * SOFTIRQ_KIND_COUNT,
};

enum softirq_histogram {
	SOFTIRQ_WAIT = 0,
	SOFTIRQ_RUN = SOFTIRQ_KIND_COUNT,
	SOFTIRQ_HISTOGRAM_COUNT = 2 * SOFTIRQ_KIND_COUNT,
};
