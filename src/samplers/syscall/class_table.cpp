// SPDX-License-Identifier: Apache-2.0 OR MIT
// The class of each system call, by the name that the kernel's headers have for it, so that the same
// list serves every architecture. Calls that are not listed are `other`. The *at forms and the newer
// calls stand with their elders: upstream counts many of them as `other`, which makes its totals
// differ between architectures.

#include <sys/syscall.h>

#include "samplers/syscall/metrics.h"
#include "samplers/syscall/syscall.h"

namespace rezolus {
namespace {

struct Entry {
  std::uint32_t number;
  syscall_class value;
};

#define CLASS(value, name) \
  { __NR_##name, SYSCALL_##value }

// clang-format off
constexpr Entry kEntries[] = {
    CLASS(READ, pread64), CLASS(READ, preadv), CLASS(READ, preadv2), CLASS(READ, read),
    CLASS(READ, readv), CLASS(READ, recvfrom), CLASS(READ, recvmmsg), CLASS(READ, recvmsg),
    CLASS(WRITE, pwrite64), CLASS(WRITE, pwritev), CLASS(WRITE, pwritev2), CLASS(WRITE, sendmmsg),
    CLASS(WRITE, sendmsg), CLASS(WRITE, sendto), CLASS(WRITE, write), CLASS(WRITE, writev),
    CLASS(POLL, epoll_create1), CLASS(POLL, epoll_ctl), CLASS(POLL, epoll_pwait),
    CLASS(POLL, epoll_pwait2), CLASS(POLL, ppoll), CLASS(POLL, pselect6), CLASS(LOCK, futex),
    CLASS(TIME, adjtimex), CLASS(TIME, clock_adjtime), CLASS(TIME, clock_getres),
    CLASS(TIME, clock_gettime), CLASS(TIME, clock_settime), CLASS(TIME, gettimeofday),
    CLASS(TIME, settimeofday), CLASS(SLEEP, clock_nanosleep), CLASS(SLEEP, nanosleep),
    CLASS(SOCKET, accept), CLASS(SOCKET, accept4), CLASS(SOCKET, bind), CLASS(SOCKET, connect),
    CLASS(SOCKET, getpeername), CLASS(SOCKET, getsockname), CLASS(SOCKET, getsockopt),
    CLASS(SOCKET, listen), CLASS(SOCKET, setsockopt), CLASS(SOCKET, shutdown),
    CLASS(SOCKET, socket), CLASS(SOCKET, socketpair), CLASS(YIELD, sched_yield),
    CLASS(FILESYSTEM, chdir), CLASS(FILESYSTEM, close), CLASS(FILESYSTEM, close_range),
    CLASS(FILESYSTEM, faccessat), CLASS(FILESYSTEM, faccessat2), CLASS(FILESYSTEM, fallocate),
    CLASS(FILESYSTEM, fchdir), CLASS(FILESYSTEM, fchmod), CLASS(FILESYSTEM, fchmodat),
    CLASS(FILESYSTEM, fchown), CLASS(FILESYSTEM, fchownat), CLASS(SYNC, fdatasync),
    CLASS(FILESYSTEM, fgetxattr), CLASS(FILESYSTEM, flistxattr), CLASS(FILESYSTEM, fremovexattr),
    CLASS(FILESYSTEM, fsetxattr), CLASS(FILESYSTEM, fstat), CLASS(FILESYSTEM, fstatfs),
    CLASS(SYNC, fsync), CLASS(FILESYSTEM, ftruncate), CLASS(FILESYSTEM, getcwd),
    CLASS(FILESYSTEM, getdents64), CLASS(FILESYSTEM, getxattr), CLASS(FILESYSTEM, lgetxattr),
    CLASS(FILESYSTEM, linkat), CLASS(FILESYSTEM, listxattr), CLASS(FILESYSTEM, llistxattr),
    CLASS(FILESYSTEM, lremovexattr), CLASS(FILESYSTEM, lseek), CLASS(FILESYSTEM, lsetxattr),
    CLASS(FILESYSTEM, mkdirat), CLASS(FILESYSTEM, mknodat), CLASS(FILESYSTEM, newfstatat),
    CLASS(FILESYSTEM, openat), CLASS(FILESYSTEM, openat2), CLASS(FILESYSTEM, readlinkat),
    CLASS(FILESYSTEM, removexattr), CLASS(FILESYSTEM, renameat), CLASS(FILESYSTEM, renameat2),
    CLASS(FILESYSTEM, setxattr), CLASS(FILESYSTEM, statfs), CLASS(FILESYSTEM, statx),
    CLASS(FILESYSTEM, symlinkat), CLASS(SYNC, sync), CLASS(SYNC, sync_file_range),
    CLASS(SYNC, syncfs), CLASS(FILESYSTEM, truncate), CLASS(FILESYSTEM, unlinkat),
    CLASS(FILESYSTEM, utimensat), CLASS(MEMORY, brk), CLASS(MEMORY, madvise),
    CLASS(MEMORY, mbind), CLASS(MEMORY, membarrier), CLASS(MEMORY, memfd_create),
    CLASS(MEMORY, mincore), CLASS(MEMORY, mlock), CLASS(MEMORY, mlock2), CLASS(MEMORY, mlockall),
    CLASS(MEMORY, mmap), CLASS(MEMORY, mprotect), CLASS(MEMORY, mremap), CLASS(SYNC, msync),
    CLASS(MEMORY, munlock), CLASS(MEMORY, munlockall), CLASS(MEMORY, munmap),
    CLASS(MEMORY, process_madvise), CLASS(PROCESS, clone), CLASS(PROCESS, clone3),
    CLASS(PROCESS, execve), CLASS(PROCESS, execveat), CLASS(PROCESS, exit),
    CLASS(PROCESS, exit_group), CLASS(PROCESS, getpgid), CLASS(PROCESS, getpriority),
    CLASS(PROCESS, kill), CLASS(PROCESS, pidfd_getfd), CLASS(PROCESS, pidfd_open),
    CLASS(PROCESS, pidfd_send_signal), CLASS(PROCESS, prctl), CLASS(PROCESS, ptrace),
    CLASS(PROCESS, sched_getaffinity), CLASS(PROCESS, sched_getparam),
    CLASS(PROCESS, sched_getscheduler), CLASS(PROCESS, sched_setaffinity),
    CLASS(PROCESS, sched_setparam), CLASS(PROCESS, sched_setscheduler), CLASS(PROCESS, setpgid),
    CLASS(PROCESS, setpriority), CLASS(PROCESS, tgkill), CLASS(PROCESS, tkill),
    CLASS(PROCESS, wait4), CLASS(PROCESS, waitid), CLASS(QUERY, getcpu), CLASS(QUERY, getegid),
    CLASS(QUERY, geteuid), CLASS(QUERY, getgid), CLASS(QUERY, getpid), CLASS(QUERY, getppid),
    CLASS(QUERY, getrlimit), CLASS(QUERY, getrusage), CLASS(QUERY, gettid), CLASS(QUERY, getuid),
    CLASS(QUERY, prlimit64), CLASS(QUERY, setrlimit), CLASS(QUERY, sysinfo), CLASS(QUERY, times),
    CLASS(QUERY, uname), CLASS(IPC, mq_getsetattr), CLASS(IPC, mq_notify), CLASS(IPC, mq_open),
    CLASS(IPC, mq_timedreceive), CLASS(IPC, mq_timedsend), CLASS(IPC, mq_unlink),
    CLASS(IPC, msgctl), CLASS(IPC, msgget), CLASS(IPC, msgrcv), CLASS(IPC, msgsnd),
    CLASS(IPC, pipe2), CLASS(IPC, semctl), CLASS(IPC, semget), CLASS(IPC, semop),
    CLASS(IPC, semtimedop), CLASS(IPC, shmat), CLASS(IPC, shmctl), CLASS(IPC, shmdt),
    CLASS(IPC, shmget), CLASS(TIMER, getitimer), CLASS(TIMER, setitimer),
    CLASS(TIMER, timer_create), CLASS(TIMER, timer_delete), CLASS(TIMER, timer_getoverrun),
    CLASS(TIMER, timer_gettime), CLASS(TIMER, timer_settime), CLASS(TIMER, timerfd_create),
    CLASS(TIMER, timerfd_gettime), CLASS(TIMER, timerfd_settime), CLASS(EVENT, eventfd2),
    CLASS(EVENT, fanotify_init), CLASS(EVENT, fanotify_mark), CLASS(EVENT, inotify_add_watch),
    CLASS(EVENT, inotify_init1), CLASS(EVENT, inotify_rm_watch), CLASS(EVENT, io_cancel),
    CLASS(EVENT, io_destroy), CLASS(EVENT, io_getevents), CLASS(EVENT, io_pgetevents),
    CLASS(EVENT, io_setup), CLASS(EVENT, io_submit), CLASS(EVENT, io_uring_enter),
    CLASS(EVENT, io_uring_register), CLASS(EVENT, io_uring_setup), CLASS(EVENT, signalfd4),
    CLASS(TRANSFER, copy_file_range), CLASS(TRANSFER, sendfile), CLASS(TRANSFER, splice),
    CLASS(TRANSFER, tee), CLASS(TRANSFER, vmsplice),
#ifdef __x86_64__
    // Calls that newer architectures never had.
    CLASS(POLL, epoll_create), CLASS(POLL, epoll_ctl_old), CLASS(POLL, epoll_wait),
    CLASS(POLL, epoll_wait_old), CLASS(POLL, poll), CLASS(POLL, select), CLASS(TIME, time),
    CLASS(FILESYSTEM, access), CLASS(FILESYSTEM, chmod), CLASS(FILESYSTEM, chown),
    CLASS(FILESYSTEM, creat), CLASS(FILESYSTEM, futimesat), CLASS(FILESYSTEM, getdents),
    CLASS(FILESYSTEM, lchown), CLASS(FILESYSTEM, link), CLASS(FILESYSTEM, lstat),
    CLASS(FILESYSTEM, mkdir), CLASS(FILESYSTEM, mknod), CLASS(FILESYSTEM, open),
    CLASS(FILESYSTEM, readlink), CLASS(FILESYSTEM, rename), CLASS(FILESYSTEM, rmdir),
    CLASS(FILESYSTEM, stat), CLASS(FILESYSTEM, symlink), CLASS(FILESYSTEM, unlink),
    CLASS(FILESYSTEM, utime), CLASS(FILESYSTEM, utimes), CLASS(PROCESS, fork),
    CLASS(PROCESS, vfork), CLASS(IPC, pipe), CLASS(TIMER, alarm), CLASS(EVENT, eventfd),
    CLASS(EVENT, inotify_init), CLASS(EVENT, signalfd),
#endif
    // Newer than the headers of the oldest distribution that builds this.
#ifdef __NR_futex_requeue
    CLASS(LOCK, futex_requeue),
#endif
#ifdef __NR_futex_wait
    CLASS(LOCK, futex_wait),
#endif
#ifdef __NR_futex_waitv
    CLASS(LOCK, futex_waitv),
#endif
#ifdef __NR_futex_wake
    CLASS(LOCK, futex_wake),
#endif
#ifdef __NR_fchmodat2
    CLASS(FILESYSTEM, fchmodat2),
#endif
#ifdef __NR_process_mrelease
    CLASS(PROCESS, process_mrelease),
#endif
};
// clang-format on
#undef CLASS

}  // namespace

std::string_view syscall_class_name(std::uint32_t syscall_class) {
  return kSyscallClassNames[syscall_class < SYSCALL_CLASS_COUNT ? syscall_class : 0];
}

std::array<std::uint8_t, SYSCALL_NUMBER_COUNT> syscall_class_table() {
  std::array<std::uint8_t, SYSCALL_NUMBER_COUNT> table{};
  for (const Entry& entry : kEntries) {
    if (entry.number < table.size()) table[entry.number] = static_cast<std::uint8_t>(entry.value);
  }
  return table;
}

}  // namespace rezolus
