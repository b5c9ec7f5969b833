/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Classes of system calls, and the slots of the samplers syscall_counts and syscall_latency. */
enum syscall_class {
	SYSCALL_OTHER,
	SYSCALL_READ,
	SYSCALL_WRITE,
	SYSCALL_POLL,
	SYSCALL_LOCK,
	SYSCALL_TIME,
	SYSCALL_SLEEP,
	SYSCALL_SOCKET,
	SYSCALL_YIELD,
	SYSCALL_FILESYSTEM,
	SYSCALL_MEMORY,
	SYSCALL_PROCESS,
	SYSCALL_QUERY,
	SYSCALL_IPC,
	SYSCALL_TIMER,
	SYSCALL_EVENT,
	SYSCALL_SYNC,
	SYSCALL_TRANSFER,
	SYSCALL_CLASS_COUNT,
};

/* Classes whose calls wait for something to happen: poll, lock, sleep, process, timer, event. */
#define SYSCALL_WAIT_CLASS_COUNT 6

/* A cgroup has the first of these, or the others. */
enum latency_cgroup_histogram {
	LATENCY_CGROUP,
	LATENCY_CGROUP_CLASS, /* of the first class that does not wait; the others follow */
	LATENCY_CGROUP_HISTOGRAM_COUNT =
		LATENCY_CGROUP_CLASS + SYSCALL_CLASS_COUNT - SYSCALL_WAIT_CLASS_COUNT,
};

/* Numbers at or above are `other`; a power of two. */
#define SYSCALL_NUMBER_COUNT 1024
