/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Slots of the sampler page_faults. */
enum page_faults_counter {
	PAGE_FAULTS_USER,
	PAGE_FAULTS_KERNEL,
	PAGE_FAULTS_COUNTER_COUNT,
};
