// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "base/fd.h"

#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace rezolus {
namespace {

class FdTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              fmt::format("rezolus-fd-test-{}", ::getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string file(const char* name) const { return folder_ / name; }
  void put(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::trunc) << content;
  }
  std::filesystem::path folder_;
};

TEST_F(FdTest, OwnsOneDescriptor) {
  auto opened = Fd::open(file("a"), O_WRONLY | O_CREAT);
  ASSERT_TRUE(opened);
  const int raw = opened->get();
  EXPECT_NE(::fcntl(raw, F_GETFD) & FD_CLOEXEC, 0);
  Fd moved = std::move(*opened);
  EXPECT_FALSE(opened->valid());
  EXPECT_EQ(moved.get(), raw);
  moved = Fd();
  EXPECT_EQ(::fcntl(raw, F_GETFD), -1);
}

TEST_F(FdTest, OpenErrorNamesPathAndErrno) {
  const auto opened = Fd::open(file("missing"), O_RDONLY);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().error_number, ENOENT);
  EXPECT_NE(opened.error().message.find(file("missing")), std::string::npos);
}

TEST_F(FdTest, ReadFileReadsAllOrRefuses) {
  put(file("empty"), "");
  EXPECT_EQ(read_file(file("empty")).value_or("?"), "");
  const std::string content(10'000, 'x');
  put(file("large"), content);
  EXPECT_EQ(read_file(file("large")).value_or(""), content);
  EXPECT_TRUE(read_file(file("large"), 10'000));
  const auto refused = read_file(file("large"), 9'999);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("9999"), std::string::npos);
  EXPECT_TRUE(read_file("/proc/self/stat")) << "a file whose size is said to be 0";
  EXPECT_FALSE(read_file(folder_.string()));
}

TEST_F(FdTest, RereadFileFollowsAFileThatGrowsAndShrinks) {
  put(file("stat"), "one");
  RereadFile reader(file("stat"));
  EXPECT_EQ(reader.read().value_or(""), "one");
  for (const std::size_t size : {4095u, 4096u, 4097u, 8192u, 100'000u, 5u, 0u}) {
    std::string content(size, 'a');
    if (size > 0) content.back() = 'z';
    put(file("stat"), content);
    const auto again = reader.read();
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, content) << size;
  }
}

TEST_F(FdTest, RereadFileOpensAgainAfterFailure) {
  RereadFile reader(file("late"));
  EXPECT_FALSE(reader.read());
  put(file("late"), "there");
  EXPECT_EQ(reader.read().value_or(""), "there");
}

TEST_F(FdTest, MappingSeesWhatOthersWrite) {
  auto fd = Fd::open(file("map"), O_RDWR | O_CREAT);
  ASSERT_TRUE(fd);
  ASSERT_EQ(::ftruncate(fd->get(), 8192), 0);
  auto written = Mapping::map(fd->get(), 8192, true);
  auto seen = Mapping::map(fd->get(), 8192, false);
  ASSERT_TRUE(written && seen);
  written->data()[5000] = std::byte{42};
  EXPECT_EQ(seen->data()[5000], std::byte{42});
  Mapping moved = std::move(*seen);
  EXPECT_EQ(seen->data(), nullptr);
  EXPECT_EQ(moved.size_bytes(), 8192u);
  EXPECT_FALSE(Mapping::map(-1, 4096, false));
}

TEST_F(FdTest, AtomicWriteReplacesAndLeavesNothingBehind) {
  ASSERT_TRUE(write_file_atomic(file("config"), "old"));
  ASSERT_TRUE(write_file_atomic(file("config"), "new"));
  EXPECT_EQ(read_file(file("config")).value_or(""), "new");
  const auto refused = write_file_atomic(file("no/such/folder"), "x");
  ASSERT_FALSE(refused);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(FdTest, WriteAllFillsAPipeOrSaysWhyNot) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Fd reader(ends[0]);
  Fd writer(ends[1]);
  EXPECT_TRUE(write_all(writer.get(), std::string_view("abc")));
  char got[4] = {};
  EXPECT_EQ(::read(reader.get(), got, 3), 3);
  EXPECT_STREQ(got, "abc");
  const auto refused = write_all(-1, std::string_view("abc"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().error_number, EBADF);
}

}  // namespace
}  // namespace rezolus
