// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <array>

#include "samplers/tcp/tcp.h"
#include "samplers/tcp/tcp_family.h"

namespace rezolus {
namespace {

consteval auto metrics() {
  constexpr std::array<std::string_view, TCP_CONNECT_FAILURE_COUNT> kReasons = {
      "refused", "timeout", "unreachable", "other"};
  std::array<Metric, TCP_CONNECT_FAILURE_COUNT + 1> rows;
  for (std::uint32_t i = 0; i < TCP_CONNECT_FAILURE_COUNT; ++i) {
    rows[i] = {.slot = i,
               .name = "tcp_connect_failures",
               .labels = {{{"reason", kReasons[i]}}},
               .unit = Unit::kEvents,
               .prometheus = "rezolus_tcp_connect_failures_total",
               .help = "TCP connects that ended without a connection, by reason; other: the "
                       "application gave up, or there was no port left."};
  }
  rows.back() = {.slot = 0,
                 .name = "tcp_connect_latency",
                 .unit = Unit::kNanoseconds,
                 .type = MetricType::kHistogram,
                 .prometheus = "rezolus_tcp_connect_latency_seconds",
                 .help = "Time of a successful TCP connect from the SYN to the connection."};
  return rows;
}

constexpr auto kMetrics = metrics();
static_assert(check_metrics(kMetrics, TCP_CONNECT_FAILURE_COUNT, 1));

constexpr std::string_view kHooks[] = {"handle_state"};
constexpr std::string_view kOptionalHooks[] = {"handle_destroy"};

}  // namespace

const BpfSampler kTcpConnectLatency = {
    .name = "tcp_connect_latency",
    .description = "how long TCP connects take, and how they fail",
    .bpf_name = "connect",
    .metrics = kMetrics,
    .hooks = kHooks,
    .optional_hooks = kOptionalHooks,
    .notes =
        {.measures = "Starts when the socket enters SYN_SENT, just before a local port is chosen "
                     "and the SYN goes out; stops when it enters ESTABLISHED. Connects that end "
                     "otherwise are counted as failures and are not in the histogram. A connect "
                     "without a route fails before it starts and is neither.",
         .cost = "Per connect two look-ups of the socket's state and one histogram or counter add; "
                 "per accepted connection one look-up; other changes of state a comparison.",
         .needs = "The tracepoint inet_sock_set_state, which every kernel has. State is kept in "
                  "socket storage (Linux 5.11 with BTF), else in a hash of 16,384 sockets whose "
                  "refused inserts are counted as `socket_table_full`.",
         .reading = "One round trip when all is well. A second mode at 1 s, 3 s and 7 s is lost "
                    "SYNs: compare with tcp_retransmit. `refused` means that nobody listens, "
                    "`timeout` that nobody answers."},
};

}  // namespace rezolus
