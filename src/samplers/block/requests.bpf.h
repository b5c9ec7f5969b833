/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * How many block requests, of what size, and how they fail. Per request: two counter adds and one
 * histogram add at its last completion event, and two counter adds each for its device and cgroup.
 */
#include "samplers/block/error_class.h"
#include "samplers/block/request.bpf.h"

SAMPLER(requests);
COUNTERS(requests, BLOCK_REQUESTS_COUNTER_COUNT);
HISTOGRAMS(requests, BLOCK_TIMED_COUNT);
DEVICE_COUNTERS(requests, BLOCK_REQUESTS_DEVICE_COUNTER_COUNT);
CGROUP_COUNTERS(requests, BLOCK_REQUESTS_CGROUP_COUNTER_COUNT);

/*
 * Set by the loader. Before 5.16 (8a7d267b4a2c) the completion hands over a negative errno, since
 * then a block status.
 */
const volatile bool complete_has_errno = false;

static __always_inline void requests_complete_on_device(u32 operation, bool failed, u64 bytes,
							bool last, u32 device)
{
	struct requests_device_counters_row *row = DEVICE_COUNTER_ROW(requests, device);

	if (!row)
		return;
	if (bytes)
		COUNTER_ADD(row, BLOCK_ON_DEVICE_BYTES + operation, bytes);
	if (failed)
		COUNTER_ADD(row, BLOCK_ON_DEVICE_ERRORS + operation, 1);
	if (last)
		COUNTER_ADD(row, BLOCK_ON_DEVICE_OPERATIONS + operation, 1);
}

static __always_inline void requests_complete_of_cgroup(u64 operation, u64 bytes, bool last,
							u32 cgroup)
{
	struct requests_cgroup_counters_row *row = CGROUP_COUNTER_ROW(requests, cgroup);

	KEEP_IN_REGISTER(operation);
	if (!row || operation >= BLOCK_TIMED_COUNT)
		return;
	if (bytes)
		COUNTER_ADD(row, BLOCK_OF_CGROUP_BYTES + operation, bytes);
	if (last)
		COUNTER_ADD(row, BLOCK_OF_CGROUP_OPERATIONS + operation, 1);
}

/* One completion event; last: nothing of the request remains after it. */
static __always_inline void requests_complete(u32 operation, s32 error, u64 bytes,
					      u64 request_bytes, bool last, u32 device, u32 cgroup)
{
	struct requests_counters_row *row = COUNTER_ROW(requests);

	requests_complete_on_device(operation, error, bytes, last, device);
	/* Devices on top of others ask for the same once more. */
	if (!row || device & DEVICE_STACKED)
		return;
	if (bytes)
		COUNTER_ADD(row, BLOCK_BYTES + operation, bytes);
	if (error) {
		u32 class = complete_has_errno ? error_of_errno(error) : error_of_status(error);

		COUNTER_ADD(row, BLOCK_ERRORS + operation * BLOCK_ERROR_COUNT + class, 1);
	}
	if (last)
		COUNTER_ADD(row, BLOCK_OPERATIONS + operation, 1);
	requests_complete_of_cgroup(operation, bytes, last, cgroup);
	if (!last)
		return;
	/* A flush carries no bytes and has no size. */
	if (request_bytes && operation < BLOCK_TIMED_COUNT)
		HISTOGRAM_ADD(requests, operation, request_bytes);
}

static __always_inline void requests_requeue(u32 operation, u32 device)
{
	struct requests_counters_row *row = COUNTER_ROW(requests);
	struct requests_device_counters_row *device_row = DEVICE_COUNTER_ROW(requests, device);

	if (device_row)
		COUNTER_ADD(device_row, BLOCK_ON_DEVICE_REQUEUES + operation, 1);
	if (row && !(device & DEVICE_STACKED))
		COUNTER_ADD(row, BLOCK_REQUEUES + operation, 1);
}
