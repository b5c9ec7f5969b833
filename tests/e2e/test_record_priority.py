# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`rezolus record --priority`: the class of the sampling thread, and a frozen disk."""

import json
import os
import pathlib
import subprocess
import time

import pytest

from conftest import need_realtime, rezolus, tool, wait_for

FROZEN_S = 5


def sampling_thread(pid):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "sampling":
            return int(task.name)
    return None


def niceness(thread):
    return os.getpriority(os.PRIO_PROCESS, thread)


def locked_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmLck:"):
            return int(line.split()[1])
    return 0


CLASSES = {"auto": os.SCHED_RR, "normal": os.SCHED_OTHER, "high": os.SCHED_OTHER,
           "realtime": os.SCHED_FIFO}


@pytest.mark.parametrize("priority", CLASSES)
def test_it_is_the_sampling_threads_alone(tmp_path, start, priority):
    if CLASSES[priority] != os.SCHED_OTHER:
        need_realtime()
    output = tmp_path / "run.rezlog"
    process = start("record", "-i", "100ms", "--priority", priority, output)
    pid = process.popen.pid
    log = pathlib.Path(f"{output}.rezlog")
    wait_for(lambda: log.exists() and log.stat().st_size > 0, "a sample")
    if sampling_thread(pid) is None:
        pytest.skip("an agent answers on the default address, so no samplers run in the command")
    thread = sampling_thread(pid)
    assert os.sched_getscheduler(thread) == CLASSES[priority]
    assert niceness(thread) == (-20 if priority == "high" else niceness(pid))
    assert os.sched_getscheduler(pid) == os.SCHED_OTHER
    assert (locked_kib(pid) > 0) == (priority in ("high", "realtime"))
    process.signal(2)
    result = process.finish()
    assert result.returncode == 0, result.stderr
    assert "--priority" not in result.stderr


@pytest.mark.parametrize("policy, expected, shown", [
    ("auto", os.SCHED_RR, "round_robin 15"), ("normal", os.SCHED_OTHER, "normal"),
    ("fifo", os.SCHED_FIFO, "fifo 15")])
def test_an_agents_sampling_thread_has_its_class_and_no_capability(own_agent, policy, expected,
                                                                  shown):
    if expected != os.SCHED_OTHER:
        need_realtime()
    agent = own_agent(settings=f'[scheduler]\npolicy = "{policy}"\n')
    pid = agent.process.popen.pid
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        sampling = (task / "comm").read_text().strip() == "sampling"
        assert os.sched_getscheduler(int(task.name)) == (expected if sampling else os.SCHED_OTHER)
        for line in (task / "status").read_text().splitlines():
            if line.startswith(("CapEff:", "CapPrm:")):
                assert int(line.split()[1], 16) == 0, (task, line)
    assert agent.json("/status")["scheduler"] == shown
    assert agent.json("/metrics/json")


def test_an_agent_that_may_not_stays_as_it_is(own_agent):
    """Without CAP_SYS_NICE and RLIMIT_RTPRIO, or started with a niceness, auto is content; who asked for
    more is told."""
    without = ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice"]
    agent = own_agent(through=without)
    pid = agent.process.popen.pid
    assert os.sched_getscheduler(sampling_thread(pid)) == os.SCHED_OTHER
    status = agent.json("/status")
    assert status["scheduler"] == "normal" and "scheduler_error" not in status
    assert agent.stop().returncode == 0
    nice = own_agent(through=["nice", "-n", "5"])
    assert nice.json("/status")["scheduler"] == "normal, niceness 5"
    assert nice.stop().returncode == 0
    told = own_agent(through=without, settings='[scheduler]\npolicy = "fifo"\n')
    status = told.json("/status")
    assert status["scheduler"] == "normal" and "CAP_SYS_NICE" in status["scheduler_error"]
    assert "real-time priority 15" in told.stop().stderr


def test_it_says_when_it_has_no_effect(tmp_path, agent):
    result = rezolus("record", "-d", "1s", "--priority", "high", agent.url, tmp_path / "a.rezlog")
    assert result.returncode == 0, result.stderr
    assert "--priority has no effect" in result.stderr


def test_an_unknown_one_is_wrong_usage(tmp_path):
    result = rezolus("record", "--priority", "fast", tmp_path / "a.rezlog")
    assert result.returncode == 2
    assert "auto, normal, high or realtime" in result.stderr


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own, which can be frozen."""
    mount = tmp_path / "disk"
    mount.mkdir()
    image = tmp_path / "image"
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    subprocess.run([tool("mkfs.ext4"), "-q", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, mount], check=False,
                             capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no loop device can be mounted here: {mounted.stderr.strip()}")
    yield mount
    subprocess.run(["fsfreeze", "-u", mount], check=False, capture_output=True)
    subprocess.run(["umount", mount], check=True)


def test_a_frozen_disk_loses_no_tick(disk, start):
    output = disk / "run.rezlog"
    process = start("record", "-i", "10ms", "-d", f"{FROZEN_S + 3}s", "--priority", "realtime",
                    output)
    log = pathlib.Path(f"{output}.rezlog")
    wait_for(lambda: log.exists() and log.stat().st_size > 0, "a sample")
    subprocess.run([tool("fsfreeze"), "-f", disk], check=True)
    time.sleep(FROZEN_S)
    subprocess.run([tool("fsfreeze"), "-u", disk], check=True)
    result = process.finish(60)
    assert result.returncode == 0, result.stderr
    told = rezolus("recording", "info", "--json", output)
    info = json.loads(told.stdout)[0]
    # The CPU may be somebody else's for a while; the disk is what must cost nothing.
    assert not [gap for gap in info["gaps"] if "disk" in gap["reason"]]
    due = (FROZEN_S + 3) * 100
    assert info["ticks"] + info["missed"] >= due
    assert info["missed"] <= due // 10
