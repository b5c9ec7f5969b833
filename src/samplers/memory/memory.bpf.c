/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
/*
 * What memory costs the tasks that use it: page faults, and memory that they have to free first.
 * One counter add per fault; two clock reads, a histogram and a counter add per reclaim.
 */
#include "samplers/memory/page_faults.bpf.h"
#include "samplers/memory/reclaim.bpf.h"

#if defined(__TARGET_ARCH_x86)

SEC("tp_btf/page_fault_user")
int handle_user_fault__btf(u64 *arguments)
{
	return page_faults_count(PAGE_FAULTS_USER);
}

SEC("raw_tp/page_fault_user")
int handle_user_fault__raw(u64 *arguments)
{
	return page_faults_count(PAGE_FAULTS_USER);
}

SEC("tp_btf/page_fault_kernel")
int handle_kernel_fault__btf(u64 *arguments)
{
	return page_faults_count(PAGE_FAULTS_KERNEL);
}

SEC("raw_tp/page_fault_kernel")
int handle_kernel_fault__raw(u64 *arguments)
{
	return page_faults_count(PAGE_FAULTS_KERNEL);
}

#elif defined(__TARGET_ARCH_arm64)

/* Of enum fault_flag and enum vm_fault_reason, both unchanged since 5.9. */
#define FAULT_FLAG_TRIED 0x20
#define FAULT_FLAG_USER 0x40
#define VM_FAULT_RETRY 0x400

/*
 * Of handle_mm_fault: a fault that is tried again counts when it succeeds. Without registers the
 * kernel faults a page in of its own, without an exception.
 */
static __always_inline int handle_fault(u64 *arguments, const enum page_faults_counter slot)
{
	bool user = arguments[2] & FAULT_FLAG_USER;

	if (!arguments[3] || arguments[4] & VM_FAULT_RETRY)
		return 0;
	if (user != (slot == PAGE_FAULTS_USER))
		return 0;
	return page_faults_count(slot);
}

SEC("fexit/handle_mm_fault")
int handle_user_fault__fexit(u64 *arguments)
{
	return handle_fault(arguments, PAGE_FAULTS_USER);
}

SEC("fexit/handle_mm_fault")
int handle_kernel_fault__fexit(u64 *arguments)
{
	return handle_fault(arguments, PAGE_FAULTS_KERNEL);
}

struct pt_regs___arguments {
	u64 regs[31];
} __relocated;

/* Kprobes, where functions have no trampolines for BPF (before 6.0): the first try counts. */
static __always_inline int handle_fault_entry(struct pt_regs *registers,
					      const enum page_faults_counter slot)
{
	struct pt_regs___arguments *arguments = (void *)registers;
	u64 flags = BPF_CORE_READ(arguments, regs[2]);
	bool user = flags & FAULT_FLAG_USER;

	if (!BPF_CORE_READ(arguments, regs[3]) || flags & FAULT_FLAG_TRIED)
		return 0;
	if (user != (slot == PAGE_FAULTS_USER))
		return 0;
	return page_faults_count(slot);
}

SEC("kprobe/handle_mm_fault")
int handle_user_fault__kprobe(struct pt_regs *registers)
{
	return handle_fault_entry(registers, PAGE_FAULTS_USER);
}

SEC("kprobe/handle_mm_fault")
int handle_kernel_fault__kprobe(struct pt_regs *registers)
{
	return handle_fault_entry(registers, PAGE_FAULTS_KERNEL);
}

#endif

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int handle_direct_begin__btf(u64 *arguments)
{
	return reclaim_begin(true);
}

SEC("raw_tp/mm_vmscan_direct_reclaim_begin")
int handle_direct_begin__raw(u64 *arguments)
{
	return reclaim_begin(false);
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int handle_direct_end__btf(u64 *arguments)
{
	return reclaim_end(RECLAIM_DIRECT_PAGES, RECLAIM_DIRECT, arguments[0], true);
}

SEC("raw_tp/mm_vmscan_direct_reclaim_end")
int handle_direct_end__raw(u64 *arguments)
{
	return reclaim_end(RECLAIM_DIRECT_PAGES, RECLAIM_DIRECT, arguments[0], false);
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int handle_cgroup_begin__btf(u64 *arguments)
{
	return reclaim_begin(true);
}

SEC("raw_tp/mm_vmscan_memcg_reclaim_begin")
int handle_cgroup_begin__raw(u64 *arguments)
{
	return reclaim_begin(false);
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int handle_cgroup_end__btf(u64 *arguments)
{
	return reclaim_end(RECLAIM_CGROUP_PAGES, RECLAIM_CGROUP, arguments[0], true);
}

SEC("raw_tp/mm_vmscan_memcg_reclaim_end")
int handle_cgroup_end__raw(u64 *arguments)
{
	return reclaim_end(RECLAIM_CGROUP_PAGES, RECLAIM_CGROUP, arguments[0], false);
}
