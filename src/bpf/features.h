// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// What this kernel offers to BPF programs, found out once before loading. Any of it can be
// pretended to be missing, so that every fallback is tested on every kernel.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/host.h"

struct btf;

namespace rezolus {

class KernelFeatures {
 public:
  // btf_path: an external BTF file, for kernels without their own. pretend_missing: names of
  // features (btf, task_storage, socket_storage), of attach types (tp_btf, raw_tp, fentry, …) or of
  // tracepoints.
  static KernelFeatures probe(const Host& host, const std::optional<std::string>& btf_path,
                              std::set<std::string> pretend_missing);
  ~KernelFeatures();
  KernelFeatures(KernelFeatures&&) noexcept;

  // The kernel's own BTF: what tp_btf and fentry need.
  [[nodiscard]] bool kernel_btf() const { return kernel_btf_; }
  // BTF for field relocation from a file, empty when the kernel's own serves.
  [[nodiscard]] const std::string& external_btf_path() const { return external_btf_path_; }
  // Map type TASK_STORAGE exists. Whether tracing programs may use it shows when core is loaded.
  [[nodiscard]] bool task_storage() const { return task_storage_; }

  [[nodiscard]] bool pretended_missing(std::string_view name) const;

  // Whether the kernel has this tracepoint, by BTF; true when there is no BTF to ask.
  [[nodiscard]] bool has_tracepoint(std::string_view name) const;

  // Whether the kernel has this function, by BTF; true when there is no BTF to ask.
  [[nodiscard]] bool has_function(std::string_view name) const;

  // The value of an enumerator of the running kernel, by its name; nothing without BTF or enumerator.
  [[nodiscard]] std::optional<std::int64_t> enum_value(std::string_view enum_name,
                                                       std::string_view enumerator) const;

  // How many arguments the function takes; nothing without BTF or function.
  [[nodiscard]] std::optional<std::uint32_t> function_argument_count(std::string_view name) const;

  // How many arguments the tracepoint hands over; nothing without BTF or tracepoint.
  [[nodiscard]] std::optional<std::uint32_t> tracepoint_argument_count(
      std::string_view name) const;

  // The type name of one argument when it is a typedef ("blk_status_t"), else "".
  [[nodiscard]] std::string tracepoint_argument_typedef(std::string_view name,
                                                        std::uint32_t argument) const;

  // Compares uname's release: at_least(5, 18).
  [[nodiscard]] bool kernel_at_least(unsigned major, unsigned minor) const;

 private:
  KernelFeatures() = default;

  bool kernel_btf_ = false;
  bool task_storage_ = false;
  std::string external_btf_path_;
  std::set<std::string> pretend_missing_;
  std::string kernel_release_;
  struct BtfDeleter {
    void operator()(btf* data) const;
  };
  std::unique_ptr<btf, BtfDeleter> btf_;
};

}  // namespace rezolus
