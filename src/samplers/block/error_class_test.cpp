// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/block/error_class.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace rezolus {
namespace {

// A block status, the errno that blk_status_to_errno() makes of it, and our kind.
struct Case {
  unsigned status;
  int error_number;
  block_error kind;
};

constexpr Case kCases[] = {
    {10, EIO, BLOCK_ERROR_IO},
    {7, ENODATA, BLOCK_ERROR_IO},
    {2, ETIMEDOUT, BLOCK_ERROR_TIMEOUT},
    {3, ENOSPC, BLOCK_ERROR_NO_SPACE},
    {5, EREMOTEIO, BLOCK_ERROR_TARGET},
    {6, EBADE, BLOCK_ERROR_TARGET},
    {8, EILSEQ, BLOCK_ERROR_PROTECTION},
    {1, EOPNOTSUPP, BLOCK_ERROR_UNSUPPORTED},
    {4, ENOLINK, BLOCK_ERROR_OTHER},
    {9, ENOMEM, BLOCK_ERROR_OTHER},
};

TEST(BlockErrorClass, BothEncodingsOfAnErrorAreTheSameKind) {
  for (const Case& one : kCases) {
    EXPECT_EQ(error_of_status(one.status), one.kind) << one.status;
    EXPECT_EQ(error_of_errno(-one.error_number), one.kind) << one.error_number;
  }
}

}  // namespace
}  // namespace rezolus
