# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A containerd of a test's own, and the calls of its CRI that a kubelet makes: gRPC by curl, with the
messages of Kubernetes' own definition."""

import contextlib
import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from conftest import ROOT, tool

PROTOCOLS = ROOT / ".deps/protocols"
# Where the agent looks for the state of containers; a test's daemon has to keep it there.
STATE = Path("/run/containerd")
IMAGE = "docker.io/rezolus/busybox:1"
PAUSE = "docker.io/rezolus/pause:1"
LOCAL_DISK = Path("/var/tmp")


def messages(folder):
    """The messages of the CRI by name."""
    if not (PROTOCOLS / "cri/api.proto").exists():
        pytest.skip("the CRI's definition is not in .deps/protocols; scripts/setup fetches it")
    described = folder / "cri.pb"
    subprocess.run([tool("protoc"), f"--descriptor_set_out={described}", "--include_imports",
                    f"-Igithub.com/gogo/protobuf/gogoproto={PROTOCOLS / 'gogoproto'}",
                    f"-I{PROTOCOLS / 'cri'}", "api.proto"], check=True, timeout=60)
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(described.read_bytes()).file:
        pool.Add(file)
    return lambda name: message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"runtime.v1.{name}"))


def write_image(path, busybox):
    """An image of nothing but busybox, under both names, in the layout of OCI."""
    blobs = {}

    def add(content):
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"digest": f"sha256:{digest}", "size": len(content)}

    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for folder in ("bin", "etc", "proc", "sys", "dev", "tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        tar.add(busybox, "bin/busybox")
        shell = tarfile.TarInfo("bin/sh")
        shell.type, shell.linkname = tarfile.SYMTYPE, "busybox"
        tar.addfile(shell)
    content = layer.getvalue()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    config = add(json.dumps({
        "architecture": machine, "os": "linux", "config": {"Cmd": ["/bin/busybox", "sleep", "3600"]},
        "rootfs": {"type": "layers",
                   "diff_ids": ["sha256:" + hashlib.sha256(content).hexdigest()]}}).encode())
    kind = "application/vnd.oci.image"
    manifest = add(json.dumps({
        "schemaVersion": 2, "mediaType": f"{kind}.manifest.v1+json",
        "config": {"mediaType": f"{kind}.config.v1+json", **config},
        "layers": [{"mediaType": f"{kind}.layer.v1.tar", **add(content)}]}).encode())
    index = {"schemaVersion": 2, "manifests": [
        {"mediaType": f"{kind}.manifest.v1+json", **manifest,
         "annotations": {"io.containerd.image.name": name}} for name in (IMAGE, PAUSE)]}
    with tarfile.open(path, "w") as tar:
        files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
                 "index.json": json.dumps(index).encode(),
                 **{f"blobs/sha256/{digest}": content for digest, content in blobs.items()}}
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def remove_cgroup(path):
    """In every hierarchy, with the folders above it that are empty then: a kubelet's work."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()
              if " - cgroup" in line]
    for mount in mounts:
        folder = Path(mount + path)
        while folder != Path(mount):
            with contextlib.suppress(OSError):
                folder.rmdir()
            folder = folder.parent


class Containerd:
    """Started in a folder; end() stops it and what it runs. A test is skipped, with the reason, where
    containerd cannot run."""

    def __init__(self, folder):
        if (STATE / "containerd.sock").exists() or (STATE / "io.containerd.runtime.v2.task").exists():
            pytest.skip(f"a containerd has its state in {STATE} already")
        self.message = messages(folder)
        # Unix sockets have short paths.
        self.socket = folder / "c.sock"
        self.pods, self.containers, self.cgroups = [], [], []
        config = folder / "config.toml"
        config.write_text(f"""
version = 2
root = "{folder}/root"
state = "{STATE}"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.internal.v1.opt"]
[grpc]
  address = "{self.socket}"
