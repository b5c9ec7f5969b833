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

struct task_struct {
	int pid;  /* the thread id of user space */
	int tgid;
	unsigned int __state;
} __relocated;

/* Before 5.14 (2f064a59a11f) the state word was a long named state. */
struct task_struct___before_5_14 {
	volatile long state;
} __relocated;

/* Bits of the state word, unchanged since 4.14. */
#define TASK_RUNNING 0x0
#define TASK_DEAD 0x80

struct gendisk {
	int major;
	int first_minor;
} __relocated;

struct request_queue {
	struct gendisk *disk;
} __relocated;

struct request {
	struct request_queue *q;
	unsigned int cmd_flags;
	unsigned int __data_len;
	u64 start_time_ns;
} __relocated;

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long cs;
} __relocated;
#define USER32_CODE_SEGMENT 0x23
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	u64 pstate;
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

char LICENSE[] SEC("license") = "Dual MIT/GPL";
