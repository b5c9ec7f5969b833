/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Slots of the samplers of the tcp family. */
enum tcp_direction {
	TCP_RECEIVE,
	TCP_TRANSMIT,
	TCP_DIRECTION_COUNT,
};

/* Counters of tcp_traffic; its histograms are one for each direction. */
enum tcp_traffic_counter {
	TCP_TRAFFIC_BYTES = 0,
	TCP_TRAFFIC_CALLS = TCP_DIRECTION_COUNT,
	TCP_TRAFFIC_COUNTER_COUNT = 2 * TCP_DIRECTION_COUNT,
};

/* The same bytes for each cgroup. */
enum tcp_traffic_cgroup_counter {
	TCP_TRAFFIC_CGROUP_BYTES = 0,
	TCP_TRAFFIC_CGROUP_COUNTER_COUNT = TCP_DIRECTION_COUNT,
};

enum tcp_receive_histogram {
	TCP_RECEIVE_SRTT,
	TCP_RECEIVE_JITTER,
	TCP_RECEIVE_HISTOGRAM_COUNT,
};

/* Why a connect ended without a connection: counters of tcp_connect_latency. */
enum tcp_connect_failure {
	TCP_CONNECT_REFUSED,
	TCP_CONNECT_TIMEOUT,
	TCP_CONNECT_UNREACHABLE,
	TCP_CONNECT_OTHER,
	TCP_CONNECT_FAILURE_COUNT,
};

/* Entries of the hash of sockets, where the kernel has no socket storage for us. */
#define SOCKET_HASH_ENTRIES 16384
