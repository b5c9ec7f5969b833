// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/tcp/tcp_family.h"

#include "tcp.skel.h"

namespace rezolus {
namespace {

REZOLUS_EMBEDDED_OBJECT(tcp)

constexpr const BpfSampler* kSamplers[] = {&kTcpTraffic, &kTcpReceive, &kTcpRetransmit,
                                           &kTcpConnectLatency, &kTcpPacketLatency};

// Whether tracing programs may use socket storage: the kernel has the helper's function for them.
bool has_socket_storage(const KernelFeatures& features) {
  return features.kernel_btf() && !features.pretended_missing("socket_storage") &&
         !features.pretended_missing("tp_btf") &&
         features.has_function("bpf_sk_storage_get_tracing");
}

bool needs_hook(std::string_view hook, const KernelFeatures& features) {
  // Socket storage goes with the socket.
  if (hook == "handle_destroy") return !has_socket_storage(features);
  if (hook == "handle_sendpage") return features.has_function("tcp_sendpage");
  return true;
}

void prepare(ObjectSettings& settings, const KernelFeatures& features, const Host&) {
  const bool storage = has_socket_storage(features);
  settings.set_knob("use_socket_storage", storage);
  if (!storage) settings.drop_map("socket_storage");
  if (storage) settings.drop_map("socket_hash");
  const auto retransmit_arguments = features.tracepoint_argument_count("tcp_retransmit_skb");
  settings.set_knob("retransmit_has_error",
                    retransmit_arguments ? *retransmit_arguments == 3
                                         : features.kernel_at_least(6, 16));
  const auto receive_arguments = features.function_argument_count("tcp_recvmsg");
  settings.set_knob("receive_has_nonblock",
                    receive_arguments ? *receive_arguments == 6 : !features.kernel_at_least(5, 19));
}

}  // namespace

const Family kTcpFamily = {
    .name = "tcp",
    .samplers = kSamplers,
    .object = tcp_object,
    .uses_cgroups = true,
    .prepare = prepare,
    .needs_hook = needs_hook,
};

}  // namespace rezolus
