/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Slots of the sampler memory_reclaim. */
enum reclaim_counter {
	RECLAIM_DIRECT_PAGES,
	RECLAIM_CGROUP_PAGES,
	RECLAIM_COUNTER_COUNT,
};

enum reclaim_histogram {
	RECLAIM_DIRECT,
	RECLAIM_CGROUP,
	RECLAIM_HISTOGRAM_COUNT,
};
