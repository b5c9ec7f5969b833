// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "bpf/object.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/logging.h"

namespace rezolus {
namespace {

struct Alternative {
  std::string_view suffix;  // of the program's name
  std::string_view attach_type;
  bool needs_kernel_btf;
};

// In order of cost, the cheapest first.
constexpr std::array kLadder = {
    Alternative{"__btf", "tp_btf", true},       Alternative{"__fentry", "fentry", true},
    Alternative{"__fexit", "fexit", true},      Alternative{"__raw", "raw_tp", false},
    Alternative{"__tp", "tracepoint", false},   Alternative{"__kprobe", "kprobe", false},
};

// What libbpf said since the last load began; it reports through a global callback.
thread_local std::string libbpf_messages;

int collect_message(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  constexpr std::size_t kMessagesMax = 4u << 20;
  va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(nullptr, 0, format, again);
  va_end(again);
  const std::size_t at = libbpf_messages.size();
  if (length <= 0 || at + static_cast<std::size_t>(length) > kMessagesMax) return 0;
  libbpf_messages.resize(at + static_cast<std::size_t>(length) + 1);
  std::vsnprintf(libbpf_messages.data() + at, static_cast<std::size_t>(length) + 1, format,
                 arguments);
  libbpf_messages.pop_back();
  return 0;
}

std::string target_of(const bpf_program* program) {
  const std::string section = bpf_program__section_name(program);
  return section.substr(section.rfind('/') + 1);
}

// The last line of the verifier's words that tells something.
std::string last_verifier_line(const std::string& messages) {
  const std::size_t end = messages.find("-- END PROG LOAD LOG --");
  const std::size_t begin = messages.find("-- BEGIN PROG LOAD LOG --");
  if (begin == std::string::npos || end == std::string::npos) return {};
  std::string best;
  std::size_t at = messages.find('\n', begin) + 1;
  while (at < end) {
    const std::size_t line_end = messages.find('\n', at);
    const std::string line = messages.substr(at, line_end - at);
    if (!line.empty() && !line.starts_with("processed ") && !line.starts_with("libbpf:")) {
      best = line;
    }
    at = line_end + 1;
  }
  return best;
}

// libbpf names the program that failed: "libbpf: prog 'NAME': …failed to load: -22".
std::string failed_program(const std::string& messages) {
  std::size_t at = messages.find("failed to load");
  if (at == std::string::npos) at = messages.find("failed");
  if (at == std::string::npos) return {};
  const std::string_view marker = "prog '";
  const std::size_t begin = messages.rfind(marker, at);
  if (begin == std::string::npos) return {};
  const std::size_t name_at = begin + marker.size();
  return messages.substr(name_at, messages.find('\'', name_at) - name_at);
}

// Why an alternative cannot even be tried; empty when it can.
std::string known_obstacle(const Alternative& alternative, const std::string& target,
                           const KernelFeatures& features) {
  if (features.pretended_missing(alternative.attach_type)) {
    return fmt::format("{} is pretended to be missing", alternative.attach_type);
  }
  if (alternative.needs_kernel_btf && !features.kernel_btf()) {
    return "the kernel has no BTF of its own (CONFIG_DEBUG_INFO_BTF)";
  }
  const bool tracepoint = alternative.attach_type == "tp_btf" || alternative.attach_type == "raw_tp";
  if (tracepoint && !features.has_tracepoint(target)) {
    return fmt::format("the kernel has no tracepoint {}", target);
  }
  const bool function = alternative.attach_type == "fentry" || alternative.attach_type == "fexit";
  if (function && !features.has_function(target)) {
    return fmt::format("the kernel has no function {}", target);
  }
  return {};
}

// Whether an alternative failed since the kernel does not have the hook, or keeps it closed (as a
// locked-down kernel does with functions), and not since something of ours broke.
bool says_kernel_lacks_it(std::string_view attach_type, std::string_view refusal) {
  const bool function = !attach_type.starts_with("tp") && !attach_type.starts_with("raw");
  if (!refusal.starts_with("attach: ") && !function) return false;
  for (const int code : {ENOENT, EPERM, EACCES, EOPNOTSUPP, ENOSYS}) {
    if (refusal.ends_with(std::strerror(code))) return true;
  }
  return refusal.ends_with("Unknown error 524");  // ENOTSUPP, which user space has no name for
}

}  // namespace

// --- ObjectSettings

namespace {

struct Variable {
  std::size_t offset = 0;
  std::size_t size_bytes = 0;  // 0: there is no such variable
};

// Where a variable lies in .rodata.
Variable find_variable(const bpf_object* object, std::string_view name) {
  const btf* types = bpf_object__btf(object);
  const int section =
      types == nullptr ? -1 : btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC);
  if (section < 0) return {};
  const btf_type* type = btf__type_by_id(types, static_cast<std::uint32_t>(section));
  const btf_var_secinfo* variables = btf_var_secinfos(type);
  for (std::uint32_t i = 0; i < btf_vlen(type); ++i) {
    const btf_type* variable = btf__type_by_id(types, variables[i].type);
    if (btf__name_by_offset(types, variable->name_off) == name) {
      return {variables[i].offset, variables[i].size};
    }
  }
  return {};
}

}  // namespace

