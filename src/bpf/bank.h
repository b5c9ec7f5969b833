/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Layout of the banks: the arrays that BPF programs add to and the agent reads through mmap.
 * Seen by BPF and C++ alike; plain C.
 */

/* Buckets of an H2 histogram with grouping power 3 over all 64-bit values. */
#define HISTOGRAM_BUCKETS 496
#define HISTOGRAM_GROUPING_POWER 3
/* Eight buckets share one cache line and one dirty byte. */
#define HISTOGRAM_BUCKETS_PER_LINE 8
#define HISTOGRAM_LINES (HISTOGRAM_BUCKETS / HISTOGRAM_BUCKETS_PER_LINE)

/* One histogram of one stripe: a page, so that a stripe never shares a line with its neighbour. */
struct histogram_cell {
	unsigned long long sum;
	unsigned long long padding[7];
	/* Byte i is set after a bucket of line i was added to, and cleared by the reader. */
	unsigned char dirty[64];
	unsigned long long buckets[HISTOGRAM_BUCKETS];
};

/* Rows of counters are whole cache lines, one row per CPU. */
#define COUNTER_ROW_SLOTS(count) (((count) + 7) / 8 * 8)

/*
 * Devices that a family tells apart (disks, interrupt lines). User space lists them and writes the
 * table, key and slot in one word; slot 0 is for all that are not in it. A key is looked for in
 * DEVICE_PROBES places from its hash on.
 */
#define DEVICE_SLOTS 256
#define DEVICE_TABLE_ENTRIES 1024
#define DEVICE_PROBES 8
#define DEVICE_OTHER 0
/* Set beside the slot of a device whose events are those of another device once more. */
#define DEVICE_STACKED 0x10000

struct device_table {
	unsigned long long entries[DEVICE_TABLE_ENTRIES]; /* key << 32 | slot; 0: empty */
};

static inline __attribute__((always_inline)) unsigned int device_hash(unsigned int key)
{
	return (key * 0x9e3779b1u) >> 22;
}

/*
 * Cgroups. User space walks them and writes the table, id and slot in one word; slot 0 is for all
 * that are not in it. An id is looked for in CGROUP_PROBES places from its hash on.
 */
#define CGROUP_OTHER 0
#define CGROUP_PROBES 8
#define CGROUP_SLOT_BITS 20
#define CGROUP_SLOTS_MAX 65536 /* so that task_state.h has one in 16 bits */
/*
 * Slots that are offered to cgroups that are made from now on, so that each has one before its first
 * task runs. User space offers, the program at cgroup_mkdir takes; the n-th that is taken is the
 * n-th that was offered.
 */
#define CGROUP_OFFERS 256
struct cgroup_offers {
	unsigned long long offered; /* written by user space, after the slot */
	unsigned long long padding[7];
	unsigned long long taken; /* written by the program */
	unsigned long long without; /* made when none was offered: a walk will find them */
	unsigned long long padding_too[6];
	unsigned int slots[CGROUP_OFFERS];
};

/* What the program tells of each cgroup that took a slot. */
#define CGROUP_PATH_BYTES 1024
struct cgroup_birth {
	unsigned long long id;
	unsigned int slot;
	unsigned int place; /* of its entry in the table */
	char path[CGROUP_PATH_BYTES];
};

/* In place of a slot: the CPU runs nobody's task. */
#define CGROUP_NONE 0xffffffffu

/*
 * What a CPU is running, for the part of its time that no switch has charged yet. And what the task's
 * clocks of user and system mode, which the timer's ticks move, showed at the switch to it.
 */
enum cgroup_running_value {
	CGROUP_RUNNING_SLOT,
	CGROUP_RUNNING_SINCE_NS,
	CGROUP_RUNNING_USER_NS,
	CGROUP_RUNNING_SYSTEM_NS,
	CGROUP_RUNNING_COUNT,
};

/* The first counters of a sampler with such a bank: the time, and what ticks saw of it. */
enum cgroup_time_counter {
	CGROUP_TIME_NS,
	CGROUP_TIME_USER_TICKS_NS,
	CGROUP_TIME_SYSTEM_TICKS_NS,
	CGROUP_TIME_COUNTER_COUNT,
};

