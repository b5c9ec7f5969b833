// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// One BPF object, loaded with the best program that this kernel accepts for each hook. A hook is a
// function name in the object (handle_switch); its alternatives are the programs with that name and
// a suffix: __btf, __fentry, __raw, __tp, __kprobe, tried in this order of cost.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bpf/features.h"

struct bpf_link;
struct bpf_map;
struct bpf_object;
struct bpf_program;

namespace rezolus {

// What became of one hook.
struct HookOutcome {
  std::string name;         // handle_switch
  std::string target;       // sched_switch
  std::string attached_as;  // tp_btf, raw_tp, …; empty: off
  std::string reason;       // why it is off, or why better alternatives were passed over
  bool missing = false;     // off because the kernel does not have it (not because it broke)
  [[nodiscard]] bool attached() const { return !attached_as.empty(); }
};

// An opened object before it is loaded: knobs and map sizes are set through it.
class ObjectSettings {
 public:
  explicit ObjectSettings(bpf_object* object) : object_(object) {}

  // Sets a `const volatile` variable of the object. Unknown names and wrong sizes are our mistake:
  // they abort.
  void set_knob(const char* name, std::span<const std::byte> value);
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  void set_knob(const char* name, const T& value) {
    set_knob(name, std::as_bytes(std::span(&value, 1)));
  }
  [[nodiscard]] bool has_knob(const char* name) const;
  // The value of a knob of type bool; unknown names and other types abort.
  [[nodiscard]] bool is_on(const char* name) const;

  [[nodiscard]] bpf_map* find_map(const std::string& name) const;
  void set_map_entries(const std::string& name, std::uint32_t count);
  // As declared in the source.
  [[nodiscard]] std::uint32_t map_entries(const std::string& name) const;
  // The map is not created; code that uses it must be dead.
  void drop_map(const std::string& name);
  // The map is the one behind fd, created by another object.
  Result<void> share_map(const std::string& name, int fd);

 private:
  bpf_object* object_;
};

struct ObjectRequest {
  std::string name;                  // family
  std::span<const std::byte> elf;
  std::vector<std::string> hooks;    // the ones that somebody needs; others are not loaded
  std::vector<std::string> manual;   // programs to load and not attach
  std::string raw_tp_obstacle;       // why raw_tp cannot serve; empty when it can
  // Why a hook is of no use on this kernel although it is there; empty when it serves.
  std::function<std::string(const std::string& hook)> hook_obstacle = [](const std::string&) {
    return std::string();
  };
  // Called after each opening with the hooks that are still available; sets knobs and maps. False:
  // they do not suffice for anything, nothing is to be loaded.
  std::function<Result<bool>(ObjectSettings&, const std::set<std::string>& available)> prepare;
};

// A program that hangs on its hook.
struct AttachedProgram {
  std::string hook;
  int fd = -1;  // owned by the object
};

class Object {
 public:
  Object(Object&&) noexcept;
  Object& operator=(Object&&) noexcept;
  ~Object();

  // Loads and attaches, last of all. Alternatives that the kernel refuses are passed over, until
  // prepare says that the rest is of no use: then the object is not loaded() and hooks() says why.
  static Result<Object> load(const ObjectRequest& request, const KernelFeatures& features);

  [[nodiscard]] bool loaded() const { return object_ != nullptr; }
  [[nodiscard]] const std::vector<HookOutcome>& hooks() const { return hooks_; }
  [[nodiscard]] std::vector<AttachedProgram> attached_programs() const;
  [[nodiscard]] int program_fd(const char* name) const;
  // Descriptor of a created map; -1 when there is none of that name. Owned by the object.
  [[nodiscard]] int map_fd(const std::string& name) const;
  // Names of all maps with a descriptor, shared ones included.
  [[nodiscard]] std::vector<std::string> maps() const;
  [[nodiscard]] std::uint32_t map_entries(const std::string& name) const;
  [[nodiscard]] std::uint32_t map_type(const std::string& name) const;

 private:
  Object() = default;
  struct ObjectDeleter {
    void operator()(bpf_object* object) const;
  };
  struct LinkDeleter {
    void operator()(bpf_link* link) const;
  };
  Result<void> open(const ObjectRequest& request, const KernelFeatures& features);
  bool attach(std::map<std::string, std::string>& refused);

  std::unique_ptr<bpf_object, ObjectDeleter> object_;
  std::vector<std::unique_ptr<bpf_link, LinkDeleter>> links_;
  std::vector<HookOutcome> hooks_;
  std::vector<bpf_program*> chosen_;  // by hook; null: off
};

}  // namespace rezolus
