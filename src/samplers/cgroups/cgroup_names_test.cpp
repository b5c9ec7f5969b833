// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "samplers/cgroups/cgroup_names.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace rezolus {
namespace {

const std::string kId = std::string(60, 'a') + "0123";
const std::string kUid = "0f1e2d3c-1111-2222-3333-444455556666";

class CgroupNames : public testing::Test {
 protected:
  void SetUp() override {
    host_.root = testing::TempDir() + "cgroup_names/";
    std::filesystem::remove_all(host_.root);
  }
  void TearDown() override { std::filesystem::remove_all(host_.root); }
  void write(const std::string& file, const std::string& text) const {
    const std::filesystem::path path = host_.root + file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  [[nodiscard]] rezolus::CgroupNames names(const std::string& path) const {
    return CgroupNamer(host_).names_of(path);
  }
  Host host_;
};

TEST_F(CgroupNames, ContainerdOfKubernetes) {
  write("run/containerd/io.containerd.runtime.v2.task/k8s.io/" + kId + "/config.json",
        R"({"annotations": {"io.kubernetes.cri.container-name": "web",
            "io.kubernetes.cri.container-type": "container",
            "io.kubernetes.cri.sandbox-name": "shop-1", "io.kubernetes.cri.image-name": "shop:2",
            "io.kubernetes.cri.sandbox-namespace": "prod", "io.kubernetes.cri.sandbox-uid": "u-1"}})");
  const Labels labels = {
      {"namespace", "prod"}, {"pod", "shop-1"}, {"container", "web"}, {"image", "shop:2"}};
  const auto found =
      names("/kubepods.slice/kubepods-pod" + kUid + ".slice/cri-containerd-" + kId + ".scope");
  EXPECT_EQ(found.labels, labels);
  EXPECT_EQ(found.info, (Labels{{"pod_uid", "u-1"}, {"container_id", kId}}));
  EXPECT_TRUE(found.final);
  // What is within a container is the container.
  EXPECT_EQ(names("/kubepods/pod" + kUid + "/" + kId + "/init").labels, labels);
}

TEST_F(CgroupNames, ASandboxIsThePodItself) {
  write("run/containerd/io.containerd.runtime.v2.task/k8s.io/" + kId + "/config.json",
        R"({"annotations": {"io.kubernetes.cri.container-type": "sandbox",
            "io.kubernetes.cri.sandbox-name": "shop-1",
            "io.kubernetes.cri.sandbox-namespace": "prod"}})");
  EXPECT_EQ(names("/kubepods/" + kId).labels,
            (Labels{{"namespace", "prod"}, {"pod", "shop-1"}, {"container", "POD"}}));
}

TEST_F(CgroupNames, CriOAndItsHelper) {
  write("run/containers/storage/overlay-containers/" + kId + "/userdata/config.json",
        R"({"annotations": {"io.kubernetes.container.name": "db", "io.kubernetes.pod.name": "db-0",
            "io.kubernetes.pod.namespace": "data", "io.kubernetes.pod.uid": "u-2",
            "io.kubernetes.cri-o.ImageName": "db:1"}})");
  EXPECT_EQ(
      names("/kubepods.slice/crio-" + kId + ".scope").labels,
      (Labels{{"namespace", "data"}, {"pod", "db-0"}, {"container", "db"}, {"image", "db:1"}}));
  EXPECT_EQ(names("/system.slice/crio-conmon-" + kId + ".scope").labels,
            (Labels{{"systemd_unit", "crio-conmon-" + kId + ".scope"}}));
}

TEST_F(CgroupNames, Podman) {
  const std::string storage = "var/lib/containers/storage/overlay-containers/";
  write(storage + kId + "/userdata/config.json", R"({"annotations": {}})");
  write(storage + "containers.json",
        R"([{"id": "x"}, {"id": ")" + kId +
            R"(", "metadata": "{\"image-name\": \"busy:1\", \"name\": \"job\"}"}])");
  EXPECT_EQ(names("/machine.slice/libpod-" + kId + ".scope").labels,
            (Labels{{"container", "job"}, {"image", "busy:1"}}));
}

TEST_F(CgroupNames, Docker) {
  write("var/lib/docker/containers/" + kId + "/config.v2.json",
        R"({"Name": "/cache", "Config": {"Image": "cache:7", "Labels": {}}})");
  const Labels labels = {{"container", "cache"}, {"image", "cache:7"}};
  EXPECT_EQ(names("/docker/" + kId).labels, labels);
  EXPECT_EQ(names("/system.slice/docker-" + kId + ".scope").labels, labels);
}

TEST_F(CgroupNames, RuncByHand) {
  write("run/runc/box/state.json", R"({"config": {"labels": ["a=b", "bundle=/bundles/box"]}})");
  EXPECT_EQ(names("/box").labels, (Labels{{"container", "box"}}));
  EXPECT_EQ(names("/box").info, (Labels{{"container_id", "box"}}));
  write("bundles/box/config.json",
        R"({"annotations": {"org.opencontainers.image.ref.name": "busybox:1"}})");
  EXPECT_EQ(names("/box").labels, (Labels{{"image", "busybox:1"}, {"container", "box"}}));
}

TEST_F(CgroupNames, UnitsAndWhatHasNoName) {
  EXPECT_EQ(names("/system.slice/ssh.service").labels, (Labels{{"systemd_unit", "ssh.service"}}));
  EXPECT_EQ(names("/user.slice/user@0.service/app").labels,
            (Labels{{"systemd_unit", "user@0.service"}}));
  EXPECT_TRUE(names("/").labels.empty());
  EXPECT_TRUE(names("/").final);
  EXPECT_TRUE(names("/a/b").labels.empty());
  EXPECT_FALSE(names("/a/b").final) << "its runtime may not have written its state yet";
  EXPECT_EQ(names("/docker/" + kId).info, (Labels{{"container_id", kId}}));
  EXPECT_FALSE(names("/docker/" + kId).final);
}

TEST_F(CgroupNames, StateThatIsNoneIsNotBelieved) {
  for (const char* text : {"", "[1]", "{", R"({"annotations": 3})", R"({"Name": 4, "Config": []})",
                           R"({"config": {"labels": {"bundle": 1}}})"}) {
    write("run/containerd/io.containerd.runtime.v2.task/default/" + kId + "/config.json", text);
    write("var/lib/docker/containers/" + kId + "/config.v2.json", text);
    write("run/runc/box/state.json", text);
    for (const auto& label : names("/docker/" + kId).labels) {
      EXPECT_EQ(label, (std::pair<std::string, std::string>("container", kId.substr(0, 12))));
    }
    for (const auto& label : names("/box").labels) {
      EXPECT_EQ(label, (std::pair<std::string, std::string>("container", "box")));
    }
  }
  write("run/runc/../state.json", "{}");
  EXPECT_TRUE(names("/a/..").labels.empty());
}

}  // namespace
}  // namespace rezolus
