/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Slots of the sampler cgroup_cpu_usage, after those of cgroup_time_counter. */
enum cgroup_cpu_counter {
	CGROUP_CPU_INFO = 3, /* never added to: says that the cgroup is there */
	CGROUP_CPU_COUNTER_COUNT,
};