/*
 * Who preempted whom: pairs of a victim's slot and of what took its CPU. Each CPU has a table, which
 * only its own switches write, so that nothing is atomic. A pair may stand in it twice. User space takes
 * pairs out whose cgroups are gone: it marks them as retired, reads them once more at a later update, and
 * only then gives the place away. Nothing is zeroed.
 */
enum preemption_by {
	PREEMPTED_BY_CGROUP, /* a slot stands beside it */
	PREEMPTED_BY_SELF,
	PREEMPTED_BY_KERNEL,
	PREEMPTED_BY_THROTTLING,
};
#define PREEMPTION_PAIRS 1024
#define PREEMPTION_PROBES 8
#define PREEMPTION_BY(by, slot) ((unsigned int)(by) << CGROUP_SLOT_BITS | (slot) | 0x80000000u)
#define PREEMPTION_KEY(victim, by) ((unsigned long long)(victim) << 32 | (by))
/*
 * What a task keeps of it while it waits: the id of the culprit's cgroup as well (cgroup_key), since the
 * slot may be another's when the wait ends.
 */
#define PREEMPTED(key, by)                                                        \
	((key) | 0x80000ull | ((by) >> CGROUP_SLOT_BITS & 3) << 16 | ((by) & 0xffff))
/* A slot that was freed is given away after two walks, which are 100 ms apart at least. */
#define CGROUP_SLOT_REUSED_NS 100000000ull
#define PREEMPTION_RETIRED 1ull /* no key: those have a bit more */

struct preemption_pair {
	unsigned long long key; /* 0: free */
	unsigned long long count;
	unsigned long long wait_ns;
};

struct preemption_table {
	unsigned long long taken; /* places, ever: grows when a pair comes */
	struct preemption_pair other; /* pairs that found no place */
	unsigned long long padding[4];
	struct preemption_pair pairs[PREEMPTION_PAIRS];
};

static inline __attribute__((always_inline)) unsigned int cgroup_hash(unsigned long long id)
{
	return (unsigned int)((id * 0x9e3779b97f4a7c15ull) >> 32);
}

/* An id as it stands in the table: the upper bits only tell reused numbers apart. */
static inline __attribute__((always_inline)) unsigned long long cgroup_key(unsigned long long id)
{
	return id << CGROUP_SLOT_BITS;
}

/* Losses that every family counts in its map `losses`, by reason. */
enum loss_reason {
	LOSS_NO_TASK_STATE,      /* the task has no state, and none could be made */
	LOSS_TASK_TABLE_FULL,    /* the hash of tasks refused an insert */
	LOSS_REQUEST_TABLE_FULL, /* the hash of block requests refused an insert */
	LOSS_CLOCK_ORDER,        /* a start lay after its end */
	LOSS_SOCKET_TABLE_FULL,  /* the hash of sockets refused an insert */
	LOSS_THROTTLE_TABLE_FULL, /* the hash of throttled run queues refused an insert */
	LOSS_REASON_COUNT,
	/* Nothing is lost by these: events that are counted for CGROUP_OTHER, since their cgroup has no slot, */
	FOLDED_CGROUP = LOSS_REASON_COUNT,
	/* or none of those that have histograms. */
	FOLDED_CGROUP_HISTOGRAM,
	LOSS_ROW_COUNT,
};

/* Entries of the fallback hash of tasks; each costs about 130 bytes. */
#define TASK_HASH_ENTRIES 65536
/* Block requests in flight that can be timed. */
#define REQUEST_HASH_ENTRIES 16384

#ifdef __cplusplus
static_assert(sizeof(histogram_cell) == 4096);
static_assert(HISTOGRAM_LINES <= 64);
static_assert(DEVICE_TABLE_ENTRIES == 1u << (32 - 22));
#else
_Static_assert(sizeof(struct histogram_cell) == 4096, "a histogram is one page");
#endif
