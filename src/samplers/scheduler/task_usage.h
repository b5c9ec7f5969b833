/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Slots of the sampler task_cpu_usage. */
enum task_usage_counter {
	TASK_USAGE_EXITED_NS,
	TASK_USAGE_COUNTER_COUNT,
};
