/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Slots of the sampler cpu_tlb_flush: the reasons of a flush. */
enum tlb_flush_counter {
	TLB_FLUSH_TASK_SWITCH,
	TLB_FLUSH_REMOTE_SHOOTDOWN,
	TLB_FLUSH_LOCAL_SHOOTDOWN,
	TLB_FLUSH_LOCAL_MM_SHOOTDOWN,
	TLB_FLUSH_REMOTE_SEND_IPI,
	TLB_FLUSH_UNKNOWN,
	TLB_FLUSH_COUNTER_COUNT,
};

/* Reasons of the kernel that are translated; larger ones are unknown. */
#define TLB_FLUSH_KERNEL_REASONS 8
