// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/block/block_family.h"
#include "samplers/block/metrics.h"

namespace rezolus {
namespace {

constexpr std::array<std::string_view, BLOCK_ERROR_COUNT> kErrorNames = {
    "io", "timeout", "nospc", "target", "protection", "unsupported", "other"};

consteval std::array<Metric, BLOCK_OPERATION_COUNT * BLOCK_ERROR_COUNT> error_rows() {
  std::array<Metric, BLOCK_OPERATION_COUNT * BLOCK_ERROR_COUNT> rows;
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    rows[i] = {.slot = BLOCK_ERRORS + i,
               .name = "blockio_errors",
               .labels = {{{"error", kErrorNames[i % BLOCK_ERROR_COUNT]},
                           {"op", kBlockOperationNames[i / BLOCK_ERROR_COUNT]}}},
               .unit = Unit::kOperations,
               .prometheus = "rezolus_blockio_errors_total",
               .lean = i / BLOCK_ERROR_COUNT < BLOCK_TIMED_COUNT,
               .help = "Completions of block requests with an error, by kind of error."};
  }
  return rows;
}

constexpr auto kMetrics = joined(
    by_any_operation({.slot = BLOCK_OPERATIONS,
                  .name = "blockio_operations",
                  .unit = Unit::kOperations,
                  .prometheus = "rezolus_blockio_operations_total",
                  .help = "Block requests completed, with or without error; an empty write that only asks "
                          "for a flush is the flush."}),
    by_any_operation({.slot = BLOCK_BYTES,
                  .name = "blockio_bytes",
                  .unit = Unit::kBytes,
                  .prometheus = "rezolus_blockio_bytes_total",
                  .help = "Bytes of completed block requests."}),
    by_any_operation({.slot = BLOCK_REQUEUES,
                  .name = "blockio_requeues",
                  .unit = Unit::kOperations,
                  .prometheus = "rezolus_blockio_requeues_total",
                  .help = "Block requests put back into the queue after they had been issued."}),
    error_rows(),
    by_timed_operation({.slot = 0,
                  .name = "blockio_size",
                  .unit = Unit::kBytes,
                  .type = MetricType::kHistogram,
                  .prometheus = "rezolus_blockio_size_bytes",
                  .help = "Size of completed block requests; flushes, which carry no bytes, have "
                          "none."}));
static_assert(check_metrics(kMetrics, BLOCK_REQUESTS_COUNTER_COUNT, BLOCK_TIMED_COUNT));

constexpr auto kCgroupMetrics = joined(
    by_timed_operation({.slot = BLOCK_OF_CGROUP_OPERATIONS,
                        .name = "cgroup_blockio_operations",
                        .unit = Unit::kOperations,
                        .dimension = Dimension::kCgroup,
                        .prometheus = "rezolus_cgroup_blockio_operations_total",
                        .help = "Block requests of a cgroup that were completed."}),
    by_timed_operation({.slot = BLOCK_OF_CGROUP_BYTES,
                        .name = "cgroup_blockio_bytes",
                        .unit = Unit::kBytes,
                        .dimension = Dimension::kCgroup,
                        .prometheus = "rezolus_cgroup_blockio_bytes_total",
                        .help = "Bytes of a cgroup's completed block requests."}));
static_assert(check_metrics(kCgroupMetrics, BLOCK_REQUESTS_CGROUP_COUNTER_COUNT, 0));

constexpr auto kDeviceMetrics = joined(
    by_any_operation({.slot = BLOCK_ON_DEVICE_OPERATIONS,
                      .name = "blockio_device_operations",
                      .unit = Unit::kOperations,
                      .dimension = Dimension::kDevice,
                      .prometheus = "rezolus_blockio_device_operations_total",
                      .lean = false,
                      .help = "Block requests completed, by disk."}),
    by_any_operation({.slot = BLOCK_ON_DEVICE_BYTES,
                      .name = "blockio_device_bytes",
                      .unit = Unit::kBytes,
                      .dimension = Dimension::kDevice,
                      .prometheus = "rezolus_blockio_device_bytes_total",
                      .lean = false,
                      .help = "Bytes of completed block requests, by disk."}),
    by_any_operation({.slot = BLOCK_ON_DEVICE_ERRORS,
                      .name = "blockio_device_errors",
                      .unit = Unit::kOperations,
                      .dimension = Dimension::kDevice,
                      .prometheus = "rezolus_blockio_device_errors_total",
                      .lean = false,
                      .help = "Completions of block requests with an error, by disk."}),
    by_any_operation({.slot = BLOCK_ON_DEVICE_REQUEUES,
                      .name = "blockio_device_requeues",
                      .unit = Unit::kOperations,
                      .dimension = Dimension::kDevice,
                      .prometheus = "rezolus_blockio_device_requeues_total",
                      .lean = false,
                      .help = "Block requests put back into the queue, by disk."}));
static_assert(check_metrics(kDeviceMetrics, BLOCK_REQUESTS_DEVICE_COUNTER_COUNT, 0));

// The issue is needed as well: it opens the state in which a request's parts are added up.
constexpr std::string_view kHooks[] = {"handle_issue", "handle_complete"};
constexpr std::string_view kOptionalHooks[] = {"handle_requeue"};

}  // namespace

const BpfSampler kBlockioRequests = {
    .name = "blockio_requests",
    .description = "block requests, their bytes, sizes, errors and requeues",
    .bpf_name = "requests",
    .metrics = kMetrics,
    .device_metrics = kDeviceMetrics,
    .cgroup_metrics = kCgroupMetrics,
    .hooks = kHooks,
    .optional_hooks = kOptionalHooks,
    .notes =
        {
            .measures = "Requests that the driver reports complete, with the bytes of all their "
                        "parts, by kind of operation; commands that programs or drivers pass "
                        "through to a device (SCSI, NVMe) are `driver`. The same by disk, in "
                        "series that come and go with the disks; from the 256th disk on they "
                        "share device=\"other\". Devices on top of others (dm, md, loop) have "
                        "series, and are not in the host's totals, where they would count twice.",
            .cost = "Completion: two counter adds each for the host and the disk, one histogram "
                    "add and a look-up of the disk, beside the hash insert, look-up and delete "
                    "that it shares with blockio_latency.",
            .needs = "The tracepoints block_rq_issue and block_rq_complete; block_rq_requeue for "
                     "requeues.",
            .reading = "Operations agree with the reads and writes of /proc/diskstats, after "
                       "merging. Small sizes mean that little was merged. Any error is worth a "
                       "look. Requeues mean that the driver could not take what it was given.",
        },
};

}  // namespace rezolus
