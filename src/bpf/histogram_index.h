/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * The bucket of a value as BPF programs compute it, in plain C so that a test can hold it against
 * metrics/histogram.h.
 */
#include "bpf/bank.h"

/* clang 14 has no count-leading-zeros for BPF: six halvings. value must not be 0. */
static inline __attribute__((always_inline)) unsigned long long log2_floor(unsigned long long value)
{
	unsigned long long power = 0;

	if (value >> 32) {
		value >>= 32;
		power = 32;
	}
	if (value >> 16) {
		value >>= 16;
		power += 16;
	}
	if (value >> 8) {
		value >>= 8;
		power += 8;
	}
	if (value >> 4) {
		value >>= 4;
		power += 4;
	}
	if (value >> 2) {
		value >>= 2;
		power += 2;
	}
	return power + (value >> 1);
}

/* All shifts are 64-bit: 32-bit ones put every value from 2^31 up into a wrong bucket. */
static inline __attribute__((always_inline)) unsigned long long histogram_index(
	unsigned long long value)
{
	if (value < (2ULL << HISTOGRAM_GROUPING_POWER))
		return value;
	unsigned long long power = log2_floor(value);
	unsigned long long offset =
		(value - (1ULL << power)) >> (power - HISTOGRAM_GROUPING_POWER);

	return ((power - HISTOGRAM_GROUPING_POWER + 1) << HISTOGRAM_GROUPING_POWER) + offset;
}
