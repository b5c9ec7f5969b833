/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Slots of the samplers network_traffic and network_interfaces, and classes of dropped packets. */

enum network_traffic_counter {
	NETWORK_RECEIVE_BYTES,
	NETWORK_TRANSMIT_BYTES,
	NETWORK_RECEIVE_PACKETS,
	NETWORK_TRANSMIT_PACKETS,
	NETWORK_RECEIVE_SEGMENTS,
	NETWORK_TRANSMIT_SEGMENTS,
	NETWORK_TRAFFIC_COUNTER_COUNT,
};

enum network_drop_class {
	NETWORK_DROP_DEVICE,
	NETWORK_DROP_MEMORY,
	NETWORK_DROP_CHECKSUM,
	NETWORK_DROP_MALFORMED,
	NETWORK_DROP_NEIGHBOUR,
	NETWORK_DROP_ROUTE,
	NETWORK_DROP_CLASS_COUNT,
};

/* The classes stand before their total: the reader takes the parts first. */
enum network_interfaces_counter {
	NETWORK_DROP_BY_CLASS = 0,
	NETWORK_DROP = NETWORK_DROP_CLASS_COUNT,
	NETWORK_TRANSMIT_BUSY,
	NETWORK_TRANSMIT_COMPLETE,
	NETWORK_TRANSMIT_TIMEOUT,
	NETWORK_INTERFACES_COUNTER_COUNT,
};

/* The kernel's own drop reasons, of which there are about 130, lie below this. */
#define NETWORK_DROP_REASON_LIMIT 256
/* The upper half of a reason is the subsystem that it belongs to; 0: the kernel's own reasons. */
#define NETWORK_DROP_SUBSYSTEM_SHIFT 16
