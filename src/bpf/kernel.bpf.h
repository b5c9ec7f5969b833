/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * Kernel types, declared by hand with only the fields that are read; the loader relocates them to
 * the running kernel. Whatever a kernel renamed is wrapped here once, with the change named.
 */
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;
typedef _Bool bool;
#define true 1
#define false 0

#define __relocated __attribute__((preserve_access_index))

struct cfs_rq;

struct sched_entity {
	struct cfs_rq *cfs_rq;
	u64 sum_exec_runtime; /* nanoseconds on a CPU, exact when it has left it */
} __relocated;

struct thread_info {
	unsigned int cpu;
} __relocated;

struct kernfs_node {
	u64 id; /* what user space sees as the inode number */
} __relocated;

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
} __relocated;

struct cgroup_root {
	int hierarchy_id; /* 0: version 2 */
} __relocated;

struct cgroup {
	struct cgroup_subsys_state self;
	int level; /* 0: the root */
	struct kernfs_node *kn;
	struct cgroup_root *root;
} __relocated;

/* The cgroups of a task: one for each subsystem, and that of version 2. */
struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
} __relocated;

struct task_struct {
	struct thread_info thread_info;
	struct css_set *cgroups;
	int pid;  /* the thread id of user space */
	int tgid;
	unsigned int __state;
	unsigned int flags;
	unsigned int in_iowait : 1;
	unsigned long jobctl;
	void *stack;
	u64 utime; /* nanoseconds in user mode, in steps of a tick as a rule */
	u64 stime; /* in system mode */
	struct sched_entity se;
} __relocated;

/* Before 5.14 (2f064a59a11f) the state word was a long named state. */
struct task_struct___before_5_14 {
	volatile long state;
} __relocated;

/* Before 5.16 (bcf9033e5449) the CPU stood in the task itself. */
struct task_struct___before_5_16 {
	unsigned int cpu;
} __relocated;

/* Bits of the state word, unchanged since 4.14. */
#define TASK_RUNNING 0x0
#define TASK_UNINTERRUPTIBLE 0x2
#define TASK_STOPPED 0x4 /* by a signal */
#define TASK_TRACED 0x8
#define TASK_DEAD 0x80
#define TASK_NOLOAD 0x400      /* with UNINTERRUPTIBLE: idle, of kernel threads */
#define TASK_RTLOCK_WAIT 0x1000 /* since 5.15: waits for a spin lock on a real-time kernel */

/* Bits of flags, unchanged since 4.14. */
#define PF_EXITING 0x4
#define PF_KTHREAD 0x200000

/* A bit of jobctl, since 5.2 (76f969e8948d): in the trap of the cgroup freezer. */
#define JOBCTL_TRAP_FREEZE 0x800000

struct gendisk {
	int major;
	int first_minor;
} __relocated;

struct request_queue {
	struct gendisk *disk;
} __relocated;

struct bio;

struct request {
	struct request_queue *q;
	struct bio *bio;
	unsigned int cmd_flags;
	unsigned int __data_len;
	u64 start_time_ns;
} __relocated;

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long orig_ax;
	unsigned long ip;
	unsigned long cs;
} __relocated;
#define USER32_CODE_SEGMENT 0x23
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	u64 pc;
	u64 pstate;
	s32 syscallno;
} __relocated;
#define PSTATE_MODE_32BIT 0x10
#endif

struct bpf_iter__task {
	void *meta;
	struct task_struct *task;
} __relocated;

/*
 * Reads a field. typed is a compile-time constant: a tp_btf program loads straight from the typed
 * pointer, others need the helper.
 */
#define FIELD(typed, pointer, field) \
	((typed) ? (pointer)->field : BPF_CORE_READ(pointer, field))

static __always_inline u64 task_runtime_state(struct task_struct *task, const bool typed)
{
	if (bpf_core_field_exists(task->__state))
		return FIELD(typed, task, __state);
	struct task_struct___before_5_14 *old = (void *)task;
	return FIELD(typed, old, state);
}

/* The CPU that a task runs on, or is to run on. */
static __always_inline u32 task_cpu(struct task_struct *task, const bool typed)
{
	if (bpf_core_field_exists(task->thread_info.cpu))
		return FIELD(typed, task, thread_info.cpu);
	struct task_struct___before_5_16 *old = (void *)task;
	return FIELD(typed, old, cpu);
}

static __always_inline bool task_in_iowait(struct task_struct *task, const bool typed)
{
	return typed ? BPF_CORE_READ_BITFIELD(task, in_iowait)
		     : BPF_CORE_READ_BITFIELD_PROBED(task, in_iowait);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
