/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Slots of the sampler cpu_migrations. */
enum migrations_counter {
	MIGRATIONS_FROM,
	MIGRATIONS_TO,
	MIGRATIONS_COUNTER_COUNT,
};

enum migrations_cgroup_counter {
	MIGRATIONS_CGROUP,
	MIGRATIONS_CGROUP_COUNTER_COUNT,
};
