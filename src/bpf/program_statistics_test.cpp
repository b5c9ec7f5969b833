// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "bpf/program_statistics.h"

#include <gtest/gtest.h>

namespace rezolus {
namespace {

TEST(ProgramStatistics, OfAnFdinfo) {
  const ProgramStatistics newer = parse_program_statistics(
      "pos:\t0\nflags:\t02000002\nmnt_id:\t16\nino:\t2072\nprog_type:\t26\nprog_jited:\t1\n"
      "prog_tag:\t1f7b8a2c4d5e6f70\nmemlock:\t4096\nprog_id:\t59\nrun_time_ns:\t123456789012\n"
      "run_cnt:\t1234567\nrecursion_misses:\t3\nverified_insns:\t412\n");
  EXPECT_EQ(newer.run_count, 1234567u);
  EXPECT_EQ(newer.run_time_ns, 123456789012u);
  EXPECT_EQ(newer.recursion_misses, 3u);
  const ProgramStatistics older =
      parse_program_statistics("prog_id:\t59\nrun_time_ns:\t0\nrun_cnt:\t0\n");
  EXPECT_EQ(older.run_count, 0u);
  EXPECT_EQ(older.recursion_misses, std::nullopt);
}

TEST(ProgramStatistics, GarbageIsNothing) {
  for (const char* text : {"", "run_cnt", "run_cnt:", "run_cnt:\t", "run_cnt:\t-1", "run_cnt:\t1 x",
                           "xrun_cnt:\t1", "run_cnt:\t99999999999999999999"}) {
    EXPECT_EQ(parse_program_statistics(text).run_count, std::nullopt) << text;
  }
}

}  // namespace
}  // namespace rezolus
