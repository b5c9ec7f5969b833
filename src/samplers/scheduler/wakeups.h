/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Slots of the sampler scheduler_wakeups. */
enum wakeups_counter {
	WAKEUPS_SAME_CPU,
	WAKEUPS_OTHER_CPU,
	WAKEUPS_UNKNOWN,
	WAKEUPS_COUNTER_COUNT,
};
