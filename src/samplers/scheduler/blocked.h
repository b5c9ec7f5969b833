/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Why a task is off its CPU and not runnable: slots of the sampler scheduler_blocked. */
enum blocked_reason {
	BLOCKED_NONE, /* also what a task has that could run */
	BLOCKED_IO,
	BLOCKED_UNINTERRUPTIBLE,
	BLOCKED_LOCK,
	BLOCKED_POLL,
	BLOCKED_SLEEP,
	BLOCKED_READ,
	BLOCKED_WRITE,
	BLOCKED_OTHER_SYSCALL,
	BLOCKED_PAGE_FAULT,
	BLOCKED_REASON_COUNT,
};
