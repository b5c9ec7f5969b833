/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
/*
 * What the families share: the state of each task, made at fork and forgotten at exit. Costs one
 * allocation per fork with task storage, one hash delete per exit without. And the slots of cgroups.
 */
#include "bpf/task.bpf.h"
#include "samplers/core/cgroup_births.bpf.h"

SEC("iter/task")
int create_task_states(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;

	if (!task)
		return 0;
	bpf_task_storage_get(&task_storage, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int handle_fork__btf(u64 *arguments)
{
	struct task_struct *child = (void *)arguments[1];

	if (!bpf_task_storage_get(&task_storage, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE))
		count_loss(LOSS_NO_TASK_STATE);
	return 0;
}

static __always_inline int handle_exit(struct task_struct *task, const bool typed)
{
	if (!use_task_storage)
		task_hash_forget((u64)task, FIELD(typed, task, pid));
	return 0;
}

SEC("tp_btf/sched_process_exit")
int handle_exit__btf(u64 *arguments)
{
	return handle_exit((void *)arguments[0], true);
}

SEC("raw_tp/sched_process_exit")
int handle_exit__raw(u64 *arguments)
{
	return handle_exit((void *)arguments[0], false);
}

SEC("tp_btf/cgroup_mkdir")
int handle_cgroup_born__btf(u64 *arguments)
{
	return handle_cgroup_born((void *)arguments[0], (void *)arguments[1]);
}

SEC("raw_tp/cgroup_mkdir")
int handle_cgroup_born__raw(u64 *arguments)
{
	return handle_cgroup_born((void *)arguments[0], (void *)arguments[1]);
}
