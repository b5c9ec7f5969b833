/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Packets that the kernel drops for reasons that tell of trouble, and what becomes of those that
 * are handed to a driver. Per buffer that the driver takes: one counter add; per dropped packet:
 * one look-up in a constant table, and two counter adds where its reason is of a class.
 */
#include "samplers/network/device.bpf.h"

SAMPLER(interfaces);
COUNTERS(interfaces, NETWORK_INTERFACES_COUNTER_COUNT);

/* Set by the loader, by the names of the running kernel: the class of each reason plus 1, or 0. */
const volatile unsigned char drop_class_of_reason[NETWORK_DROP_REASON_LIMIT] = {};
/* The subsystem of which every reason is of the class memory; 0: none. */
const volatile unsigned int drop_queue_subsystem = 0;

/* NETWORK_DROP_CLASS_COUNT for reasons that are not counted. */
static __always_inline u64 drop_class(u64 reason)
{
	if (drop_queue_subsystem && reason >> NETWORK_DROP_SUBSYSTEM_SHIFT == drop_queue_subsystem)
		return NETWORK_DROP_MEMORY;
	KEEP_IN_REGISTER(reason);
	if (reason >= NETWORK_DROP_REASON_LIMIT)
		return NETWORK_DROP_CLASS_COUNT;
	u64 class = drop_class_of_reason[reason];

	return class ? class - 1 : NETWORK_DROP_CLASS_COUNT;
}

static __always_inline void interfaces_drop(u32 reason)
{
	u64 class = drop_class(reason);

	KEEP_IN_REGISTER(class);
	if (class >= NETWORK_DROP_CLASS_COUNT)
		return;
	struct interfaces_counters_row *row = COUNTER_ROW(interfaces);

	if (!row)
		return;
	/* Total first, parts after: the reader takes them in the other order. */
	COUNTER_ADD(row, NETWORK_DROP, 1);
	COUNTER_ADD(row, NETWORK_DROP_BY_CLASS + class, 1);
}

static __always_inline void interfaces_count(const enum network_interfaces_counter slot)
{
	struct interfaces_counters_row *row = COUNTER_ROW(interfaces);

	if (row)
		COUNTER_ADD(row, slot, 1);
}

/* The driver's answer: 0 when it took the buffer; else the kernel keeps it and tries again. */
static __always_inline void interfaces_transmit(const struct net_device *device, s32 answer,
						const bool typed)
{
	if (!is_counted(device, typed))
		return;
	if (answer)
		interfaces_count(NETWORK_TRANSMIT_BUSY);
	else
		interfaces_count(NETWORK_TRANSMIT_COMPLETE);
}
