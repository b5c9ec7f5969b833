// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/interrupt/lines.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>


namespace rezolus {
namespace {

namespace fs = std::filesystem;

class InterruptLines : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / ("rezolus_lines_test." + std::to_string(::getpid()));
    fs::create_directories(root_);
    host_.root = root_.string() + "/";
  }
  void TearDown() override { fs::remove_all(root_); }
  void add(const std::string& number, const std::string& actions) {
    const fs::path line = root_ / "sys/kernel/irq" / number;
    fs::create_directories(line);
    std::ofstream(line / "actions") << actions;
  }
  fs::path root_;
  Host host_;
};

TEST_F(InterruptLines, ThoseWithAHandlerByNumber) {
  add("100", "eth0-rx-0\n");
  add("9", "acpi,i801_smbus\n");
  add("27", "\n");
  add("nonsense", "x\n");
  fs::create_directories(root_ / "sys/kernel/irq/5");
  const auto lines = list_interrupt_lines(host_).value();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].key, 9u);
  EXPECT_EQ(lines[0].labels, (Labels{{"irq", "9"}, {"name", "acpi,i801_smbus"}}));
  EXPECT_EQ(lines[1].labels, (Labels{{"irq", "100"}, {"name", "eth0-rx-0"}}));
}

TEST_F(InterruptLines, ThousandsAreNotAllRead) {
  for (int i = 0; i < 1100; ++i) add(std::to_string(i), "queue" + std::to_string(i) + "\n");
  EXPECT_EQ(list_interrupt_lines(host_).value().size(), 1024u);
}

TEST_F(InterruptLines, NoFolderIsNone) { EXPECT_TRUE(list_interrupt_lines(host_).value().empty()); }

}  // namespace
}  // namespace rezolus
