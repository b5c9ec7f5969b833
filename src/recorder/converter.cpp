// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder/converter.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/store_url.h"
#include "recording/parquet/exit_codes.h"

namespace rezolus {
namespace {

constexpr std::string_view kConverterName = "rezolus-recording";
constexpr int kNiceness = 19;
constexpr int kExitCannotRun = 127;
constexpr std::uint64_t kCancelPollNs = 20 * kNsPerMs;
constexpr std::uint64_t kCancelGraceNs = 5 * kNsPerSecond;
constexpr std::size_t kSaidBytesMax = 4096;
// Thread stacks count against RLIMIT_DATA in full, used or not; eight of 8 MiB would take a
// quarter.
constexpr rlim_t kStackBytesMax = 1u << 20;

bool is_program(const std::filesystem::path& path) {
  return ::access(path.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(path);
}

// What the child's environment adds: allocators that reserve little. Arrow's own pools map large
// regions that RLIMIT_DATA would count.
std::vector<std::string> child_environment() {
  std::vector<std::string> environment = {"ARROW_DEFAULT_MEMORY_POOL=system", "MALLOC_ARENA_MAX=2"};
  for (char** entry = ::environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  return environment;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// In the child, between fork and exec: system calls only.
[[noreturn]] void run_child(const char* program, char* const* arguments, char* const* environment,
                            pid_t parent, int stderr_fd) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(kExitCannotRun);
  // Out of the terminal's group: Ctrl-C asks the recorder to finish, and this is the finishing.
  ::setpgid(0, 0);
  // `systemctl kill -s HUP` reaches every process of a service, and asks the recorder.
  ::signal(SIGHUP, SIG_IGN);
  ::signal(SIGUSR2, SIG_IGN);
  ::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // Whatever class the recorder runs in, a conversion takes what others leave.
  const sched_param unused{};
  ::sched_setscheduler(0, SCHED_BATCH, &unused);
  ::setpriority(PRIO_PROCESS, 0, kNiceness);
  const rlimit data{kConverterMemoryBytesMax, kConverterMemoryBytesMax};
  ::setrlimit(RLIMIT_DATA, &data);
  rlimit stack{};
  ::getrlimit(RLIMIT_STACK, &stack);
  stack.rlim_cur = kStackBytesMax;
  ::setrlimit(RLIMIT_STACK, &stack);
  if (stderr_fd >= 0) ::dup2(stderr_fd, STDERR_FILENO);
  // Sockets that libraries made: a port, or a connection, would stay open for as long as this runs.
  ::close_range(STDERR_FILENO + 1, ~0u, 0);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::dup2(null, STDOUT_FILENO);
  ::execve(program, arguments, environment);
  ::_exit(kExitCannotRun);
}

// Its status. One that is late or not wanted any more is asked to end, so that it can remove what it
// began, and then killed.
Result<int> wait_for_child(pid_t child, const ConverterRun& run) {
  const bool blocking = run.cancel == nullptr && run.timeout_ns == 0;
  const std::uint64_t begun_ns = monotonic_ns();
  std::uint64_t told_ns = 0;
  bool killed = false;
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(child, &status, blocking ? 0 : WNOHANG);
    if (ended == child) return status;
    if (ended < 0 && errno != EINTR) return system_error("waitpid", errno);
    if (ended != 0) continue;
    const std::uint64_t now_ns = monotonic_ns();
    const bool late = run.timeout_ns != 0 && now_ns - begun_ns >= run.timeout_ns;
    const bool unwanted = run.cancel != nullptr && run.cancel->load();
    if (told_ns == 0 && (late || unwanted)) {
      ::kill(child, SIGTERM);
      told_ns = now_ns;
    } else if (told_ns != 0 && !killed && now_ns - told_ns >= kCancelGraceNs) {
      ::kill(child, SIGKILL);
      killed = true;
    }
    sleep_until_monotonic(now_ns + kCancelPollNs);
  }
}

// The beginning, without the line's end.
std::string read_said(int fd) {
  std::string text(kSaidBytesMax, '\0');
  const ssize_t count = ::pread(fd, text.data(), text.size(), 0);
  text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

// "rezolus-recording: open x: …": the first line, without who says it.
std::string_view without_name(std::string_view said) {
  said = said.substr(0, said.find('\n'));
  const std::string prefix = fmt::format("{}: ", kConverterName);
  if (said.starts_with(prefix)) said.remove_prefix(prefix.size());
  return said;
}

// As a shell takes it for one word.
std::string shell_word(const std::string& text) {
  const bool plain = std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("/._-+=:@%,").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (plain && !text.empty()) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

Result<std::string> find_converter() {
  std::error_code ignored;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const auto& folder : {self, self / "../libexec/rezolus"}) {
    if (is_program(folder / kConverterName)) {
      return (folder / kConverterName).lexically_normal().string();
    }
  }
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    if (folder.empty()) continue;
    const auto candidate = std::filesystem::path(folder) / kConverterName;
    if (is_program(candidate)) return candidate.string();
  }
  return error(
      "{} was not found beside rezolus, in ../libexec/rezolus or in PATH; install the "
      "package rezolus-recording",
      kConverterName);
}

std::string conversion_command(const std::string& log_path, const std::string& parquet_path,
                               const std::string& layout) {
  const bool named = parquet_path.ends_with(".parquet");
  const std::string typed = typed_store_url(parquet_path);
  return fmt::format("{} convert {}{}{} {}{}", kConverterName, named ? "" : "--format parquet ",
                     layout == "wide" ? "" : "--layout " + layout + " ", shell_word(log_path),
                     shell_word(typed),
                     typed == parquet_path ? "" : " (and put the URL's credentials back)");
}

Result<Conversion> convert_log(const std::string& converter, const std::string& log_path,
                               const std::string& parquet_path, const std::string& layout) {
  return run_converter(
      converter, {"convert", "--format", "parquet", "--layout", layout, log_path, parquet_path});
}

Result<Conversion> run_converter(const std::string& converter, std::vector<std::string> arguments,
                                 const ConverterRun& run) {
  arguments.insert(arguments.begin(), converter);
  std::vector<std::string> environment = child_environment();
  const std::vector<char*> argument_pointers = pointers(arguments);
  const std::vector<char*> environment_pointers = pointers(environment);
  // A file and no pipe: nobody has to read while it runs.
  const Fd said(run.said == nullptr ? -1 : ::memfd_create("said", MFD_CLOEXEC));
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return system_error("start " + converter, errno);
  if (child == 0) {
    run_child(converter.c_str(), argument_pointers.data(), environment_pointers.data(), parent,
              said.get());
  }
  auto ended = wait_for_child(child, run);
  if (!ended) return context("wait for " + converter, std::move(ended.error()));
  const int status = *ended;
  if (said.valid()) *run.said = read_said(said.get());
  if (WIFSIGNALED(status)) {
    return error("{} was ended by signal {} ({})", converter, WTERMSIG(status),
                 ::strsignal(WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) == kExitCannotRun) {
    return error("{} could not be started; are its libraries installed?", converter);
  }
  if (WEXITSTATUS(status) == kExitFolded) return Conversion::kFolded;
  if (WEXITSTATUS(status) != 0 && run.said != nullptr && !run.said->empty()) {
    return error("{}", without_name(*run.said));
  }
  if (WEXITSTATUS(status) != 0) {
    return error("{} failed with exit code {}", converter, WEXITSTATUS(status));
  }
  return Conversion::kWhole;
}

}  // namespace rezolus
