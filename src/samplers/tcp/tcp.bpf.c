/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
/*
 * TCP's hooks: calls of applications, received segments, reads, retransmissions and changes of
 * state. What each costs stands with the sampler that works there.
 */
#include "samplers/tcp/connect.bpf.h"
#include "samplers/tcp/packet.bpf.h"
#include "samplers/tcp/receive.bpf.h"
#include "samplers/tcp/retransmit.bpf.h"
#include "samplers/tcp/traffic.bpf.h"

/* Set by the loader. Before 5.19 (ec095263a965) tcp_recvmsg() has an argument more. */
const volatile bool receive_has_nonblock = false;

static __always_inline int handle_send(u64 *arguments, const bool typed)
{
	if (traffic_on && socket_is_tcp((void *)arguments[0], typed))
		traffic_add((void *)arguments[0], TCP_TRANSMIT, (s32)arguments[1], typed);
	return 0;
}

static __always_inline int handle_receive(u64 *arguments, const bool typed)
{
	if (traffic_on && socket_is_tcp((void *)arguments[0], typed))
		traffic_received((void *)arguments[0], (s32)arguments[1], (u32)arguments[2],
				 typed);
	return 0;
}

static __always_inline int handle_probe(struct sock *socket, struct sk_buff *buffer,
					const bool typed)
{
	/* A typed pointer becomes one of the wider type through the kernel only. */
	struct tcp_sock *tcp = typed ? bpf_skc_to_tcp_sock(socket) : (void *)socket;

	if (!tcp)
		return 0;
	bool readable = packet_on && packet_is_readable(tcp, buffer, typed);
	struct socket_state *state = NULL;

	if (readable)
		state = socket_state_of(socket, typed);
	else if (receive_on)
		state = socket_state_find(socket, typed);
	if (receive_on)
		receive_segment(tcp, state, typed);
	if (readable && state)
		packet_arrives(state);
	return 0;
}

static __always_inline int handle_read(struct sock *socket, const bool typed)
{
	struct socket_state *state = socket_state_of(socket, typed);

	socket_take_locked(socket, state, typed);
	if (packet_on && state)
		packet_is_read(state);
	return 0;
}

static __always_inline int handle_state(u64 *arguments, const bool typed)
{
	struct sock *socket = (void *)arguments[0];
	u32 from = arguments[1];
	u32 to = arguments[2];

	if (!connect_on && to != BPF_TCP_SYN_SENT)
		return 0;
	if (to != BPF_TCP_SYN_SENT && from != BPF_TCP_SYN_SENT && from != BPF_TCP_SYN_RECV)
		return 0;
	/* The event is that of all protocols over IP. */
	if (!socket_is_tcp(socket, typed))
		return 0;
	if (to == BPF_TCP_SYN_SENT)
		socket_take_locked(socket, socket_state_of(socket, typed), typed);
	if (connect_on)
		connect_state_changes(socket, from, to, typed);
	return 0;
}

static __always_inline int handle_retransmit(u64 *arguments, const bool typed)
{
	if (!retransmit_on)
		return 0;
	if (retransmit_has_error && (s32)arguments[2])
		return 0;
	retransmit_buffer((void *)arguments[0], (void *)arguments[1], typed);
	return 0;
}

/* Of an answer to a SYN: one segment, for which there is no socket of its own yet. */
static __always_inline int handle_retransmit_synack(void)
{
	if (retransmit_on)
		retransmit_add(1, CGROUP_OTHER);
	return 0;
}

static __always_inline int handle_destroy(u64 socket)
{
	if (!use_socket_storage)
		bpf_map_delete_elem(&socket_hash, &socket);
	return 0;
}

/*
 * Since 6.3 (6e6eda44b939) the socket layer tells what a call moved; before, TCP's own functions
 * do. sendfile() and splice() to a socket come by sendmsg() since 6.5 (dc97391e6610), before by
 * tcp_sendpage(). None of these calls another, so that nothing is counted twice.
 */
