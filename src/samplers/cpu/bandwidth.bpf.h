/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * How often and how long the CPU quota of a cgroup kept its tasks from running on a CPU. Per
 * throttling: a hash insert, a look-up and a delete, and two counter adds when it ends; per period
 * and CPU at most one.
 */
#include "bpf/cgroup.bpf.h"
#include "samplers/cpu/bandwidth.h"

SAMPLER(bandwidth);
COUNTERS(bandwidth, BANDWIDTH_COUNTER_COUNT);
CGROUP_COUNTERS(bandwidth, BANDWIDTH_COUNTER_COUNT);

struct rq {
	int cpu;
} __relocated;

/* Where a kprobe finds the first argument of a function. */
#if defined(__TARGET_ARCH_x86)
struct pt_regs___arguments {
	unsigned long di;
} __relocated;
#define FIRST_ARGUMENT di
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs___arguments {
	u64 regs[31];
} __relocated;
#define FIRST_ARGUMENT regs[0]
#endif

static __always_inline void *first_argument(struct pt_regs *registers)
{
	return (void *)BPF_CORE_READ((struct pt_regs___arguments *)registers, FIRST_ARGUMENT);
}

struct task_group {
	struct cgroup_subsys_state css;
} __relocated;

/* The run queue of one cgroup on one CPU. */
struct cfs_rq {
	struct rq *rq;
	struct task_group *tg;
	int throttled;
} __relocated;

/*
 * When a run queue was throttled. A hash, since run queues have no storage of their own: the kernel
 * keeps the start too, but in a clock that programs cannot read.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, THROTTLE_HASH_ENTRIES);
	__type(key, u64);
	__type(value, u64);
} throttled_since SEC(".maps");

static __always_inline int bandwidth_throttle(struct cfs_rq *queue)
{
	u64 key = (u64)queue;
	u64 now = bpf_ktime_get_ns();

	/* BPF_ANY: a start without an end was taken back, or of a cgroup that is gone. */
	if (!bandwidth_on)
		return 0;
	if (bpf_map_update_elem(&throttled_since, &key, &now, BPF_ANY))
		count_loss(LOSS_THROTTLE_TABLE_FULL);
	return 0;
}

static __always_inline int bandwidth_unthrottle(struct cfs_rq *queue)
{
	u64 key = (u64)queue;

	if (!bandwidth_on)
		return 0;
	u64 *since_ns = bpf_map_lookup_elem(&throttled_since, &key);

	if (!since_ns)
		return 0; /* throttled before we attached, or counted as lost */
	u64 start_ns = *since_ns;
	u64 end_ns = bpf_ktime_get_ns();

	bpf_map_delete_elem(&throttled_since, &key);
	/* Others may release a run queue: it counts on the CPU that it belongs to. */
	struct bandwidth_counters_row *row =
		COUNTER_ROW_OF(bandwidth, BPF_CORE_READ(queue, rq, cpu));
	/* A task group is one of the cpu controller's: the hierarchy that names the cgroups. */
	struct bandwidth_cgroup_counters_row *part = CGROUP_COUNTER_ROW(
		bandwidth, cgroup_slot_of_id(BPF_CORE_READ(queue, tg, css.cgroup, kn, id)));

	if (start_ns > end_ns) {
		count_loss(LOSS_CLOCK_ORDER);
	} else if (row && part) {
		COUNTER_ADD(row, BANDWIDTH_THROTTLED, 1);
		COUNTER_ADD(row, BANDWIDTH_THROTTLED_NS, end_ns - start_ns);
		COUNTER_ADD(part, BANDWIDTH_THROTTLED, 1);
		COUNTER_ADD(part, BANDWIDTH_THROTTLED_NS, end_ns - start_ns);
	}
	return 0;
}

/*
 * Since 6.18 (e1fad12dcb66) a queue that has used up its runtime again meanwhile stays throttled.
 * Since then the flag is a bit, too.
 */
static __always_inline bool bandwidth_still_throttled(struct cfs_rq *queue)
{
	return BPF_CORE_READ_BITFIELD_PROBED(queue, throttled);
}
