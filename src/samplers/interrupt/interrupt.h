/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Slots of the sampler interrupts. */
enum interrupts_counter {
	INTERRUPTS_COUNT,
	INTERRUPTS_TIME_NS,
	INTERRUPTS_COUNTER_COUNT,
};

enum interrupts_histogram {
	INTERRUPTS_RUNNING,
	INTERRUPTS_HISTOGRAM_COUNT,
};

/* Counters of each line. */
enum interrupts_device_counter {
	INTERRUPTS_OF_LINE_COUNT,
	INTERRUPTS_OF_LINE_TIME_NS,
	INTERRUPTS_DEVICE_COUNTER_COUNT,
};