SEC("tp_btf/sock_send_length")
int handle_send__btf(u64 *arguments)
{
	return handle_send(arguments, true);
}

SEC("fexit/tcp_sendmsg")
int handle_send__fexit(u64 *arguments)
{
	if (traffic_on)
		traffic_add((void *)arguments[0], TCP_TRANSMIT, (s32)arguments[3], true);
	return 0;
}

SEC("raw_tp/sock_send_length")
int handle_send__raw(u64 *arguments)
{
	return handle_send(arguments, false);
}

SEC("fexit/tcp_sendpage")
int handle_sendpage__fexit(u64 *arguments)
{
	if (traffic_on)
		traffic_add((void *)arguments[0], TCP_TRANSMIT, (s32)arguments[5], true);
	return 0;
}

SEC("tp_btf/sock_recv_length")
int handle_receive__btf(u64 *arguments)
{
	return handle_receive(arguments, true);
}

SEC("fexit/tcp_recvmsg")
int handle_receive__fexit(u64 *arguments)
{
	if (!traffic_on)
		return 0;
	if (receive_has_nonblock)
		traffic_received((void *)arguments[0], (s32)arguments[6], (u32)arguments[4], true);
	else
		traffic_received((void *)arguments[0], (s32)arguments[5], (u32)arguments[3], true);
	return 0;
}

SEC("raw_tp/sock_recv_length")
int handle_receive__raw(u64 *arguments)
{
	return handle_receive(arguments, false);
}

/* splice() from a socket does not come by recvmsg(). */
SEC("fexit/tcp_splice_read")
int handle_splice_read__fexit(u64 *arguments)
{
	struct socket *socket = (void *)arguments[0];

	if (traffic_on)
		traffic_add(socket->sk, TCP_RECEIVE, (s64)arguments[5], true);
	return 0;
}

/* Each segment that arrives for an established connection, before it is worked on. */
SEC("tp_btf/tcp_probe")
int handle_probe__btf(u64 *arguments)
{
	return handle_probe((void *)arguments[0], (void *)arguments[1], true);
}

SEC("raw_tp/tcp_probe")
int handle_probe__raw(u64 *arguments)
{
	return handle_probe((void *)arguments[0], (void *)arguments[1], false);
}

/* After a part of the received data was copied out of a socket. */
SEC("tp_btf/tcp_rcv_space_adjust")
int handle_read__btf(u64 *arguments)
{
	return handle_read((void *)arguments[0], true);
}

SEC("raw_tp/tcp_rcv_space_adjust")
int handle_read__raw(u64 *arguments)
{
	return handle_read((void *)arguments[0], false);
}

SEC("tp_btf/inet_sock_set_state")
int handle_state__btf(u64 *arguments)
{
	return handle_state(arguments, true);
}

SEC("raw_tp/inet_sock_set_state")
int handle_state__raw(u64 *arguments)
{
	return handle_state(arguments, false);
}

SEC("tp_btf/tcp_retransmit_skb")
int handle_retransmit__btf(u64 *arguments)
{
	return handle_retransmit(arguments, true);
}

SEC("raw_tp/tcp_retransmit_skb")
int handle_retransmit__raw(u64 *arguments)
{
	return handle_retransmit(arguments, false);
}

SEC("tp_btf/tcp_retransmit_synack")
int handle_retransmit_synack__btf(u64 *arguments)
{
	return handle_retransmit_synack();
}

SEC("raw_tp/tcp_retransmit_synack")
int handle_retransmit_synack__raw(u64 *arguments)
{
	return handle_retransmit_synack();
}

SEC("tp_btf/tcp_destroy_sock")
int handle_destroy__btf(u64 *arguments)
{
	return handle_destroy(arguments[0]);
}

SEC("raw_tp/tcp_destroy_sock")
int handle_destroy__raw(u64 *arguments)
{
	return handle_destroy(arguments[0]);
}
