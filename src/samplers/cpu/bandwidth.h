/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Slots of the sampler cpu_bandwidth. */
enum bandwidth_counter {
	BANDWIDTH_THROTTLED,
	BANDWIDTH_THROTTLED_NS,
	BANDWIDTH_COUNTER_COUNT,
};

/* Run queues (a cgroup on a CPU) that can be throttled at the same time, at least; 256 KiB. */
#define THROTTLE_HASH_ENTRIES 4096u
