/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * What is remembered about a block request between its events. Keyed by the request's address: the
 * kernel takes requests from fixed pools, so that stale entries are few and are overwritten.
 */
#include "bpf/cgroup.bpf.h"
#include "samplers/block/block.h"

struct request_state {
	u64 inserted_at_ns; /* into an I/O scheduler; 0: never */
	u64 issued_at_ns;   /* to the device, the last time */
	u64 done_bytes;     /* by earlier completion events of the same request */
	u32 cgroup;         /* slot of who asked for it, plus 1; 0: not known yet */
	u32 padding;
};

/* A hash, since requests are not bounded by any small integer that the tracepoints hand over. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, REQUEST_HASH_ENTRIES);
	__type(key, u64);
	__type(value, struct request_state);
} requests SEC(".maps");

/*
 * Operation by the value in the request, filled by the loader, since kernels number them
 * differently (9c1f8a1f1ba3 and later).
 */
const volatile unsigned char block_operations[BLOCK_REQ_OP_COUNT] = {};

static __always_inline u32 request_operation(struct request *request, const bool typed)
{
	u64 operation =
		block_operations[FIELD(typed, request, cmd_flags) & (BLOCK_REQ_OP_COUNT - 1)];

	KEEP_IN_REGISTER(operation);
	return operation < BLOCK_OPERATION_COUNT ? operation : BLOCK_OTHER;
}

DEVICE_TABLE(devices);

/* Before 5.17 (f3fa33acca9f) a request names its disk itself, since then only its queue does. */
struct request___before_5_17 {
	struct gendisk *rq_disk;
} __relocated;

/* What the table of devices says of the disk that the request is for. */
static __always_inline u32 request_device(struct request *request, const bool typed)
{
	struct request___before_5_17 *old = (void *)request;
	struct gendisk *disk;

	if (bpf_core_field_exists(old->rq_disk))
		disk = FIELD(typed, old, rq_disk);
	else
		disk = typed ? request->q->disk : BPF_CORE_READ(request, q, disk);
	if (!disk)
		return DEVICE_OTHER;
	u32 major = FIELD(typed, disk, major);
	u32 minor = FIELD(typed, disk, first_minor);

	return device_find(&devices, major << BLOCK_MINOR_BITS | minor);
}

struct blkcg {
	struct cgroup_subsys_state css;
} __relocated;

struct blkcg_gq {
	struct blkcg *blkcg;
} __relocated;

struct bio {
	struct blkcg_gq *bi_blkg;
} __relocated;

/*
 * Whose request it is, at insertion or issue. On version 2 the bio knows, also of what is written
 * back later by a kernel thread; where that is the root, which is where the io controller is not
 * used, and on version 1, whose blkio hierarchy is another one, it is the task that is running.
 */
static __always_inline u32 request_cgroup(struct request *request)
{
	struct bio *bio = BPF_CORE_READ(request, bio);

	if (cgroup_subsystem < 0 && bio && bpf_core_field_exists(bio->bi_blkg)) {
		struct cgroup *cgroup = BPF_CORE_READ(bio, bi_blkg, blkcg, css.cgroup);

		if (cgroup && BPF_CORE_READ(cgroup, level))
			return cgroup_slot_of_id(BPF_CORE_READ(cgroup, kn, id));
	}
	return cgroup_slot_of_current();
}

static __always_inline u32 request_state_cgroup(const struct request_state *state)
{
	return state && state->cgroup ? state->cgroup - 1 : CGROUP_OTHER;
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
