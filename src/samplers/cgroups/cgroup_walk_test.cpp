// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cgroup_walk.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace rezolus {
namespace {

TEST(CgroupLabel, BytesThatAreNoTextAreWrittenOut) {
  EXPECT_EQ(cgroup_label("/a \"q\"/größe"), "/a \"q\"/größe");
  EXPECT_EQ(cgroup_label("/\xff\n\\x"), "/\\xff\\x0a\\x5cx");
}

TEST(CgroupLabel, ALongPathShowsItsEndAndAHash) {
  const std::string path = std::string(1022, 'a') + "/end";
  const std::string label = cgroup_label(path);
  EXPECT_EQ(label.size(), 1023u);
  EXPECT_TRUE(label.ends_with("a/end"));
  EXPECT_NE(label, cgroup_label("b" + path));
  EXPECT_EQ(cgroup_label(std::string(1023, 'a')), std::string(1023, 'a'));
}

TEST(CgroupHierarchy, TheCpuControllersOfVersion1GoesFirst) {
  const auto host_with = [](std::string_view mounts) {
    Host host;
    host.root = testing::TempDir() + "cgroup_walk/";
    std::filesystem::create_directories(host.root + "proc/self");
    std::FILE* file = std::fopen((host.root + "proc/self/mountinfo").c_str(), "w");
    std::fwrite(mounts.data(), 1, mounts.size(), file);
    std::fclose(file);
    return host;
  };
  const std::string two = "30 24 0:26 / /sys/fs/c\\040g rw shared:4 - cgroup2 cgroup2 rw\n";
  const std::string set = "31 24 0:27 / /sys/fs/cpuset rw - cgroup cgroup rw,cpuset\n";
  const std::string cpu = "32 24 0:28 / /sys/fs/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";
  auto found = find_cgroup_hierarchy(host_with(two + set));
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(found->version_2);
  EXPECT_TRUE(found->mount.ends_with("/sys/fs/c g")) << found->mount;
  found = find_cgroup_hierarchy(host_with(two + set + cpu));
  ASSERT_TRUE(found.has_value());
  EXPECT_FALSE(found->version_2);
  EXPECT_TRUE(found->mount.ends_with("/sys/fs/cpu"));
  EXPECT_FALSE(find_cgroup_hierarchy(host_with(set)).has_value());
  std::filesystem::remove_all(testing::TempDir() + "cgroup_walk");
}

}  // namespace
}  // namespace rezolus
