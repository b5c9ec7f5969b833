/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/*
 * What a task's saved user registers say: whether it is in a system call, in which, and whether it
 * is a 32-bit program. Two to three reads; nothing at the edges of the calls.
 */
#include "bpf/kernel.bpf.h"

/* Instead of the number of a system call. */
#define NOT_IN_A_CALL (-1)
#define NO_USER_MODE (-2) /* it never runs in user mode, or the registers were not found */

/* 32-bit programs number their calls differently; a table by number does not hold for them. */
static __always_inline bool is_compat(struct pt_regs *registers, const bool typed)
{
#if defined(__TARGET_ARCH_x86)
	/* Since 6.9 only the low 16 bits are the segment. */
	return (FIELD(typed, registers, cs) & 0xffff) == USER32_CODE_SEGMENT;
#else
	return FIELD(typed, registers, pstate) & PSTATE_MODE_32BIT;
#endif
}

/*
 * Where the kernel saved the user registers of the current task as it entered. by_helper: the kernel
 * says (since 5.15, dd6e10fbd9fb); else at the top of the stack, whose size no kernel tells: 16 KiB
 * unless built otherwise, and what is read elsewhere is not taken for user registers.
 */
static __always_inline struct pt_regs *user_registers_of_current(const bool by_helper)
{
	if (by_helper)
		return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, stack) + (16 << 10) - bpf_core_type_size(struct pt_regs);
}

/* Whether these are registers of user mode, and not kernel data or those of a kernel thread. */
static __always_inline bool is_user_mode(struct pt_regs *registers)
{
#if defined(__TARGET_ARCH_x86)
	return (BPF_CORE_READ(registers, cs) & 3) == 3;
#else
	return (BPF_CORE_READ(registers, pstate) & 0xf) == 0;
#endif
}

/*
 * Kernel code that runs as a thread of a process (io_uring's and vhost's workers, since 5.12) has no
 * place in user mode to return to.
 */
static __always_inline bool is_user_worker(struct pt_regs *registers)
{
#if defined(__TARGET_ARCH_x86)
	return BPF_CORE_READ(registers, ip) == 0;
#else
	return BPF_CORE_READ(registers, pc) == 0;
#endif
}

/*
 * The number of the system call, NOT_IN_A_CALL or NO_USER_MODE. It stays until the task is back in
 * user mode; faults, interrupts and returns from signal handlers leave a negative one.
 */
static __always_inline s64 system_call_number(struct pt_regs *registers)
{
	if (!is_user_mode(registers))
		return NO_USER_MODE;
#if defined(__TARGET_ARCH_x86)
	s64 number = BPF_CORE_READ(registers, orig_ax);
#else
	s64 number = BPF_CORE_READ(registers, syscallno);
#endif
	return number < 0 ? NOT_IN_A_CALL : number;
}
