// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "agent/instance_lock.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace rezolus {
namespace {

// /run for root; elsewhere a folder that the user may write.
Result<Fd> open_lock_file(const std::string& name) {
  const char* user_folder = std::getenv("XDG_RUNTIME_DIR");
  std::string tried;
  for (const std::string& folder :
       {std::string("/run"), std::string(user_folder == nullptr ? "" : user_folder),
        std::string("/tmp")}) {
    if (folder.empty()) continue;
    auto fd = Fd::open(folder + "/" + name, O_RDWR | O_CREAT | O_NOFOLLOW, 0644);
    if (fd) return fd;
    // Root's lock file: others cannot write it, and may still see that it is held.
    if (auto held = Fd::open(folder + "/" + name, O_RDONLY | O_NOFOLLOW);
        held && ::flock(held->get(), LOCK_EX | LOCK_NB) != 0) {
      return held;
    }
    tried = fd.error().message;
  }
  return error("no folder for the agent's lock file is writable ({})", tried);
}

}  // namespace

Result<InstanceLock> InstanceLock::take(const std::string& instance) {
  for (const char c : instance) {
    if (c == '/' || c == '\0') return usage_error("'{}' cannot name an instance", instance);
  }
  const std::string name = instance.empty() ? "rezolus.lock" : "rezolus-" + instance + ".lock";
  auto fd = open_lock_file(name);
  if (!fd) return std::unexpected(fd.error());
  if (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error("lock " + name, errno);
    char holder[32] = {};
    const ssize_t got = ::pread(fd->get(), holder, sizeof holder - 1, 0);
    const std::string who = got > 0 ? std::string(holder, static_cast<std::size_t>(got)) : "?";
    return error("another agent runs on this host already (process {}); use that one, stop it, or "
                 "give this one a name of its own with [general] instance = \"NAME\"", who);
  }
  const std::string self = std::to_string(::getpid());
  if (::ftruncate(fd->get(), 0) != 0 ||
      ::pwrite(fd->get(), self.data(), self.size(), 0) != static_cast<ssize_t>(self.size())) {
    return system_error("write " + name, errno);
  }
  return InstanceLock(std::move(*fd));
}

}  // namespace rezolus
