// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/block/block_family.h"
#include "samplers/block/metrics.h"

namespace rezolus {
namespace {

constexpr auto kMetrics = joined(
    by_timed_operation({.slot = BLOCK_DEVICE_LATENCY,
                  .name = "blockio_latency",
                  .unit = Unit::kNanoseconds,
                  .type = MetricType::kHistogram,
                  .prometheus = "rezolus_blockio_latency_seconds",
                  .help = "Time of a block request at the device: from its last issue to its "
                          "completion."}),
    by_timed_operation({.slot = BLOCK_QUEUE_LATENCY,
                  .name = "blockio_queue_latency",
                  .unit = Unit::kNanoseconds,
                  .type = MetricType::kHistogram,
                  .prometheus = "rezolus_blockio_queue_latency_seconds",
                  .help = "Time of a block request before the device: from its start to its last "
                          "issue."}),
    by_timed_operation({.slot = BLOCK_TOTAL_LATENCY,
                  .name = "blockio_total_latency",
                  .unit = Unit::kNanoseconds,
                  .type = MetricType::kHistogram,
                  .prometheus = "rezolus_blockio_total_latency_seconds",
                  .help = "Time of a block request in all: from its start to its completion."}));
static_assert(check_metrics(kMetrics, 0, BLOCK_LATENCY_HISTOGRAM_COUNT));

constexpr auto kDeviceMetrics = joined(
    by_timed_operation({.slot = BLOCK_ON_DEVICE_TIME_NS,
                        .name = "blockio_device_time",
                        .unit = Unit::kNanoseconds,
                        .dimension = Dimension::kDevice,
                        .prometheus = "rezolus_blockio_device_time_seconds_total",
                        .lean = false,
                        .help = "Time of block requests at the device, summed over requests that "
                                "overlap, by disk."}),
    by_timed_operation({.slot = BLOCK_ON_DEVICE_QUEUE_TIME_NS,
                        .name = "blockio_device_queue_time",
                        .unit = Unit::kNanoseconds,
                        .dimension = Dimension::kDevice,
                        .prometheus = "rezolus_blockio_device_queue_time_seconds_total",
                        .lean = false,
                        .help = "Time of block requests in the queue, summed over requests that "
                                "overlap, by disk."}));
static_assert(check_metrics(kDeviceMetrics, BLOCK_LATENCY_DEVICE_COUNTER_COUNT, 0));

constexpr auto kCgroupMetrics =
    by_operation<BLOCK_LATENCY_CGROUP_HISTOGRAM_COUNT>(
        {.slot = BLOCK_OF_CGROUP_READ,
         .name = "cgroup_blockio_latency",
         .unit = Unit::kNanoseconds,
         .type = MetricType::kHistogram,
         .dimension = Dimension::kCgroup,
         .prometheus = "rezolus_cgroup_blockio_latency_seconds",
         .lean = false,
         .help = "Time of a cgroup's block requests in all: from start to completion."});
static_assert(check_metrics(kCgroupMetrics, 0, BLOCK_LATENCY_CGROUP_HISTOGRAM_COUNT));

constexpr std::string_view kHooks[] = {"handle_issue", "handle_complete"};
constexpr std::string_view kOptionalHooks[] = {"handle_insert", "handle_requeue"};

}  // namespace

const BpfSampler kBlockioLatency = {
    .name = "blockio_latency",
    .description = "time of block requests in the queue, at the device and in all",
    .bpf_name = "latency",
    .metrics = kMetrics,
    .device_metrics = kDeviceMetrics,
    .cgroup_metrics = kCgroupMetrics,
    .hooks = kHooks,
    .optional_hooks = kOptionalHooks,
    .notes =
        {
            .measures =
                "A request's time in the queue runs from its start (where the device keeps "
                "I/O statistics, else from its insertion) to its last issue to the driver, "
                "its time at the device from there to its completion; the total is the sum.",
            .cost = "Issue: a clock read and a hash insert. Completion: look-ups of the request "
                    "and the disk, a clock read, up to three histogram and two counter adds, and "
                    "a delete.",
            .needs =
                "The tracepoints block_rq_issue and block_rq_complete. Without block_rq_insert, "
                "requests of devices that have I/O statistics off have no queue time.",
            .reading = "Latency at the device is the hardware's, or the hypervisor's; a long "
                       "queue with a quick device means that more is asked than it takes. "
                       "Flushes and discards have scales of their own. Devices on top of others "
                       "(dm, md, loop) are not in the histograms, where they would count twice; "
                       "by disk they are there as far as they have requests of their own. The "
                       "times by disk divided by its operations are means.",
        },
};

}  // namespace rezolus
