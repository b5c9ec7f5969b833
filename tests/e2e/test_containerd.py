# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A pod as a kubelet would start it, through containerd's CRI: what /metrics calls its containers."""

import os
import re
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from conftest import wait_for
from containerd import IMAGE, LOCAL_DISK, STATE, Containerd


@pytest.fixture
def containerd_folder():
    folder = Path(tempfile.mkdtemp(prefix="rz", dir=LOCAL_DISK))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def containerd(containerd_folder):
    daemon = Containerd(containerd_folder)
    try:
        yield daemon
    finally:
        daemon.end()


def samples(page, name, **labels):
    """Labels and value of each sample of a metric that has these labels."""
    found = []
    for text, value in re.findall(rf"^{name}{{(.*)}} (\S+)$", page, re.MULTILINE):
        has = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', text))
        if all(has.get(key) == wanted for key, wanted in labels.items()):
            found.append((has, float(value)))
    return found


def test_pods_have_the_names_that_kubernetes_gives_them(agent, containerd):
    def page():
        return agent.get("/metrics").decode()

    def cpu(**labels):
        return samples(page(), "rezolus_cgroup_cpu_seconds_total", **labels)

    page()
    uid = f"0f1e2d3c-0000-4000-8000-{os.getpid():012x}"
    cgroup = f"/kubepods/burstable/pod{uid}"
    pod = containerd.run_pod("web-0", "shop", uid, cgroup)
    spin = ["/bin/sh", "-c", "while :; do :; done"]
    worker = containerd.run_container("worker", pod, spin)
    started = time.monotonic()
    wait_for(lambda: cpu(container="worker", pod="web-0", namespace="shop"), "the container's names")
    appeared = time.monotonic() - started
    assert appeared < 5, f"{appeared:.1f} s after the start, on a host however loaded"
    (labels, first), = cpu(container="worker", pod="web-0", namespace="shop")
    assert labels["image"] == IMAGE
    assert "cgroup" not in labels and "container_id" not in labels
    time.sleep(1)
    assert cpu(container="worker", pod="web-0")[0][1] > first + 0.1, "it spins, and is charged"
    (info, _), = samples(page(), "rezolus_cgroup_info", container="worker", pod="web-0")
    assert info["container_id"] == worker
    assert info["pod_uid"] == uid
    assert info["cgroup"] == f"{cgroup}/{worker}"
    assert cpu(container="POD", pod="web-0", namespace="shop"), "the one that holds the namespaces"
    # One that sleeps is not charged what its neighbour does.
    containerd.run_container("sleeper", pod, ["/bin/busybox", "sleep", "1000"])
    wait_for(lambda: cpu(container="sleeper", pod="web-0"), "the second container's names")
    assert cpu(container="sleeper", pod="web-0")[0][1] < 1
    # Started anew, it is another container with the same names.
    containerd.stop_container(worker)
    wait_for(lambda: not cpu(container="worker"), "the first container's series to go")
    again = containerd.run_container("worker", pod, spin)
    wait_for(lambda: cpu(container="worker", pod="web-0"), "the container's names again")
    (info, _), = samples(page(), "rezolus_cgroup_info", container="worker", pod="web-0")
    assert info["container_id"] == again
    for container in list(containerd.containers):
        containerd.stop_container(container)
    containerd.stop_pod(pod[0])
    wait_for(lambda: "web-0" not in page(), "the pod's series to go")


def test_a_daemon_whose_images_cannot_be_made_is_ended(containerd_folder):
    class WithoutImages(Containerd):
        def import_image(self, image):
            started.append(self)
            raise RuntimeError("no image")

    started = []
    with pytest.raises(RuntimeError, match="no image"):
        WithoutImages(containerd_folder)
    assert started[0].process.poll() is not None
    assert not STATE.exists()


def test_a_daemon_ends_although_a_container_cannot_be_stopped(containerd_folder):
    def no_answer(*_):
        raise RuntimeError("no answer")

    daemon = Containerd(containerd_folder)
    daemon.containers.append("nobody-knows-it")
    daemon.call = no_answer
    with pytest.raises(RuntimeError, match="no answer"):
        daemon.end()
    assert daemon.process.poll() is not None
    assert not STATE.exists()
