// SPDX-License-Identifier: Apache-2.0 OR MIT
// The programs as a user runs them: an agent, and `rezolus status`, which says of every program how
// it is attached or why it is not. On whatever kernel this is.

#include <cstdio>
#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "samplers/collector.h"
#include "samplers/list.h"

namespace rezolus::live {
namespace {

class RunningAgent {
 public:
  RunningAgent()
      : program_(std::filesystem::read_symlink("/proc/self/exe").parent_path() / "rezolus"),
        socket_(fmt::format("/tmp/rezolus-status-{}.socket", ::getpid())),
        config_(socket_ + ".toml") {
    std::FILE* file = std::fopen(config_.c_str(), "w");
    fmt::print(file, "[general]\nlisten = \"unix:{}\"\ninstance = \"status-{}\"\n", socket_,
               ::getpid());
    std::fclose(file);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execl(program_.c_str(), "rezolus", "agent", config_.c_str(), nullptr);
      ::_exit(127);
    }
  }
  ~RunningAgent() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    ::unlink(config_.c_str());
  }

  [[nodiscard]] bool runs() const {
    siginfo_t ended{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           ended.si_pid == 0;
  }

  // What `rezolus status` prints; empty until the agent answers.
  [[nodiscard]] std::string status() const {
    const std::string command =
        fmt::format("{} status unix:{} 2>/dev/null", program_.string(), socket_);
    std::FILE* pipe = ::popen(command.c_str(), "r");
    std::string text;
    char buffer[4096];
    while (const std::size_t size = std::fread(buffer, 1, sizeof buffer, pipe)) {
      text.append(buffer, size);
    }
    ::pclose(pipe);
    return text;
  }

 private:
  const std::filesystem::path program_;
  const std::string socket_;
  const std::string config_;
  pid_t pid_ = -1;
};

// The rest of the line behind a sampler's or a program's name.
std::string line_of(const std::string& text, const std::string& name) {
  const std::size_t at = ("\n" + text).find("\n" + name + " ");
  return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
}

// A program is attached to a hook by name, or off with words behind the colon.
void expect_explained(const std::string& line) {
  const std::size_t how_at = line.find_first_not_of(' ', line.find(' ', 4));
  ASSERT_NE(how_at, std::string::npos) << line;
  const std::string how = line.substr(how_at);
  if (how.starts_with("off")) {
    EXPECT_NE(how.find(": "), std::string::npos) << "off without a reason: " << line;
    return;
  }
  bool known = false;
  for (const char* kind : {"tp_btf ", "fentry ", "fexit ", "raw_tp ", "tracepoint ", "kprobe "}) {
    known = known || how.starts_with(kind);
  }
  EXPECT_TRUE(known) << line;
}

TEST(status, NamesEveryProgramAndWhyItIsOff) {
  const RunningAgent agent;
  std::string text;
  // The verifier takes its time where the kernel is emulated on a busy machine.
  for (int i = 0; i < 180 && text.empty() && agent.runs(); ++i) {
    ::sleep(1);
    text = agent.status();
  }
  ASSERT_FALSE(text.empty()) << "no agent answered; it " << (agent.runs() ? "runs" : "is gone");
  for (const SamplerName& sampler : sampler_names()) {
    const std::string line = line_of(text, std::string(sampler.name));
    ASSERT_FALSE(line.empty()) << sampler.name << " is not in\n" << text;
  }
  for (const Family* family : families()) {
    for (const BpfSampler* sampler : family->samplers) {
      if (!sampler->on_by_default) continue;
      const std::size_t at = ("\n" + text).find("\n" + std::string(sampler->name) + " ");
      const std::string rest = text.substr(text.find('\n', at) + 1);
      for (const std::string_view hook : sampler->hooks) {
        EXPECT_NE(rest.find("    " + std::string(hook) + " "), std::string::npos)
            << sampler->name << ": " << hook << " is not in\n" << text;
      }
    }
  }
  std::size_t programs = 0;
  for (std::size_t at = 0; at != std::string::npos && at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    if (line.starts_with("    handle_")) {
      expect_explained(line);
      ++programs;
    }
    at = end == std::string::npos ? end : end + 1;
  }
  std::printf("%s\n%zu lines of programs\n", text.c_str(), programs);
  EXPECT_GE(programs, families().size());
}

}  // namespace
}  // namespace rezolus::live
