/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Buffers and devices of the network, and which of the devices are counted. */
#include "bpf/bank.bpf.h"
#include "samplers/network/network.h"

struct device {
	struct device *parent;
} __relocated;

struct net_device {
	struct device dev;
} __relocated;

struct sk_buff {
	struct net_device *dev;
	unsigned int len;
	unsigned int end; /* an offset from head on 64-bit machines */
	unsigned char *head;
} __relocated;

struct skb_shared_info {
	unsigned short gso_size; /* payload of one segment; 0: the buffer is one frame */
	unsigned short gso_segs; /* 0 also where the device below did not say */
	unsigned int gso_type;
} __relocated;

/* A bit of gso_type, unchanged since 4.7. */
#define SKB_GSO_TCPV6 (1 << 4)

/*
 * Set by the loader; false only in tests. A device with hardware behind it (a physical card,
 * virtio, ENA) has a parent, and a packet passes one of them on its way; it passes any number of
 * loopbacks, veths, bridges, bonds, VLANs and tunnels.
 */
const volatile bool hardware_only = true;

static __always_inline bool is_counted(const struct net_device *device, const bool typed)
{
	return !hardware_only || FIELD(typed, device, dev.parent);
}
