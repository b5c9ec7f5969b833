/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
/*
 * Programs that do nothing, on the hooks that our families use: what
 * entering a hook costs on this kernel, and so the floor under every probe's cost. And a pair that
 * only reads the clock: the floor under everything that measures how long a system call takes.
 */
#include "bpf/kernel.bpf.h"

#define EMPTY(hook, event)                                  \
	SEC("tp_btf/" #event)                               \
	int hook##__btf(u64 *arguments)                     \
	{                                                   \
		return 0;                                   \
	}                                                   \
	SEC("raw_tp/" #event)                               \
	int hook##__raw(u64 *arguments)                     \
	{                                                   \
		return 0;                                   \
	}

EMPTY(handle_enter, sys_enter)
EMPTY(handle_leave, sys_exit)
EMPTY(handle_switch, sched_switch)
EMPTY(handle_wakeup, sched_wakeup)

/* One on every tracepoint that a family uses, under the tracepoint's name. */
EMPTY(empty_sys_enter, sys_enter)
EMPTY(empty_sys_exit, sys_exit)
EMPTY(empty_sched_switch, sched_switch)
EMPTY(empty_sched_wakeup, sched_wakeup)
EMPTY(empty_sched_wakeup_new, sched_wakeup_new)
EMPTY(empty_sched_process_exit, sched_process_exit)
EMPTY(empty_block_rq_insert, block_rq_insert)
EMPTY(empty_block_rq_issue, block_rq_issue)
EMPTY(empty_block_rq_complete, block_rq_complete)
EMPTY(empty_block_rq_requeue, block_rq_requeue)
EMPTY(empty_softirq_raise, softirq_raise)
EMPTY(empty_softirq_entry, softirq_entry)
EMPTY(empty_softirq_exit, softirq_exit)
EMPTY(empty_irq_handler_entry, irq_handler_entry)
EMPTY(empty_irq_handler_exit, irq_handler_exit)
EMPTY(empty_sock_send_length, sock_send_length)
EMPTY(empty_sock_recv_length, sock_recv_length)
EMPTY(empty_tcp_probe, tcp_probe)
EMPTY(empty_tcp_retransmit_skb, tcp_retransmit_skb)
EMPTY(empty_inet_sock_set_state, inet_sock_set_state)
EMPTY(empty_tcp_rcv_space_adjust, tcp_rcv_space_adjust)
EMPTY(empty_tcp_destroy_sock, tcp_destroy_sock)
EMPTY(empty_netif_receive_skb, netif_receive_skb)
EMPTY(empty_net_dev_start_xmit, net_dev_start_xmit)
EMPTY(empty_net_dev_xmit, net_dev_xmit)
EMPTY(empty_net_dev_xmit_timeout, net_dev_xmit_timeout)
EMPTY(empty_tcp_retransmit_synack, tcp_retransmit_synack)
EMPTY(empty_kfree_skb, kfree_skb)
EMPTY(empty_tlb_flush, tlb_flush)
EMPTY(empty_ipi_send_cpu, ipi_send_cpu)
EMPTY(empty_ipi_send_cpumask, ipi_send_cpumask)
EMPTY(empty_page_fault_user, page_fault_user)
EMPTY(empty_page_fault_kernel, page_fault_kernel)
EMPTY(empty_mm_vmscan_direct_reclaim_begin, mm_vmscan_direct_reclaim_begin)
EMPTY(empty_mm_vmscan_direct_reclaim_end, mm_vmscan_direct_reclaim_end)
EMPTY(empty_mm_vmscan_memcg_reclaim_begin, mm_vmscan_memcg_reclaim_begin)
EMPTY(empty_mm_vmscan_memcg_reclaim_end, mm_vmscan_memcg_reclaim_end)

SEC("tp_btf/sys_enter")
int read_clock_enter__btf(u64 *arguments)
{
	bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sys_exit")
int read_clock_leave__btf(u64 *arguments)
{
	bpf_ktime_get_ns();
	return 0;
}
