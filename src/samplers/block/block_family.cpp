// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/block/block_family.h"

#include "block.skel.h"
#include "samplers/block/devices.h"

namespace rezolus {
namespace {

REZOLUS_EMBEDDED_OBJECT(block)

constexpr const BpfSampler* kSamplers[] = {&kBlockioLatency, &kBlockioRequests};

void prepare(ObjectSettings& settings, const KernelFeatures& features, const Host&) {
  const auto issue_arguments = features.tracepoint_argument_count("block_rq_issue");
  settings.set_knob("request_follows_queue",
                    issue_arguments ? *issue_arguments == 2 : !features.kernel_at_least(5, 11));
  const std::string error_type = features.tracepoint_argument_typedef("block_rq_complete", 1);
  const bool has_errno =
      issue_arguments ? error_type != "blk_status_t" : !features.kernel_at_least(5, 16);
  settings.set_knob("complete_has_errno", has_errno);
  settings.set_knob("block_operations", block_operation_table(features));
}

}  // namespace

const Family kBlockFamily = {
    .name = "block",
    .samplers = kSamplers,
    .object = block_object,
    .uses_cgroups = true,
    .prepare = prepare,
    .list_devices = list_block_devices,
};

}  // namespace rezolus
