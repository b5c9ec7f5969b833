# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A container that runc starts, as /metrics calls it."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest

from conftest import tool, wait_for


@pytest.fixture
def container(tmp_path):
    """start(): runs a busy shell from busybox in a container of that name; returns a way to end it."""
    runc, busybox = tool("runc"), tool("busybox")
    name = f"rezolus-e2e-{os.getpid()}"
    (tmp_path / "rootfs/bin").mkdir(parents=True)
    shutil.copy(busybox, tmp_path / "rootfs/bin/busybox")
    (tmp_path / "rootfs/bin/sh").symlink_to("busybox")
    subprocess.run([runc, "spec"], cwd=tmp_path, check=True, timeout=20)
    spec = json.loads((tmp_path / "config.json").read_text())
    spec["process"]["terminal"] = False
    spec["process"]["args"] = ["/bin/sh", "-c", "while :; do :; done"]
    spec["annotations"] = {"org.opencontainers.image.ref.name": 'busy"box:1'}
    (tmp_path / "config.json").write_text(json.dumps(spec))
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "timeout": 30}

    def start():
        ran = subprocess.run([runc, "run", "--detach", name], cwd=tmp_path, check=False,
                             stderr=subprocess.DEVNULL, **quiet)
        if ran.returncode != 0:
            pytest.skip(f"runc cannot start a container here (status {ran.returncode})")
        return name

    def end():
        subprocess.run([runc, "delete", "--force", name], check=False, stderr=subprocess.DEVNULL,
                       **quiet)

    start.end = end
    yield start
    end()


def seconds(page, name):
    """The container's CPU time, or None where the page has no such container."""
    found = re.search(rf'^rezolus_cgroup_cpu_seconds_total{{([^}}]*container="{name}"[^}}]*)}} (\S+)',
                      page, re.MULTILINE)
    return (found.group(1), float(found.group(2))) if found else None


def test_a_container_has_its_names_and_goes(agent, container):
    def page():
        return agent.get("/metrics").decode()

    page()
    name = container()
    wait_for(lambda: seconds(page(), name) is not None and 'image=' in seconds(page(), name)[0],
             "the container to have its names")
    labels, first = seconds(page(), name)
    assert 'image="busy\\"box:1"' in labels
    assert "cgroup=" not in labels
    time.sleep(1)
    assert seconds(page(), name)[1] > first + 0.1, "it spins, and is charged while it does"
    info = re.findall(r"^rezolus_cgroup_info{(.*)} 1$", page(), re.MULTILINE)
    mine = [line for line in info if f'container_id="{name}"' in line]
    assert len(mine) == 1
    assert re.search(rf'cgroup="[^"]*/{name}"', mine[0])
    container.end()
    wait_for(lambda: name not in page(), "the container's series to go")


def test_system_call_latency_by_class(own_agent):
    agent = own_agent(settings='[metrics]\ndetail = "full"\n'
                               '[cgroups]\nsyscall_latency_by_class = true\n')

    def counts(family):
        """By class, all cgroups together; the class is None where a series has no label `op`."""
        found = {}
        for labels, count in re.findall(rf"^{family}_count{{(.*)}} (\d+)$",
                                        agent.get("/metrics").decode(), re.MULTILINE):
            op = re.search(r'\bop="(\w+)"', labels)
            op = op and op.group(1)
            found[op] = found.get(op, 0) + int(count)
        return found

    parts = counts("rezolus_cgroup_syscall_latency_seconds")
    whole = counts("rezolus_syscall_latency_seconds")  # read later: it only grows
    assert set(parts) == set(whole) - {"poll", "lock", "sleep", "timer", "event", "process"}
    assert sum(parts.values()) > 0
    assert {op: count for op, count in parts.items() if count > whole[op]} == {}
