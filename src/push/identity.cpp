// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "push/identity.h"

#include <algorithm>
#include <cctype>

#include "base/fd.h"
#include "base/version.h"

namespace rezolus {
namespace {

constexpr std::size_t kMachineIdSize = 32;
constexpr std::size_t kMachineIdFileSizeBytesMax = 256;

// Empty where there is none, or it is not made yet ("uninitialized").
std::string machine_id(const Host& host) {
  auto text = read_file(host.path("etc/machine-id"), kMachineIdFileSizeBytesMax);
  if (!text) return {};
  const std::string id = text->substr(0, text->find('\n'));
  const bool good = id.size() == kMachineIdSize &&
                    std::ranges::all_of(id, [](unsigned char c) { return std::isxdigit(c) != 0; });
  return good ? id : std::string();
}

// As the conventions spell it.
std::string host_arch(const std::string& machine) {
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return machine;
}

// "http://db:4241" is db, "http://[::1]:4241" ::1.
std::string host_of(const Url& url) {
  std::string host = url.origin.substr(url.origin.find("://") + 3);
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

}  // namespace

PushIdentity push_identity(const Host& host, const Url* source) {
  const bool local = source == nullptr || source->loopback;
  const std::string name = local ? host.hostname : host_of(*source);
  PushIdentity identity;
  identity.labels = {{"instance", host.hostname}, {"job", "rezolus"}};
  identity.resource = {{"host.name", name},
                       {"os.type", "linux"},
                       {"service.instance.id", name},
                       {"service.name", "rezolus"},
                       {"service.version", std::string(kVersion)}};
  if (local) {
    identity.resource.emplace_back("host.arch", host_arch(host.architecture));
    identity.resource.emplace_back("host.id", machine_id(host));
  }
  std::ranges::sort(identity.resource);
  return identity;
}

}  // namespace rezolus
