/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
/*
 * What happens to CPUs themselves: flushes of their translations, quotas that throttle them and
 * interrupts that they send each other. One counter add per event, more for a quota.
 */
#include "samplers/cpu/bandwidth.bpf.h"
#include "samplers/cpu/ipi.bpf.h"
#include "samplers/cpu/tlb_flush.bpf.h"

#if defined(__TARGET_ARCH_x86)

SEC("tp_btf/tlb_flush")
int handle_tlb_flush__btf(u64 *arguments)
{
	return tlb_flush_count(tlb_flush_slot((u32)arguments[0]));
}

SEC("raw_tp/tlb_flush")
int handle_tlb_flush__raw(u64 *arguments)
{
	return tlb_flush_count(tlb_flush_slot((u32)arguments[0]));
}

SEC("tp_btf/ipi_send_cpu")
int handle_ipi_one__btf(u64 *arguments)
{
	return ipi_on ? ipi_count(IPI_TO_ONE, 1) : 0;
}

SEC("raw_tp/ipi_send_cpu")
int handle_ipi_one__raw(u64 *arguments)
{
	return ipi_on ? ipi_count(IPI_TO_ONE, 1) : 0;
}

SEC("tp_btf/ipi_send_cpumask")
int handle_ipi_mask__btf(u64 *arguments)
{
	return ipi_on ? ipi_count(IPI_TO_MASK, cpus_in_mask((void *)arguments[0])) : 0;
}

SEC("raw_tp/ipi_send_cpumask")
int handle_ipi_mask__raw(u64 *arguments)
{
	return ipi_on ? ipi_count(IPI_TO_MASK, cpus_in_mask((void *)arguments[0])) : 0;
}

#elif defined(__TARGET_ARCH_arm64)

/* arm64 has no tracepoint of its flushes: the end of a batch of unmapped pages stands for it. */
SEC("fentry/tlb_finish_mmu")
int handle_tlb_flush__fentry(u64 *arguments)
{
	return tlb_flush_count(TLB_FLUSH_UNKNOWN);
}

/* A kprobe, where functions have no trampolines for BPF (before 6.0). */
SEC("kprobe/tlb_finish_mmu")
int handle_tlb_flush__kprobe(void *registers)
{
	return tlb_flush_count(TLB_FLUSH_UNKNOWN);
}

static __always_inline int handle_ipi_raise(const u64 *mask)
{
	if (!ipi_on)
		return 0;
	u64 count = cpus_in_mask(mask);

	return count == 1 ? ipi_count(IPI_TO_ONE, count) : ipi_count(IPI_TO_MASK, count);
}

SEC("tp_btf/ipi_raise")
int handle_ipi_raise__btf(u64 *arguments)
{
	return handle_ipi_raise((void *)arguments[0]);
}

SEC("raw_tp/ipi_raise")
int handle_ipi_raise__raw(u64 *arguments)
{
	return handle_ipi_raise((void *)arguments[0]);
}

#endif

/* False: while it took the lock, another CPU gave it runtime. */
SEC("fexit/throttle_cfs_rq")
int handle_throttle__fexit(u64 *arguments)
{
	if (!(u8)arguments[1])
		return 0;
	return bandwidth_throttle((void *)arguments[0]);
}

SEC("fexit/unthrottle_cfs_rq")
int handle_unthrottle__fexit(u64 *arguments)
{
	struct cfs_rq *queue = (void *)arguments[0];

	if (bandwidth_still_throttled(queue))
		return 0;
	return bandwidth_unthrottle(queue);
}

/*
 * Kprobes, where there are no trampolines. They see the entry: what throttle_cfs_rq takes back is
 * overwritten by the next start, and what unthrottle_cfs_rq leaves throttled ends early (rare).
 */
SEC("kprobe/throttle_cfs_rq")
int handle_throttle__kprobe(struct pt_regs *registers)
{
	return bandwidth_throttle(first_argument(registers));
}

SEC("kprobe/unthrottle_cfs_rq")
int handle_unthrottle__kprobe(struct pt_regs *registers)
{
	return bandwidth_unthrottle(first_argument(registers));
}
