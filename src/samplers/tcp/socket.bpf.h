/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Sockets, as far as they are read, and what is remembered about each: in socket storage where the
 * socket pointer is typed and the kernel lets tracing programs use it (5.11, 8e4597c627fb), else in
 * a preallocated hash by the socket's address. Storage goes with the socket; the hash is cleared
 * when a socket is destroyed. One look-up per event that needs it.
 */
#include "bpf/cgroup.bpf.h"
#include "samplers/tcp/tcp.h"

struct sock_common {
	u16 skc_family;
} __relocated;

struct socket_lock {
	int owned; /* a task has it; 0 where a softirq works on the socket */
} __relocated;

struct sock {
	struct sock_common __sk_common;
	struct socket_lock sk_lock;
	u16 sk_type;
	u16 sk_protocol;
	int sk_err;
} __relocated;

struct socket {
	struct sock *sk;
} __relocated;

struct tcp_sock {
	u32 rcv_nxt;
	u32 srtt_us; /* smoothed round-trip time, times 8 */
	u32 mdev_us; /* its mean deviation, times 4 */
} __relocated;

struct sk_buff {
	char cb[48]; /* while TCP has the buffer: struct tcp_skb_cb */
} __relocated;

struct tcp_skb_cb {
	u32 seq;
	u32 end_seq; /* a SYN or FIN counts as one */
	u16 tcp_gso_segs;
	u8 tcp_flags; /* since 6.15 (2c2f08d31d2f) 16 bits wide: the low ones are read */
} __relocated;

#define ADDRESS_FAMILY_INET 2
#define ADDRESS_FAMILY_INET6 10
#define SOCKET_TYPE_STREAM 1
#define PROTOCOL_TCP 6
#define TCP_FLAG_FIN 0x01

/*
 * Times are changed by the hooks of one socket only, which its lock serialises. The cgroup is that of
 * whoever connected, sent or read first; at most two do so at a time. Its id is kept and not its slot,
 * which another may have by the time that the socket is used again.
 */
struct socket_state {
	u64 connecting_since_ns; /* 0: no connect is under way */
	u64 readable_since_ns;   /* 0: nothing arrived since the last read */
	u64 cgroup_id;           /* whose it is; 0: not known yet */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct socket_state);
} socket_storage SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SOCKET_HASH_ENTRIES);
	__type(key, u64);
	__type(value, struct socket_state);
} socket_hash SEC(".maps");

/* Set by the loader. */
const volatile bool use_socket_storage = true;

/* A raw socket can carry TCP's number as well: the type tells. */
static __always_inline bool socket_is_tcp(struct sock *socket, const bool typed)
{
	u16 family = FIELD(typed, socket, __sk_common.skc_family);

	return (family == ADDRESS_FAMILY_INET || family == ADDRESS_FAMILY_INET6) &&
	       FIELD(typed, socket, sk_protocol) == PROTOCOL_TCP &&
	       FIELD(typed, socket, sk_type) == SOCKET_TYPE_STREAM;
}

/* What TCP keeps with a buffer. */
static __always_inline struct tcp_skb_cb *segment_of(struct sk_buff *buffer)
{
	return (void *)&buffer->cb;
}

/* The socket's state, or NULL when it has none. */
static __always_inline struct socket_state *socket_state_find(struct sock *socket,
							      const bool typed)
{
	u64 key = (u64)socket;

	if (typed && use_socket_storage)
		return bpf_sk_storage_get(&socket_storage, socket, 0, 0);
	return bpf_map_lookup_elem(&socket_hash, &key);
}

/* The socket's state, created when missing; NULL when that fails, which is counted. */
static __always_inline struct socket_state *socket_state_of(struct sock *socket,
							      const bool typed)
{
	struct socket_state *state;

	if (typed && use_socket_storage) {
		state = bpf_sk_storage_get(&socket_storage, socket, 0,
					   BPF_SK_STORAGE_GET_F_CREATE);
	} else {
		u64 key = (u64)socket;

		state = bpf_map_lookup_elem(&socket_hash, &key);
		if (!state) {
			struct socket_state fresh = {};

			bpf_map_update_elem(&socket_hash, &key, &fresh, BPF_NOEXIST);
			state = bpf_map_lookup_elem(&socket_hash, &key);
		}
	}
	if (!state)
		count_loss(LOSS_SOCKET_TABLE_FULL);
	return state;
}

/* The slot that a socket's events are charged to. */
static __always_inline u32 socket_slot(struct socket_state *state)
{
	return state && state->cgroup_id ? cgroup_slot_of_id(state->cgroup_id) : CGROUP_OTHER;
}

/*
 * The running task connects, sends or reads: the socket is its own unless it is somebody's. What a
 * kernel thread does is for others, who may come yet.
 */
static __always_inline void socket_take(struct socket_state *state)
{
	struct task_struct *task;

	if (!state || state->cgroup_id)
		return;
	task = (void *)bpf_get_current_task();
	if (!(FIELD(false, task, flags) & PF_KTHREAD))
		state->cgroup_id = cgroup_id_of_current();
}

/*
 * The same within TCP, where a softirq may be at work (sockmap and other stream parsers read so): it
 * does so only while no task owns the socket's lock, and the running task has nothing to do with it.
 */
static __always_inline void socket_take_locked(struct sock *socket, struct socket_state *state,
					       const bool typed)
{
	if (FIELD(typed, socket, sk_lock.owned))
		socket_take(state);
}
