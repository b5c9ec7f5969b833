/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * What is remembered about a block request between its events. Keyed by the request's address: the
 * kernel takes requests from fixed pools, so that stale entries are few and are overwritten.
 */
#include "bpf/bank.bpf.h"
#include "samplers/block/block.h"

struct request_state {
	u64 inserted_at_ns; /* into an I/O scheduler; 0: never */
	u64 issued_at_ns;   /* to the device, the last time */
	u64 done_bytes;     /* by earlier completion events of the same request */
};

/* A hash, since requests are not bounded by any small integer that the tracepoints hand over. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, REQUEST_HASH_ENTRIES);
	__type(key, u64);
	__type(value, struct request_state);
} requests SEC(".maps");

/* BLOCK_OPERATION_COUNT for kinds that are not measured. */
static __always_inline u32 request_operation(struct request *request, const bool typed)
{
	u32 operation = FIELD(typed, request, cmd_flags) & 0xff;

	return operation < BLOCK_OPERATION_COUNT ? operation : BLOCK_OPERATION_COUNT;
}

/* The request's state, created when missing; NULL (counted) when the table is full. */
static __always_inline struct request_state *request_state_of(struct request *request)
{
	u64 key = (u64)request;
	struct request_state *state = bpf_map_lookup_elem(&requests, &key);

	if (state)
		return state;
	struct request_state fresh = {};

	/* It may fail because another CPU was first: only a missing entry is a loss. */
	bpf_map_update_elem(&requests, &key, &fresh, BPF_NOEXIST);
	state = bpf_map_lookup_elem(&requests, &key);
	if (!state)
		count_loss(LOSS_REQUEST_TABLE_FULL);
	return state;
}
