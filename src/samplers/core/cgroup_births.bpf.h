/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Gives a new cgroup its slot before a task can be in it, and tells user space its path. Costs, for
 * each cgroup that is made, a look at up to CGROUP_PROBES places and a record of 1 KiB.
 */
#include "bpf/cgroup.bpf.h"

/* Set by the loader: the hierarchy that names the cgroups, as the kernel numbers it. */
const volatile int cgroup_hierarchy_id = 0;
/* Set by the loader: deeper ones count for their ancestor there; 0: no limit. */
const volatile unsigned int cgroup_depth_max = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cgroup_offers);
} cgroup_offers SEC(".maps");

/* Rare metadata, not events; what does not fit gets its slot from a walk. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} cgroup_births SEC(".maps");

/* A free place of the table for the id, or NULL. */
static __always_inline u64 *cgroup_free_place(u64 id, u32 *place)
{
	u32 at = cgroup_hash(cgroup_key(id) >> CGROUP_SLOT_BITS);

#pragma unroll
	for (u32 i = 0; i < CGROUP_PROBES; i++) {
		u32 index = (at + i) & cgroup_table_mask;
		u64 *entry = bpf_map_lookup_elem(&cgroups, &index);

		if (entry && !*(volatile u64 *)entry) {
			*place = index;
			return entry;
		}
	}
	return NULL;
}

/*
 * The kernel holds its lock of all cgroups here, so that there is one of us at a time. User space
 * may fill the same place of the table at the same moment; it looks at every walk whether its
 * entries are still there.
 */
static __always_inline int handle_cgroup_born(struct cgroup *cgroup, const char *path)
{
	u32 first = 0;
	u32 place = 0;
	struct cgroup_offers *offers = bpf_map_lookup_elem(&cgroup_offers, &first);

	if (!offers || BPF_CORE_READ(cgroup, root, hierarchy_id) != cgroup_hierarchy_id)
		return 0;
	u64 id = BPF_CORE_READ(cgroup, kn, id);
	u64 *entry = cgroup_free_place(id, &place);

	if (cgroup_depth_max && BPF_CORE_READ(cgroup, level) > cgroup_depth_max) {
		u32 slot = cgroup_slot_of_id(BPF_CORE_READ(cgroup, self.parent, cgroup, kn, id));

		if (entry && slot != CGROUP_OTHER)
			*(volatile u64 *)entry = cgroup_key(id) | slot;
		return 0;
	}
	u64 taken = offers->taken;
	struct cgroup_birth *birth = NULL;

	if (entry && taken < *(volatile u64 *)&offers->offered)
		birth = bpf_ringbuf_reserve(&cgroup_births, sizeof(*birth), 0);
	if (!birth) {
		offers->without++;
		return 0;
	}
	birth->id = id;
	birth->slot = offers->slots[taken & (CGROUP_OFFERS - 1)];
	birth->place = place;
	bpf_probe_read_kernel_str(birth->path, sizeof(birth->path), path);
	offers->taken = taken + 1;
	*(volatile u64 *)entry = cgroup_key(id) | birth->slot;
	/* Nobody sleeps for it: user space looks when it reads. */
	bpf_ringbuf_submit(birth, BPF_RB_NO_WAKEUP);
	return 0;
}
