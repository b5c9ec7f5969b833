/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
/*
 * The network stack's hooks: a buffer enters the stack, is handed to a driver, is taken by it or is
 * dropped. Each costs what the samplers add there; no state is kept.
 */
#include "samplers/network/interfaces.bpf.h"
#include "samplers/network/traffic.bpf.h"

static __always_inline int handle_receive(const struct sk_buff *buffer, const bool typed)
{
	if (traffic_on)
		traffic_count(buffer, FIELD(typed, buffer, dev), true, typed);
	return 0;
}

static __always_inline int handle_start_transmit(const struct sk_buff *buffer,
						 const struct net_device *device, const bool typed)
{
	if (traffic_on)
		traffic_count(buffer, device, false, typed);
	return 0;
}

/* The buffer may be gone already. */
static __always_inline int handle_transmit(s32 answer, const struct net_device *device,
					   const bool typed)
{
	if (interfaces_on)
		interfaces_transmit(device, answer, typed);
	return 0;
}

static __always_inline int handle_transmit_timeout(void)
{
	if (interfaces_on)
		interfaces_count(NETWORK_TRANSMIT_TIMEOUT);
	return 0;
}

static __always_inline int handle_drop(u32 reason)
{
	if (interfaces_on)
		interfaces_drop(reason);
	return 0;
}

SEC("tp_btf/netif_receive_skb")
int handle_receive__btf(u64 *arguments)
{
	return handle_receive((void *)arguments[0], true);
}

SEC("raw_tp/netif_receive_skb")
int handle_receive__raw(u64 *arguments)
{
	return handle_receive((void *)arguments[0], false);
}

SEC("tp_btf/net_dev_start_xmit")
int handle_start_transmit__btf(u64 *arguments)
{
	return handle_start_transmit((void *)arguments[0], (void *)arguments[1], true);
}

SEC("raw_tp/net_dev_start_xmit")
int handle_start_transmit__raw(u64 *arguments)
{
	return handle_start_transmit((void *)arguments[0], (void *)arguments[1], false);
}

SEC("tp_btf/net_dev_xmit")
int handle_transmit__btf(u64 *arguments)
{
	return handle_transmit((s32)arguments[1], (void *)arguments[2], true);
}

SEC("raw_tp/net_dev_xmit")
int handle_transmit__raw(u64 *arguments)
{
	return handle_transmit((s32)arguments[1], (void *)arguments[2], false);
}

SEC("tp_btf/net_dev_xmit_timeout")
int handle_transmit_timeout__btf(u64 *arguments)
{
	return handle_transmit_timeout();
}

SEC("raw_tp/net_dev_xmit_timeout")
int handle_transmit_timeout__raw(u64 *arguments)
{
	return handle_transmit_timeout();
}

/* The third argument, the reason, is there since 5.17 (c504e5c2f964); a socket followed in 6.11. */
SEC("tp_btf/kfree_skb")
int handle_drop__btf(u64 *arguments)
{
	return handle_drop((u32)arguments[2]);
}

SEC("raw_tp/kfree_skb")
int handle_drop__raw(u64 *arguments)
{
	return handle_drop((u32)arguments[2]);
}
