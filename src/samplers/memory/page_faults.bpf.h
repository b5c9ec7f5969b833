/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Page faults, taken in user space and in the kernel. Per fault: a look-up of the slot and two
 * counter adds.
 */
#include "bpf/cgroup.bpf.h"
#include "samplers/memory/page_faults.h"

SAMPLER(page_faults);
COUNTERS(page_faults, PAGE_FAULTS_COUNTER_COUNT);
CGROUP_COUNTERS(page_faults, PAGE_FAULTS_COUNTER_COUNT);

static __always_inline int page_faults_count(const enum page_faults_counter slot)
{
	if (!page_faults_on)
		return 0;
	struct page_faults_counters_row *row = COUNTER_ROW(page_faults);
	struct page_faults_cgroup_counters_row *part =
		CGROUP_COUNTER_ROW(page_faults, cgroup_slot_of_current());

	if (row && part) {
		COUNTER_ADD(row, slot, 1);
		COUNTER_ADD(part, slot, 1);
	}
	return 0;
}
