/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Slots of the samplers blockio_latency and blockio_requests. */
enum block_operation {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,
	BLOCK_DISCARD,
	BLOCK_TIMED_COUNT, /* those before have histograms of size and time */
	BLOCK_SECURE_ERASE = BLOCK_TIMED_COUNT,
	BLOCK_WRITE_ZEROES,
	BLOCK_ZONE_APPEND,
	BLOCK_ZONE_MANAGE, /* open, close, finish, reset */
	BLOCK_DRIVER,      /* commands that a driver or a program passes through */
	BLOCK_OTHER,
	BLOCK_OPERATION_COUNT,
};

/* A device's key: its major number above its minor number. */
#define BLOCK_MINOR_BITS 20

/* Values of a request's 8-bit operation. */
#define BLOCK_REQ_OP_COUNT 256

enum block_error {
	BLOCK_ERROR_IO,
	BLOCK_ERROR_TIMEOUT,
	BLOCK_ERROR_NO_SPACE,
	BLOCK_ERROR_TARGET,
	BLOCK_ERROR_PROTECTION,
	BLOCK_ERROR_UNSUPPORTED,
	BLOCK_ERROR_OTHER,
	BLOCK_ERROR_COUNT,
};

/* Histograms of blockio_latency: a group of the timed operations for each. */
enum block_latency_histogram {
	BLOCK_DEVICE_LATENCY = 0,
	BLOCK_QUEUE_LATENCY = BLOCK_TIMED_COUNT,
	BLOCK_TOTAL_LATENCY = 2 * BLOCK_TIMED_COUNT,
	BLOCK_LATENCY_HISTOGRAM_COUNT = 3 * BLOCK_TIMED_COUNT,
};

/* Counters of blockio_requests. */
enum block_requests_counter {
	BLOCK_OPERATIONS = 0,
	BLOCK_BYTES = BLOCK_OPERATION_COUNT,
	BLOCK_REQUEUES = 2 * BLOCK_OPERATION_COUNT,
	BLOCK_ERRORS = 3 * BLOCK_OPERATION_COUNT, /* operation * BLOCK_ERROR_COUNT + error */
	BLOCK_REQUESTS_COUNTER_COUNT =
		BLOCK_ERRORS + BLOCK_OPERATION_COUNT * BLOCK_ERROR_COUNT,
};

/* Counters of blockio_requests for each device. */
enum block_requests_device_counter {
	BLOCK_ON_DEVICE_OPERATIONS = 0,
	BLOCK_ON_DEVICE_BYTES = BLOCK_OPERATION_COUNT,
	BLOCK_ON_DEVICE_ERRORS = 2 * BLOCK_OPERATION_COUNT,
	BLOCK_ON_DEVICE_REQUEUES = 3 * BLOCK_OPERATION_COUNT,
	BLOCK_REQUESTS_DEVICE_COUNTER_COUNT = 4 * BLOCK_OPERATION_COUNT,
};

/* Counters of blockio_requests for each cgroup. */
enum block_requests_cgroup_counter {
	BLOCK_OF_CGROUP_OPERATIONS = 0,
	BLOCK_OF_CGROUP_BYTES = BLOCK_TIMED_COUNT,
	BLOCK_REQUESTS_CGROUP_COUNTER_COUNT = 2 * BLOCK_TIMED_COUNT,
};

/* Histograms of blockio_latency for each cgroup. */
enum block_latency_cgroup_histogram {
	BLOCK_OF_CGROUP_READ,
	BLOCK_OF_CGROUP_WRITE,
	BLOCK_LATENCY_CGROUP_HISTOGRAM_COUNT,
};

/* Counters of blockio_latency for each device. */
enum block_latency_device_counter {
	BLOCK_ON_DEVICE_TIME_NS = 0,
	BLOCK_ON_DEVICE_QUEUE_TIME_NS = BLOCK_TIMED_COUNT,
	BLOCK_LATENCY_DEVICE_COUNTER_COUNT = 2 * BLOCK_TIMED_COUNT,
};
