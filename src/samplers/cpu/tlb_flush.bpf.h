/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Flushes of the address translations that a CPU keeps, by the kernel's reason. Per flush: one
 * look-up of the slot and two counter adds. At a switch the running task is still the one before.
 */
#include "bpf/cgroup.bpf.h"
#include "samplers/cpu/tlb_flush.h"

SAMPLER(tlb_flush);
COUNTERS(tlb_flush, TLB_FLUSH_COUNTER_COUNT);
CGROUP_COUNTERS(tlb_flush, TLB_FLUSH_COUNTER_COUNT);

/* Slot of each reason that this kernel has; the loader fills it by the names of the enumerators. */
const volatile unsigned char tlb_flush_slots[TLB_FLUSH_KERNEL_REASONS] = {
	TLB_FLUSH_TASK_SWITCH,	      TLB_FLUSH_REMOTE_SHOOTDOWN,
	TLB_FLUSH_LOCAL_SHOOTDOWN,    TLB_FLUSH_LOCAL_MM_SHOOTDOWN,
	TLB_FLUSH_REMOTE_SEND_IPI,    TLB_FLUSH_UNKNOWN,
	TLB_FLUSH_UNKNOWN,	      TLB_FLUSH_UNKNOWN,
};

/* A reason that a newer kernel added is unknown: never a slot of somebody else. */
static __always_inline u64 tlb_flush_slot(u64 reason)
{
	u64 slot = TLB_FLUSH_UNKNOWN;

	KEEP_IN_REGISTER(reason);
	if (reason < TLB_FLUSH_KERNEL_REASONS)
		slot = tlb_flush_slots[reason];
	return slot;
}

static __always_inline int tlb_flush_count(u64 slot)
{
	if (!tlb_flush_on)
		return 0;
	struct tlb_flush_counters_row *row = COUNTER_ROW(tlb_flush);
	struct tlb_flush_cgroup_counters_row *part =
		CGROUP_COUNTER_ROW(tlb_flush, cgroup_slot_of_current());

	KEEP_IN_REGISTER(slot);
	if (row && part && slot < TLB_FLUSH_COUNTER_COUNT) {
		COUNTER_ADD(row, slot, 1);
		COUNTER_ADD(part, slot, 1);
	}
	return 0;
}
