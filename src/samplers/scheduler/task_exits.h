/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Slots of the sampler task_exits. */
enum task_exits_counter {
	TASK_EXITS_CPU_NS,
	TASK_EXITS_COUNTER_COUNT,
};
