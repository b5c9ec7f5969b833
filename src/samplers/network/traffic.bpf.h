/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Bytes, buffers and wire segments that network devices with hardware receive and send. Per
 * buffer: one read from the kernel's memory (two or three for a buffer of several segments) and
 * three counter adds; on other devices two loads.
 */
#include "samplers/network/device.bpf.h"

SAMPLER(traffic);
COUNTERS(traffic, NETWORK_TRAFFIC_COUNTER_COUNT);

/* What every segment of a merged buffer carries: IP and TCP with time stamps. */
#define HEADERS_V4 52
#define HEADERS_V6 72

/*
 * How many frames the buffer is on the wire. A device that merges by itself (virtio) tells the size
 * of a segment and not how many there are: then it follows from the length, off by one at most.
 */
static __always_inline u64 wire_segments(const struct sk_buff *buffer, u64 length, const bool typed)
{
	struct skb_shared_info *shared =
		(void *)(FIELD(typed, buffer, head) + FIELD(typed, buffer, end));
	u64 segment_bytes = BPF_CORE_READ(shared, gso_size);

	if (!segment_bytes)
		return 1;
	u64 segments = BPF_CORE_READ(shared, gso_segs);

	if (segments)
		return segments;
	u32 headers = BPF_CORE_READ(shared, gso_type) & SKB_GSO_TCPV6 ? HEADERS_V6 : HEADERS_V4;

	return length > headers ? (length - headers + segment_bytes - 1) / segment_bytes : 1;
}

/* receive: 0 or 1, a constant. The slots of sending follow those of receiving. */
static __always_inline void traffic_count(const struct sk_buff *buffer,
					  const struct net_device *device, const bool receive,
					  const bool typed)
{
	u32 direction = receive ? 0 : 1;

	if (!is_counted(device, typed))
		return;
	struct traffic_counters_row *row = COUNTER_ROW(traffic);

	if (!row)
		return;
	u64 length = FIELD(typed, buffer, len);

	COUNTER_ADD(row, NETWORK_RECEIVE_BYTES + direction, length);
	COUNTER_ADD(row, NETWORK_RECEIVE_PACKETS + direction, 1);
	COUNTER_ADD(row, NETWORK_RECEIVE_SEGMENTS + direction,
		    wire_segments(buffer, length, typed));
}
