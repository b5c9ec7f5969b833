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

/* Losses that every family counts in its map `losses`, by reason. */
enum loss_reason {
	LOSS_NO_TASK_STATE,      /* the task has no state, and none could be made */
	LOSS_TASK_TABLE_FULL,    /* the hash of tasks refused an insert */
	LOSS_REQUEST_TABLE_FULL, /* the hash of block requests refused an insert */
	LOSS_CLOCK_ORDER,        /* a start lay after its end */
	LOSS_SOCKET_TABLE_FULL,  /* the hash of sockets refused an insert */
	LOSS_THROTTLE_TABLE_FULL, /* the hash of throttled run queues refused an insert */
	LOSS_REASON_COUNT,
};

/* Entries of the fallback hash of tasks; each costs about 130 bytes. */
#define TASK_HASH_ENTRIES 65536
/* Block requests in flight that can be timed. */
#define REQUEST_HASH_ENTRIES 16384

#ifdef __cplusplus
static_assert(sizeof(histogram_cell) == 4096);
static_assert(HISTOGRAM_LINES <= 64);
#else
_Static_assert(sizeof(struct histogram_cell) == 4096, "a histogram is one page");
#endif
