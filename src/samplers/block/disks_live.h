// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// Disks for the block family's live tests: one that is there, one whose latency is set, one that
// fails and completes in parts as it is told to.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "live/live.h"

namespace rezolus::live {

inline constexpr std::size_t kAlignment = 4096;
inline constexpr std::size_t kWriteBytes = 20 << 10;  // sizes that page faults and read-ahead do not have
inline constexpr std::size_t kReadBytes = 12 << 10;
inline constexpr std::size_t kSpanBytes = 1 << 20;

// A device of its own in a VM, else a file, opened past the page cache.
class Target {
 public:
  explicit Target(std::string path = {}) {
    const char* disk = std::getenv("REZOLUS_SCRATCH_DISK");
    device_ = path.empty() && disk != nullptr ? disk : path;
    if (!path.empty()) {
      fd_ = ::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
    } else if (disk != nullptr) {
      fd_ = ::open(disk, O_RDWR | O_DIRECT | O_CLOEXEC);
    } else {
      file_ = "/var/tmp/rezolus_block_live_test." + std::to_string(::getpid());
      fd_ = ::open(file_.c_str(), O_RDWR | O_DIRECT | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
      // Written once before anything is counted: no allocation, no metadata in the test.
      for (std::size_t at = 0; fd_ >= 0 && at < kSpanBytes; at += kWriteBytes) write(at);
      if (fd_ >= 0) ::fsync(fd_);
    }
  }
  ~Target() {
    if (fd_ >= 0) ::close(fd_);
    if (!file_.empty()) ::unlink(file_.c_str());
    std::free(buffer_);
  }
  [[nodiscard]] bool ok() const { return fd_ >= 0; }
  [[nodiscard]] const std::string& path() const { return file_.empty() ? device_ : file_; }

  void write(std::size_t offset) {
    if (::pwrite(fd_, buffer_, kWriteBytes, static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(kWriteBytes)) {
      ADD_FAILURE() << "write: " << std::strerror(errno);
    }
  }
  // Returns how long it took, by our clock.
  std::uint64_t read(std::size_t offset) {
    const std::uint64_t begin = now_ns();
    if (::pread(fd_, buffer_, kReadBytes, static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(kReadBytes)) {
      ADD_FAILURE() << "read: " << std::strerror(errno);
    }
    return now_ns() - begin;
  }
  void flush() { ::fsync(fd_); }

 private:
  int fd_ = -1;
  std::string file_;    // made for the test
  std::string device_;
  void* buffer_ = std::aligned_alloc(kAlignment, kWriteBytes);
};

inline std::size_t offset_of(std::uint64_t i) { return (i * 64 << 10) % kSpanBytes; }

// A device that completes every request after a set time.
class NullBlock {
 public:
  explicit NullBlock(std::uint64_t completion_ns, const std::string& parameters = {}) {
    const std::string command =
        "modprobe null_blk nr_devices=1 queue_mode=2 irqmode=2 completion_nsec=" +
        std::to_string(completion_ns) + " gb=1 " + parameters + " 2>/dev/null";
    loaded_ = std::system(command.c_str()) == 0 && ::access("/dev/nullb0", R_OK | W_OK) == 0;
  }
  ~NullBlock() {
    if (loaded_) (void)!std::system("rmmod null_blk 2>/dev/null");
  }
  [[nodiscard]] bool loaded() const { return loaded_; }
  // Whether the scheduler could be set.
  static bool set_scheduler(const std::string& name) {
    if (name != "none") (void)!std::system(("modprobe " + name + " 2>/dev/null").c_str());
    std::ofstream file("/sys/block/nullb0/queue/scheduler");
    file << name << std::flush;
    return file.good();
  }
  static void set_statistics(bool on) {
    std::ofstream("/sys/block/nullb0/queue/iostats") << (on ? 1 : 0) << std::flush;
  }

 private:
  bool loaded_ = false;
};

// A disk without hardware, which fails requests or completes them in parts as it is told to.
class ScsiDebug {
 public:
  explicit ScsiDebug(const std::string& parameters) {
    if (std::system("modprobe sd_mod 2>/dev/null") != 0) return;
    const std::string command = "modprobe scsi_debug dev_size_mb=8 " + parameters + " 2>/dev/null";
    loaded_ = std::system(command.c_str()) == 0;
    // The disk is found in the background.
    for (int i = 0; loaded_ && i < 500 && !disk_.valid(); ++i) {
      ::usleep(10'000);
      open_disk();
    }
  }
  ~ScsiDebug() {
    disk_.close();
    if (loaded_) (void)!std::system("rmmod scsi_debug");
    std::free(buffer_);
  }
  [[nodiscard]] bool ok() const { return disk_.valid(); }

  [[nodiscard]] int discard(std::uint64_t offset, std::uint64_t size_bytes) const {
    std::uint64_t range[] = {offset, size_bytes};
    return ::ioctl(disk_.get(), BLKDISCARD, range);
  }
  [[nodiscard]] int zero_out(std::uint64_t offset, std::uint64_t size_bytes) const {
    std::uint64_t range[] = {offset, size_bytes};
    return ::ioctl(disk_.get(), BLKZEROOUT, range);
  }
  // The result of pread(2); errno says why it failed.
  ssize_t read(off_t offset) { return ::pread(disk_.get(), buffer_, kReadBytes, offset); }

  static void set(const std::string& parameter, int value) {
    std::ofstream("/sys/bus/pseudo/drivers/scsi_debug/" + parameter) << value << std::flush;
  }

 private:
  void open_disk() {
    for (const auto& disk : std::filesystem::directory_iterator("/sys/block")) {
      std::string model;
      std::ifstream(disk.path() / "device/model") >> model;
      if (model != "scsi_debug") continue;
      const std::string path = "/dev/" + disk.path().filename().string();
      disk_ = Fd(::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
    }
  }

  bool loaded_ = false;
  Fd disk_;
  void* buffer_ = std::aligned_alloc(kAlignment, kReadBytes);
};

}  // namespace rezolus::live