bool ObjectSettings::has_knob(const char* name) const {
  return find_variable(object_, name).size_bytes != 0;
}

void ObjectSettings::set_knob(const char* name, std::span<const std::byte> value) {
  const Variable variable = find_variable(object_, name);
  bpf_map* map = find_map(".rodata");
  CHECK(variable.size_bytes == value.size() && map != nullptr, name);
  std::size_t section_bytes = 0;
  const auto* section = static_cast<const std::byte*>(bpf_map__initial_value(map, &section_bytes));
  CHECK(section != nullptr && variable.offset + value.size() <= section_bytes, name);
  std::vector<std::byte> content(section, section + section_bytes);
  std::ranges::copy(value, content.begin() + static_cast<std::ptrdiff_t>(variable.offset));
  CHECK(bpf_map__set_initial_value(map, content.data(), content.size()) == 0, name);
}

bool ObjectSettings::is_on(const char* name) const {
  const Variable variable = find_variable(object_, name);
  bpf_map* map = find_map(".rodata");
  CHECK(variable.size_bytes == sizeof(bool) && map != nullptr, name);
  std::size_t section_bytes = 0;
  const auto* section = static_cast<const std::byte*>(bpf_map__initial_value(map, &section_bytes));
  CHECK(section != nullptr && variable.offset < section_bytes, name);
  return section[variable.offset] != std::byte{0};
}

bpf_map* ObjectSettings::find_map(const std::string& name) const {
  return bpf_object__find_map_by_name(object_, name.c_str());
}

void ObjectSettings::set_map_entries(const std::string& name, std::uint32_t count) {
  bpf_map* map = find_map(name);
  CHECK(map != nullptr, name.c_str());
  CHECK(bpf_map__set_max_entries(map, count) == 0, name.c_str());
}

std::uint32_t ObjectSettings::map_entries(const std::string& name) const {
  bpf_map* map = find_map(name);
  CHECK(map != nullptr, name.c_str());
  return bpf_map__max_entries(map);
}

void ObjectSettings::drop_map(const std::string& name) {
  bpf_map* map = find_map(name);
  CHECK(map != nullptr, name.c_str());
  CHECK(bpf_map__set_autocreate(map, false) == 0, name.c_str());
}

Result<void> ObjectSettings::share_map(const std::string& name, int fd) {
  bpf_map* map = find_map(name);
  CHECK(map != nullptr, name.c_str());
  const int failed = bpf_map__reuse_fd(map, fd);
  if (failed != 0) return system_error("share BPF map " + name, -failed);
  return {};
}

// --- Object

void Object::ObjectDeleter::operator()(bpf_object* object) const { bpf_object__close(object); }
void Object::LinkDeleter::operator()(bpf_link* link) const { bpf_link__destroy(link); }

Object::Object(Object&&) noexcept = default;
Object& Object::operator=(Object&&) noexcept = default;
Object::~Object() { links_.clear(); }

Result<void> Object::open(const ObjectRequest& request, const KernelFeatures& features) {
  LIBBPF_OPTS(bpf_object_open_opts, options);
  options.object_name = request.name.c_str();
  if (!features.external_btf_path().empty()) {
    options.btf_custom_path = features.external_btf_path().c_str();
  }
  links_.clear();
  object_.reset(bpf_object__open_mem(request.elf.data(), request.elf.size(), &options));
  if (!object_) return system_error("open BPF object " + request.name, errno);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_.get()) bpf_program__set_autoload(program, false);
  for (const std::string& name : request.manual) {
    program = bpf_object__find_program_by_name(object_.get(), name.c_str());
    CHECK(program != nullptr, name.c_str());
    bpf_program__set_autoload(program, true);
  }
  return {};
}

bool Object::attach(std::map<std::string, std::string>& refused) {
  for (std::size_t i = 0; i < chosen_.size(); ++i) {
    if (chosen_[i] == nullptr) continue;
    bpf_link* link = bpf_program__attach(chosen_[i]);
    if (link == nullptr) {
      refused[bpf_program__name(chosen_[i])] = fmt::format("attach: {}", std::strerror(errno));
      return false;
    }
    links_.emplace_back(link);
  }
  return true;
}

