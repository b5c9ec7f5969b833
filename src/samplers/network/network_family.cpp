// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/network/network_family.h"

#include "network.skel.h"
#include "samplers/network/drop_reasons.h"

namespace rezolus {
namespace {

REZOLUS_EMBEDDED_OBJECT(network)

constexpr const BpfSampler* kSamplers[] = {&kNetworkTraffic, &kNetworkInterfaces};

void prepare(ObjectSettings& settings, const KernelFeatures& features, const Host&) {
  // For tests: on a machine without hardware, every device counts.
  settings.set_knob("hardware_only", !features.pretended_missing("hardware_devices"));
  const DropReasons reasons =
      find_drop_reasons([&](std::string_view name, std::string_view enumerator) {
        return features.enum_value(name, enumerator);
      });
  settings.set_knob("drop_class_of_reason", reasons.class_of_reason);
  settings.set_knob("drop_queue_subsystem", reasons.queue_subsystem);
}

std::string hook_obstacle(std::string_view hook, const KernelFeatures& features) {
  if (hook != "handle_drop") return {};
  const auto arguments = features.tracepoint_argument_count("kfree_skb");
  if (!arguments) return "the kernel has no BTF that names its reasons to drop a packet";
  if (*arguments < 3) return "the kernel (before Linux 5.17) tells no reason with a dropped packet";
  return {};
}

}  // namespace

const Family kNetworkFamily = {
    .name = "network",
    .samplers = kSamplers,
    .object = network_object,
    .prepare = prepare,
    .hook_obstacle = hook_obstacle,
};

}  // namespace rezolus
