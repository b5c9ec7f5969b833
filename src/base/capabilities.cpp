// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/capabilities.h"

#include <cerrno>
#include <memory>
#include <type_traits>

#include <sys/capability.h>
#include <sys/prctl.h>

namespace rezolus {
namespace {

struct CapabilitiesDeleter {
  void operator()(cap_t capabilities) const { ::cap_free(capabilities); }
};
using Capabilities = std::unique_ptr<std::remove_pointer_t<cap_t>, CapabilitiesDeleter>;

}  // namespace

std::string missing_bpf_capabilities() {
  const Capabilities own(::cap_get_proc());
  if (own == nullptr) return {};
  const auto has = [&](cap_value_t capability) {
    cap_flag_value_t value = CAP_CLEAR;
    return ::cap_get_flag(own.get(), capability, CAP_EFFECTIVE, &value) == 0 && value == CAP_SET;
  };
  if (has(CAP_SYS_ADMIN)) return {};
  const bool bpf = has(CAP_BPF);
  const bool perfmon = has(CAP_PERFMON);
  if (bpf && perfmon) return {};
  return bpf ? "CAP_PERFMON" : perfmon ? "CAP_BPF" : "CAP_BPF and CAP_PERFMON";
}

Result<void> drop_capabilities() {
  const Capabilities none(::cap_init());
  if (none == nullptr || ::cap_set_proc(none.get()) != 0) {
    return system_error("give up capabilities", errno);
  }
  // Not even a program that is started later gets them back.
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return system_error("set no_new_privs", errno);
  }
  return {};
}

}  // namespace rezolus
