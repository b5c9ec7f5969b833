// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "bpf/features.h"

#include <cstdio>

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

namespace rezolus {
namespace {

// The function prototype behind `typedef void (*btf_trace_NAME)(void *, …)`, or null.
const btf_type* tracepoint_prototype(const btf* data, std::string_view name) {
  if (data == nullptr) return nullptr;
  const std::string type_name = "btf_trace_" + std::string(name);
  const int id = btf__find_by_name_kind(data, type_name.c_str(), BTF_KIND_TYPEDEF);
  if (id < 0) return nullptr;
  const btf_type* pointer = btf__type_by_id(data, btf__type_by_id(data, id)->type);
  if (pointer == nullptr || !btf_is_ptr(pointer)) return nullptr;
  const btf_type* prototype = btf__type_by_id(data, pointer->type);
  return prototype != nullptr && btf_is_func_proto(prototype) ? prototype : nullptr;
}

}  // namespace

void KernelFeatures::BtfDeleter::operator()(btf* data) const { btf__free(data); }

KernelFeatures::~KernelFeatures() = default;
KernelFeatures::KernelFeatures(KernelFeatures&&) noexcept = default;

KernelFeatures KernelFeatures::probe(const Host& host, const std::optional<std::string>& btf_path,
                                     std::set<std::string> pretend_missing) {
  KernelFeatures features;
  features.pretend_missing_ = std::move(pretend_missing);
  features.kernel_release_ = host.kernel_release;
  features.kernel_btf_ = ::access("/sys/kernel/btf/vmlinux", R_OK) == 0 &&
                         !features.pretended_missing("btf");
  if (btf_path) features.external_btf_path_ = *btf_path;
  if (btf_path) {
    features.btf_.reset(btf__parse(btf_path->c_str(), nullptr));
  } else if (features.kernel_btf_) {
    features.btf_.reset(btf__load_vmlinux_btf());
  }
  // Only tp_btf programs have the typed task pointer that task storage needs.
  features.task_storage_ = features.kernel_btf_ && !features.pretended_missing("task_storage") &&
                           !features.pretended_missing("tp_btf") &&
                           libbpf_probe_bpf_map_type(BPF_MAP_TYPE_TASK_STORAGE, nullptr) == 1;
  return features;
}

bool KernelFeatures::pretended_missing(std::string_view name) const {
  return pretend_missing_.contains(std::string(name));
}

bool KernelFeatures::has_tracepoint(std::string_view name) const {
  if (pretended_missing(name)) return false;
  return btf_ == nullptr || tracepoint_prototype(btf_.get(), name) != nullptr;
}

bool KernelFeatures::has_function(std::string_view name) const {
  if (pretended_missing(name)) return false;
  return btf_ == nullptr ||
         btf__find_by_name_kind(btf_.get(), std::string(name).c_str(), BTF_KIND_FUNC) > 0;
}

std::optional<std::int64_t> KernelFeatures::enum_value(std::string_view enum_name,
                                                       std::string_view enumerator) const {
  if (btf_ == nullptr) return std::nullopt;
  const int id =
      btf__find_by_name_kind(btf_.get(), std::string(enum_name).c_str(), BTF_KIND_ENUM);
  if (id < 0) return std::nullopt;
  const btf_type* type = btf__type_by_id(btf_.get(), static_cast<std::uint32_t>(id));
  const struct btf_enum* values = btf_enum(type);
  for (std::uint32_t i = 0; i < btf_vlen(type); ++i) {
    if (btf__name_by_offset(btf_.get(), values[i].name_off) == enumerator) return values[i].val;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> KernelFeatures::function_argument_count(
    std::string_view name) const {
  if (btf_ == nullptr) return std::nullopt;
  const int id =
      btf__find_by_name_kind(btf_.get(), std::string(name).c_str(), BTF_KIND_FUNC);
  if (id < 0) return std::nullopt;
  const btf_type* function = btf__type_by_id(btf_.get(), static_cast<std::uint32_t>(id));
  return static_cast<std::uint32_t>(btf_vlen(btf__type_by_id(btf_.get(), function->type)));
}

std::optional<std::uint32_t> KernelFeatures::tracepoint_argument_count(
    std::string_view name) const {
  const btf_type* prototype = tracepoint_prototype(btf_.get(), name);
  if (prototype == nullptr || btf_vlen(prototype) == 0) return std::nullopt;
  return static_cast<std::uint32_t>(btf_vlen(prototype)) - 1;  // the first is the private data
}

std::string KernelFeatures::tracepoint_argument_typedef(std::string_view name,
                                                        std::uint32_t argument) const {
  const btf_type* prototype = tracepoint_prototype(btf_.get(), name);
  if (prototype == nullptr || argument + 1 >= btf_vlen(prototype)) return {};
  const btf_type* type = btf__type_by_id(btf_.get(), btf_params(prototype)[argument + 1].type);
  if (type == nullptr || !btf_is_typedef(type)) return {};
  return btf__name_by_offset(btf_.get(), type->name_off);
}

bool KernelFeatures::kernel_at_least(unsigned major, unsigned minor) const {
  unsigned have_major = 0;
  unsigned have_minor = 0;
  if (std::sscanf(kernel_release_.c_str(), "%u.%u", &have_major, &have_minor) != 2) return false;
  return have_major != major ? have_major > major : have_minor >= minor;
}

}  // namespace rezolus
