/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
/*
 * The block layer's hooks. A request costs one hash insert at insertion or issue, with a look-up of
 * its cgroup's slot, one look-up and delete at completion, a look-up of its device among a few
 * words, and what the samplers add there.
 */
#include "samplers/block/latency.bpf.h"
#include "samplers/block/requests.bpf.h"

/* Set by the loader. Before 5.11 (a54895fa057c) the request is preceded by its queue. */
const volatile bool request_follows_queue = false;

static __always_inline struct request *request_of(u64 *arguments)
{
	u64 request;

	/* Two loads at fixed offsets: 5.10 refuses a context pointer that was added to. */
	if (request_follows_queue) {
		request = arguments[1];
		KEEP_IN_REGISTER(request);
		return (void *)request;
	}
	request = arguments[0];
	KEEP_IN_REGISTER(request);
	return (void *)request;
}

static __always_inline int handle_insert(u64 *arguments, const bool typed)
{
	struct request *request = request_of(arguments);
	struct request_state *state = request_state_of(request);

	if (!state)
		return 0;
	/*
	 * It is issued later, and maybe by another task. One that was put back is whose it was; one
	 * that was issued and never completed is of an earlier use.
	 */
	if (!state->cgroup || state->issued_at_ns)
		state->cgroup = request_cgroup(request) + 1;
	/* Where the request knows its own start, the time adds nothing. */
	if (!latency_on || FIELD(typed, request, start_time_ns))
		return 0;
	if (state->issued_at_ns)
		state->done_bytes = 0; /* of an earlier use, as at issue */
	state->inserted_at_ns = bpf_ktime_get_ns();
	state->issued_at_ns = 0;
	return 0;
}

static __always_inline int handle_issue(u64 *arguments, const bool typed)
{
	struct request *request = request_of(arguments);

	struct request_state *state = request_state_of(request);

	if (!state)
		return 0;
	/*
	 * A state that was issued and never completed belongs to an earlier use of the request. One
	 * that was put back keeps the bytes of the parts that are done.
	 */
	if (state->issued_at_ns) {
		state->inserted_at_ns = 0;
		state->done_bytes = 0;
		state->cgroup = 0;
	}
	if (!state->cgroup)
		state->cgroup = request_cgroup(request) + 1;
	state->issued_at_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline int handle_complete(struct request *request, s32 error, u64 bytes,
					   const bool typed)
{
	u32 operation = request_operation(request, typed);

	u64 key = (u64)request;
	struct request_state *state = bpf_map_lookup_elem(&requests, &key);
	u64 request_bytes = bytes;
	/* The event comes before the kernel takes its bytes off the request. */
	bool last = bytes >= FIELD(typed, request, __data_len);

	/*
	 * A write that goes through a flush completes once for its data and once more, with nothing,
	 * at the end of the sequence; an empty one only so, and is never issued.
	 */
	if (!state && !bytes && operation != BLOCK_FLUSH)
		return 0;
	if (state)
		request_bytes = state->done_bytes += bytes;
	u32 device = request_device(request, typed);

	if (requests_on)
		requests_complete(operation, error, bytes, request_bytes, last, device,
				  request_state_cgroup(state));
	if (!state || !last)
		return 0;
	if (latency_on)
		latency_complete(request, state, operation, bpf_ktime_get_ns(), device, typed);
	bpf_map_delete_elem(&requests, &key);
	return 0;
}

static __always_inline int handle_requeue(u64 *arguments, const bool typed)
{
	struct request *request = request_of(arguments);
	u32 operation = request_operation(request, typed);
	u64 key = (u64)request;

	struct request_state *state = bpf_map_lookup_elem(&requests, &key);

	if (state)
		state->issued_at_ns = 0;
	if (requests_on)
		requests_requeue(operation, request_device(request, typed));
	return 0;
}

SEC("tp_btf/block_rq_insert")
int handle_insert__btf(u64 *arguments)
{
	return handle_insert(arguments, true);
}

SEC("raw_tp/block_rq_insert")
int handle_insert__raw(u64 *arguments)
{
	return handle_insert(arguments, false);
}

SEC("tp_btf/block_rq_issue")
int handle_issue__btf(u64 *arguments)
{
	return handle_issue(arguments, true);
}

SEC("raw_tp/block_rq_issue")
int handle_issue__raw(u64 *arguments)
{
	return handle_issue(arguments, false);
}

SEC("tp_btf/block_rq_complete")
int handle_complete__btf(u64 *arguments)
{
	return handle_complete((void *)arguments[0], (s32)arguments[1], (u32)arguments[2], true);
}

SEC("raw_tp/block_rq_complete")
int handle_complete__raw(u64 *arguments)
{
	return handle_complete((void *)arguments[0], (s32)arguments[1], (u32)arguments[2], false);
}

SEC("tp_btf/block_rq_requeue")
int handle_requeue__btf(u64 *arguments)
{
	return handle_requeue(arguments, true);
}

SEC("raw_tp/block_rq_requeue")
int handle_requeue__raw(u64 *arguments)
{
	return handle_requeue(arguments, false);
}
