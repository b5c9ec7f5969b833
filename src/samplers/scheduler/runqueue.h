/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Slots of the sampler scheduler_runqueue. */
enum runqueue_counter {
	RUNQUEUE_INVOLUNTARY,
	RUNQUEUE_VOLUNTARY,
	RUNQUEUE_IDLE,
	RUNQUEUE_WAIT_NS,
	RUNQUEUE_DISCARDED,
	RUNQUEUE_COUNTER_COUNT,
};

enum runqueue_histogram {
	RUNQUEUE_LATENCY,
	RUNQUEUE_RUNNING,
	RUNQUEUE_OFF_CPU,
	RUNQUEUE_HISTOGRAM_COUNT,
};