Result<Object> Object::load(const ObjectRequest& request, const KernelFeatures& features) {
  libbpf_set_print(collect_message);
  Object object;
  std::map<std::string, std::string> refused;  // program → why
  // Each round refuses at least one more program, so this ends.
  while (true) {
    auto opened = object.open(request, features);
    if (!opened) return std::unexpected(opened.error());
    object.hooks_.clear();
    object.chosen_.clear();
    std::set<std::string> available;
    for (const std::string& hook : request.hooks) {
      HookOutcome outcome;
      outcome.name = hook;
      bpf_program* chosen = nullptr;
      bool missing = true;
      for (const Alternative& alternative : kLadder) {
        const std::string name = hook + std::string(alternative.suffix);
        bpf_program* program = bpf_object__find_program_by_name(object.object_.get(), name.c_str());
        if (program == nullptr || chosen != nullptr) continue;
        outcome.target = target_of(program);
        std::string obstacle = known_obstacle(alternative, outcome.target, features);
        if (obstacle.empty()) obstacle = request.hook_obstacle(hook);
        if (obstacle.empty() && alternative.attach_type == "raw_tp") {
          obstacle = request.raw_tp_obstacle;
          missing = missing && obstacle.empty();
        }
        if (const auto it = refused.find(name); obstacle.empty() && it != refused.end()) {
          obstacle = it->second;
          missing = missing && says_kernel_lacks_it(alternative.attach_type, obstacle);
        }
        if (obstacle.empty()) {
          chosen = program;
          outcome.attached_as = alternative.attach_type;
        } else if (outcome.reason.find(obstacle) == std::string::npos) {
          if (!outcome.reason.empty()) outcome.reason += "; ";
          outcome.reason += fmt::format("{}: {}", alternative.attach_type, obstacle);
        }
      }
      CHECK(!outcome.target.empty(), hook.c_str());
      outcome.missing = chosen == nullptr && missing;
      if (chosen != nullptr) {
        available.insert(hook);
        bpf_program__set_autoload(chosen, true);
      }
      object.hooks_.push_back(std::move(outcome));
      object.chosen_.push_back(chosen);
    }
    ObjectSettings settings(object.object_.get());
    auto prepared = request.prepare(settings, available);
    if (!prepared) return std::unexpected(prepared.error());
    if (!*prepared) {
      for (HookOutcome& hook : object.hooks_) {
        // What could be had is off for want of the others, whatever was passed over for it.
        if (hook.attached()) hook.reason.clear();
        hook.attached_as.clear();
      }
      object.object_.reset();
      return object;
    }
    libbpf_messages.clear();
    const int failed = bpf_object__load(object.object_.get());
    if (failed != 0) {
      const std::string program = failed_program(libbpf_messages);
      const std::string verifier = last_verifier_line(libbpf_messages);
      spdlog::trace("BPF object {}: {}", request.name, libbpf_messages);
      const std::string why = fmt::format("load: {}{}{}", std::strerror(-failed),
                                          verifier.empty() ? "" : ": ", verifier);
      if (program.empty() || refused.contains(program)) {
        return system_error("load BPF object " + request.name, -failed);
      }
      refused[program] = why;
      if (std::ranges::find(request.manual, program) != request.manual.end()) {
        return error("load BPF object {}: {}: {}", request.name, program, why);
      }
      continue;
    }
    if (object.attach(refused)) return object;
  }
}

std::vector<AttachedProgram> Object::attached_programs() const {
  std::vector<AttachedProgram> programs;
  if (!loaded()) return programs;
  for (std::size_t i = 0; i < chosen_.size(); ++i) {
    if (chosen_[i] != nullptr) programs.push_back({hooks_[i].name, bpf_program__fd(chosen_[i])});
  }
  return programs;
}

int Object::program_fd(const char* name) const {
  bpf_program* program = bpf_object__find_program_by_name(object_.get(), name);
  return program == nullptr ? -1 : bpf_program__fd(program);
}

int Object::map_fd(const std::string& name) const {
  bpf_map* map = bpf_object__find_map_by_name(object_.get(), name.c_str());
  return map == nullptr ? -1 : bpf_map__fd(map);
}

std::vector<std::string> Object::maps() const {
  std::vector<std::string> names;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object_.get()) {
    if (bpf_map__fd(map) >= 0) names.emplace_back(bpf_map__name(map));
  }
  return names;
}

std::uint32_t Object::map_entries(const std::string& name) const {
  bpf_map* map = bpf_object__find_map_by_name(object_.get(), name.c_str());
  return map == nullptr ? 0 : bpf_map__max_entries(map);
}

std::uint32_t Object::map_type(const std::string& name) const {
  bpf_map* map = bpf_object__find_map_by_name(object_.get(), name.c_str());
  return map == nullptr ? 0 : static_cast<std::uint32_t>(bpf_map__type(map));
}

}  // namespace rezolus
