/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * The kind of error that a completion carries, from either encoding, in plain C so that a test can
 * hold the two against each other.
 */
#include "samplers/block/block.h"

static inline __attribute__((always_inline)) unsigned int error_of_status(unsigned int status)
{
	switch (status) {
	case 7:  /* medium */
	case 10: /* I/O */
		return BLOCK_ERROR_IO;
	case 2:
		return BLOCK_ERROR_TIMEOUT;
	case 3:
		return BLOCK_ERROR_NO_SPACE;
	case 5:  /* target */
	case 6:  /* nexus, later reservation conflict */
		return BLOCK_ERROR_TARGET;
	case 8:
		return BLOCK_ERROR_PROTECTION;
	case 1:
		return BLOCK_ERROR_UNSUPPORTED;
	default:
		return BLOCK_ERROR_OTHER;
	}
}

/* What blk_status_to_errno() makes of the same states. */
static inline __attribute__((always_inline)) unsigned int error_of_errno(int negative_errno)
{
	switch (-negative_errno) {
	case 5:  /* EIO */
	case 61: /* ENODATA: medium */
		return BLOCK_ERROR_IO;
	case 110: /* ETIMEDOUT */
		return BLOCK_ERROR_TIMEOUT;
	case 28: /* ENOSPC */
		return BLOCK_ERROR_NO_SPACE;
	case 121: /* EREMOTEIO: target */
	case 52:  /* EBADE: nexus */
		return BLOCK_ERROR_TARGET;
	case 84: /* EILSEQ */
		return BLOCK_ERROR_PROTECTION;
	case 95: /* EOPNOTSUPP */
		return BLOCK_ERROR_UNSUPPORTED;
	default:
		return BLOCK_ERROR_OTHER;
	}
}