[ttrpc]
  address = "{folder}/t.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  disable_tcp_service = true
  enable_selinux = false
  disable_apparmor = true
  disable_cgroup = false
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  BinaryName = "{tool('runc')}"
""")
        program = Path(tool("containerd"))
        environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}:/usr/sbin:/sbin"}
        self.log = folder / "containerd.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([program, "--config", config], stdout=log, stderr=log,
                                            env=environment)
        if not self.answers():
            self.end()
            pytest.skip("containerd does not start here: " + self.log.read_text()[-600:])
        try:
            self.import_image(folder / "image.tar")
        except BaseException:  # also a skip: nobody else can end it yet
            self.end()
            raise

    def import_image(self, image):
        write_image(image, tool("busybox"))
        subprocess.run([tool("ctr"), "--address", self.socket, "--namespace", "k8s.io", "images",
                        "import", "--snapshotter", "native", image], check=True, timeout=60,
                       stdout=subprocess.DEVNULL)

    def answers(self):
        for _ in range(150):
            if self.process.poll() is not None:
                return False
            try:
                self.call("Version", "VersionRequest", "VersionResponse", {})
                return True
            except RuntimeError:
                time.sleep(0.2)
        return False

    def call(self, method, request, response, fields, timeout=30):
        """One call of the RuntimeService; its answer, or a RuntimeError."""
        body = self.message(request)(**fields).SerializeToString()
        ran = subprocess.run(
            ["curl", "-sS", "--http2-prior-knowledge", "--unix-socket", self.socket, "--max-time",
             str(timeout), "-H", "content-type: application/grpc", "-H", "te: trailers",
             "-D", "/dev/stderr", "--data-binary", "@-",
             f"http://containerd/runtime.v1.RuntimeService/{method}"],
            input=struct.pack(">BI", 0, len(body)) + body, capture_output=True, check=False,
            timeout=timeout + 10)
        if ran.returncode != 0 or len(ran.stdout) < 5:
            raise RuntimeError(f"{method}: {ran.stderr.decode(errors='replace')}")
        return self.message(response).FromString(ran.stdout[5:])

    def run_pod(self, name, namespace, uid, cgroup):
        """A pod's sandbox in the host's network, so that no network plug-in is needed."""
        config = {"metadata": {"name": name, "namespace": namespace, "uid": uid, "attempt": 0},
                  "log_directory": str(self.log.parent),
                  "linux": {"cgroup_parent": cgroup,
                            "security_context": {"namespace_options": {"network": "NODE"}}}}
        self.cgroups.append(cgroup)
        answer = self.call("RunPodSandbox", "RunPodSandboxRequest", "RunPodSandboxResponse",
                           {"config": config})
        self.pods.append(answer.pod_sandbox_id)
        return answer.pod_sandbox_id, config

    def run_container(self, name, pod, command):
        pod_id, pod_config = pod
        made = self.call("CreateContainer", "CreateContainerRequest", "CreateContainerResponse", {
            "pod_sandbox_id": pod_id, "sandbox_config": pod_config,
            "config": {"metadata": {"name": name, "attempt": 0}, "image": {"image": IMAGE},
                       "command": command, "log_path": f"{name}.log", "linux": {}}})
        self.containers.append(made.container_id)
        self.call("StartContainer", "StartContainerRequest", "StartContainerResponse",
                  {"container_id": made.container_id})
        return made.container_id

    def stop_container(self, container):
        self.call("StopContainer", "StopContainerRequest", "StopContainerResponse",
                  {"container_id": container, "timeout": 0})
        self.call("RemoveContainer", "RemoveContainerRequest", "RemoveContainerResponse",
                  {"container_id": container})
        self.containers.remove(container)

    def stop_pod(self, pod_id):
        self.call("StopPodSandbox", "StopPodSandboxRequest", "StopPodSandboxResponse",
                  {"pod_sandbox_id": pod_id})
        self.call("RemovePodSandbox", "RemovePodSandboxRequest", "RemovePodSandboxResponse",
                  {"pod_sandbox_id": pod_id})
        self.pods.remove(pod_id)

    def end(self):
        try:
            if self.process.poll() is None:
                self.stop_all()
        finally:
            if self.process.poll() is None:
                self.process.terminate()
                try:
                    self.process.wait(20)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
            for cgroup in self.cgroups:
                remove_cgroup(cgroup)
            shutil.rmtree(STATE, ignore_errors=True)

    def stop_all(self):
        """Whatever runs. One that cannot be stopped does not keep the others."""
        failures = []
        for stop, ids in ((self.stop_container, self.containers), (self.stop_pod, self.pods)):
            for each in list(ids):
                try:
                    stop(each)
                except (RuntimeError, subprocess.SubprocessError) as failure:
                    failures.append(failure)
        if failures:
            raise failures[0]
