// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <gtest/gtest.h>

#include <sys/syscall.h>

#include "samplers/syscall/syscall.h"

namespace rezolus {
namespace {

struct Expected {
  std::uint32_t number;
  std::string_view name;
};

// Upstream's classes, by number of this architecture. Ours, folded, may only add to them.
constexpr Expected kUpstream[] = {
#ifdef __x86_64__
    {0, "read"}, {1, "write"}, {2, "filesystem"}, {3, "filesystem"}, {4, "filesystem"},
    {5, "filesystem"}, {6, "filesystem"}, {7, "poll"}, {8, "filesystem"}, {9, "memory"},
    {10, "memory"}, {11, "memory"}, {12, "memory"}, {17, "read"}, {18, "write"}, {19, "read"},
    {20, "write"}, {21, "filesystem"}, {22, "ipc"}, {23, "poll"}, {24, "yield"}, {25, "memory"},
    {26, "memory"}, {27, "memory"}, {28, "memory"}, {29, "ipc"}, {30, "ipc"}, {31, "ipc"},
    {35, "sleep"}, {36, "timer"}, {37, "timer"}, {38, "timer"}, {39, "query"}, {41, "socket"},
    {42, "socket"}, {43, "socket"}, {44, "write"}, {45, "read"}, {46, "write"}, {47, "read"},
    {48, "socket"}, {49, "socket"}, {50, "socket"}, {51, "socket"}, {52, "socket"},
    {53, "socket"}, {54, "socket"}, {55, "socket"}, {56, "process"}, {57, "process"},
    {58, "process"}, {59, "process"}, {60, "process"}, {61, "process"}, {62, "process"},
    {63, "query"}, {64, "ipc"}, {65, "ipc"}, {66, "ipc"}, {67, "ipc"}, {68, "ipc"}, {69, "ipc"},
    {70, "ipc"}, {71, "ipc"}, {74, "filesystem"}, {75, "filesystem"}, {76, "filesystem"},
    {77, "filesystem"}, {78, "filesystem"}, {79, "filesystem"}, {80, "filesystem"},
    {81, "filesystem"}, {82, "filesystem"}, {83, "filesystem"}, {84, "filesystem"},
    {85, "filesystem"}, {86, "filesystem"}, {87, "filesystem"}, {88, "filesystem"},
    {89, "filesystem"}, {90, "filesystem"}, {91, "filesystem"}, {92, "filesystem"},
    {93, "filesystem"}, {94, "filesystem"}, {96, "time"}, {97, "query"}, {98, "query"},
    {99, "query"}, {100, "query"}, {101, "process"}, {102, "query"}, {104, "query"},
    {107, "query"}, {108, "query"}, {109, "process"}, {110, "query"}, {121, "process"},
    {132, "filesystem"}, {140, "process"}, {141, "process"}, {142, "process"}, {143, "process"},
    {144, "process"}, {145, "process"}, {149, "memory"}, {150, "memory"}, {151, "memory"},
    {152, "memory"}, {157, "process"}, {159, "time"}, {160, "query"}, {162, "filesystem"},
    {164, "time"}, {186, "query"}, {200, "process"}, {201, "time"}, {202, "lock"},
    {203, "process"}, {204, "process"}, {206, "event"}, {207, "event"}, {208, "event"},
    {209, "event"}, {210, "event"}, {213, "poll"}, {214, "poll"}, {215, "poll"},
    {217, "filesystem"}, {222, "timer"}, {223, "timer"}, {224, "timer"}, {225, "timer"},
    {226, "timer"}, {227, "time"}, {228, "time"}, {229, "time"}, {230, "sleep"}, {231, "process"},
    {232, "poll"}, {233, "poll"}, {234, "process"}, {235, "filesystem"}, {240, "ipc"},
    {241, "ipc"}, {242, "ipc"}, {243, "ipc"}, {244, "ipc"}, {245, "ipc"}, {247, "process"},
    {253, "event"}, {254, "event"}, {255, "event"}, {257, "filesystem"}, {264, "filesystem"},
    {269, "filesystem"}, {270, "poll"}, {271, "poll"}, {280, "filesystem"}, {281, "poll"},
    {282, "event"}, {283, "timer"}, {284, "event"}, {286, "timer"}, {287, "timer"},
    {288, "socket"}, {289, "event"}, {290, "event"}, {291, "poll"}, {293, "ipc"}, {294, "event"},
    {295, "read"}, {296, "write"}, {299, "read"}, {300, "event"}, {301, "event"}, {302, "query"},
    {305, "time"}, {306, "filesystem"}, {307, "write"}, {309, "query"}, {322, "process"},
    {327, "read"}, {328, "write"}, {332, "filesystem"}, {425, "event"}, {426, "event"},
    {427, "event"}, {441, "poll"},
#else
    {0, "event"}, {1, "event"}, {2, "event"}, {3, "event"}, {4, "event"}, {17, "filesystem"},
    {19, "event"}, {20, "poll"}, {21, "poll"}, {22, "poll"}, {26, "event"}, {27, "event"},
    {28, "event"}, {38, "filesystem"}, {45, "filesystem"}, {46, "filesystem"}, {48, "filesystem"},
    {49, "filesystem"}, {50, "filesystem"}, {52, "filesystem"}, {55, "filesystem"},
    {56, "filesystem"}, {57, "filesystem"}, {59, "ipc"}, {61, "filesystem"}, {62, "filesystem"},
    {63, "read"}, {64, "write"}, {65, "read"}, {66, "write"}, {67, "read"}, {68, "write"},
    {69, "read"}, {70, "write"}, {72, "poll"}, {73, "poll"}, {74, "event"}, {80, "filesystem"},
    {81, "filesystem"}, {82, "filesystem"}, {83, "filesystem"}, {85, "timer"}, {86, "timer"},
    {87, "timer"}, {88, "filesystem"}, {93, "process"}, {94, "process"}, {95, "process"},
    {98, "lock"}, {101, "sleep"}, {102, "timer"}, {103, "timer"}, {107, "timer"}, {108, "timer"},
    {109, "timer"}, {110, "timer"}, {111, "timer"}, {112, "time"}, {113, "time"}, {114, "time"},
    {115, "sleep"}, {117, "process"}, {118, "process"}, {119, "process"}, {120, "process"},
    {121, "process"}, {122, "process"}, {123, "process"}, {124, "yield"}, {129, "process"},
    {130, "process"}, {131, "process"}, {140, "process"}, {141, "process"}, {153, "query"},
    {154, "process"}, {155, "process"}, {160, "query"}, {163, "query"}, {164, "query"},
    {165, "query"}, {167, "process"}, {168, "query"}, {169, "time"}, {170, "time"}, {171, "time"},
    {172, "query"}, {173, "query"}, {174, "query"}, {175, "query"}, {176, "query"},
    {177, "query"}, {178, "query"}, {179, "query"}, {180, "ipc"}, {181, "ipc"}, {182, "ipc"},
    {183, "ipc"}, {184, "ipc"}, {185, "ipc"}, {186, "ipc"}, {187, "ipc"}, {188, "ipc"},
    {189, "ipc"}, {190, "ipc"}, {191, "ipc"}, {193, "ipc"}, {194, "ipc"}, {195, "ipc"},
    {196, "ipc"}, {197, "ipc"}, {198, "socket"}, {199, "socket"}, {200, "socket"},
    {201, "socket"}, {202, "socket"}, {203, "socket"}, {204, "socket"}, {205, "socket"},
    {206, "write"}, {207, "read"}, {208, "socket"}, {209, "socket"}, {210, "socket"},
    {211, "write"}, {212, "read"}, {214, "memory"}, {215, "memory"}, {216, "memory"},
    {220, "process"}, {221, "process"}, {222, "memory"}, {226, "memory"}, {227, "memory"},
    {228, "memory"}, {229, "memory"}, {230, "memory"}, {231, "memory"}, {232, "memory"},
    {233, "memory"}, {242, "socket"}, {243, "read"}, {260, "process"}, {261, "query"},
    {262, "event"}, {263, "event"}, {266, "time"}, {267, "filesystem"}, {269, "write"},
    {281, "process"}, {286, "read"}, {287, "write"}, {291, "filesystem"}, {425, "event"},
    {426, "event"}, {427, "event"}, {441, "poll"},
#endif
};

TEST(SyscallClasses, AgreeWithUpstreamWhereItHasAClass) {
  const auto table = syscall_class_table();
  for (const Expected& expected : kUpstream) {
    if (expected.number == __NR_msync) continue;
    const syscall_class upstream = kUpstreamClassOf[table[expected.number]];
    EXPECT_EQ(syscall_class_name(upstream), expected.name) << expected.number;
  }
}

TEST(SyscallClasses, SyncAndTransferStandApart) {
  const auto table = syscall_class_table();
  for (const long number : {__NR_fsync, __NR_fdatasync, __NR_sync, __NR_syncfs,
                            __NR_sync_file_range, __NR_msync}) {
    EXPECT_EQ(table[static_cast<std::size_t>(number)], SYSCALL_SYNC) << number;
  }
  for (const long number : {__NR_sendfile, __NR_splice, __NR_tee, __NR_vmsplice,
                            __NR_copy_file_range}) {
    EXPECT_EQ(table[static_cast<std::size_t>(number)], SYSCALL_TRANSFER) << number;
  }
  EXPECT_EQ(syscall_class_name(SYSCALL_SYNC), "sync");
  EXPECT_EQ(syscall_class_name(SYSCALL_TRANSFER), "transfer");
}

TEST(SyscallClasses, FoldOnlyIntoClassesThatUpstreamHas) {
  for (std::uint32_t i = 0; i < SYSCALL_CLASS_COUNT; ++i) {
    const syscall_class upstream = kUpstreamClassOf[i];
    EXPECT_EQ(kUpstreamClassOf[upstream], upstream) << syscall_class_name(i);
    EXPECT_EQ(upstream != i, i == SYSCALL_SYNC || i == SYSCALL_TRANSFER) << syscall_class_name(i);
  }
}

TEST(SyscallClasses, PathCallsCountAlikeInBothForms) {
  const auto table = syscall_class_table();
  for (const long number : {__NR_openat, __NR_unlinkat, __NR_mkdirat, __NR_renameat2}) {
    EXPECT_EQ(table[static_cast<std::size_t>(number)], SYSCALL_FILESYSTEM) << number;
  }
}

TEST(SyscallClasses, UnknownNumbersAreOther) {
  const auto table = syscall_class_table();
  EXPECT_EQ(table[SYSCALL_NUMBER_COUNT - 1], SYSCALL_OTHER);
  EXPECT_EQ(table[__NR_ioctl], SYSCALL_OTHER);
  EXPECT_EQ(syscall_class_name(99), "other");
}

}  // namespace
}  // namespace rezolus
