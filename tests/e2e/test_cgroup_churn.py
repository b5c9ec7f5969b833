# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Ten thousand cgroups that come and go, more at a time than there are slots, while somebody scrapes at
10 Hz: no series stays, and no event is lost."""

import contextlib
import os
import re
import threading
import time
from collections import deque
from pathlib import Path

import pytest

from conftest import wait_for

CGROUPS = 10_000
# At a time; there are slots for 255.
ALIVE = 300
# Every so many have a process.
STEP = 4
YIELDS = 20


def hierarchy():
    """Where cgroups are named: that of the cpu controller, or version 2."""
    version_2 = None
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, tail = line.partition(" - ")
        kind, _, options = tail.split(" ", 2)
        if kind == "cgroup" and "cpu" in options.split(","):
            return Path(fields.split()[4])
        if kind == "cgroup2":
            version_2 = version_2 or Path(fields.split()[4])
    return version_2


def run_in(cgroup):
    """A process there that makes a known number of system calls."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(OSError):
            (cgroup / "cgroup.procs").write_text("0")
            for _ in range(YIELDS):
                os.sched_yield()
            os._exit(0)
        os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def remove(cgroup):
    for _ in range(200):
        with contextlib.suppress(OSError):
            cgroup.rmdir()
            return
        time.sleep(0.01)
    pytest.fail(f"{cgroup} cannot be removed")


def values(page, name, **labels):
    found = {}
    for text, value in re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", page, re.MULTILINE):
        has = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', text))
        if all(has.get(key) == wanted for key, wanted in labels.items()):
            found[text] = (has, float(value))
    return list(found.values())


def total(page, name, **labels):
    return sum(value for _, value in values(page, name, **labels))


@pytest.mark.long
def test_ten_thousand_cgroups(own_agent):
    agent = own_agent(settings='[metrics]\ndetail = "full"\n')
    mount = hierarchy()
    if mount is None:
        pytest.skip("no cgroup hierarchy is mounted")

    def page():
        return agent.get("/metrics").decode()

    def cgroups(text):
        return {has["cgroup"] for has, _ in values(text, "rezolus_cgroup_info")}

    wait_for(lambda: "/" in cgroups(page()), "the cgroups that there are")
    time.sleep(2)
    before = page()
    failures, scrapes, most = [], [0], [0]
    done = threading.Event()

    def scrape():
        while not done.wait(0.1):
            try:
                agent.get("/metrics/binary")
                scrapes[0] += 1
                if scrapes[0] % 20 == 0:  # the page is several megabytes
                    shown = agent.get("/metrics").count(b"\nrezolus_cgroup_info{")
                    most[0] = max(most[0], shown)
            except OSError as error:
                failures.append(error)

    scraper = threading.Thread(target=scrape)
    scraper.start()
    alive, ran = deque(), 0
    try:
        for i in range(CGROUPS):
            cgroup = mount / f"rezolus_churn_{os.getpid()}_{i}"
            cgroup.mkdir()
            alive.append(cgroup)
            if i % STEP == 0:
                ran += run_in(cgroup)
            if len(alive) > ALIVE:
                remove(alive.popleft())
    finally:
        while alive:
            remove(alive.popleft())
        done.set()
        scraper.join()
    assert not failures
    assert ran == (CGROUPS + STEP - 1) // STEP
    assert scrapes[0] > 10
    assert 0 < most[0] <= 256
    # Walks are once a second; what is gone has no series then.
    wait_for(lambda: not [name for name in cgroups(page()) if "rezolus_churn" in name],
             "the series to go", 30)
    time.sleep(3)
    after = page()
    assert "rezolus_churn" not in after
    assert len(cgroups(after)) <= len(cgroups(before)) + 5, "back to those that live"

    def grown(name, **labels):
        return total(after, name, **labels) - total(before, name, **labels)

    # The calls are in `exited` and in `other`, but for a few that a virtual machine's kernel skips.
    calls = ran * YIELDS
    gone = sum(grown("rezolus_cgroup_syscalls_total", op="yield", cgroup=cgroup)
               for cgroup in ("exited", "other"))
    assert gone >= calls * 0.99
    assert grown("rezolus_cgroup_syscalls_total", op="yield", cgroup="other") > 0
    assert grown("rezolus_agent_cgroup_folded_events_total", for_want_of="slot") > 0
    # Parts are read before their total, so that on a host at work they are a bit behind.
    for part, whole in (("rezolus_cgroup_syscalls_total", "rezolus_syscalls_total"),
                        ("rezolus_cgroup_context_switches_total",
                         "rezolus_scheduler_context_switches_total"),
                        ("rezolus_cgroup_preemptions_total", None)):
        if whole is None:
            switches = total(after, "rezolus_scheduler_context_switches_total", kind="involuntary")
            assert switches * 0.99 <= total(after, part) <= switches, part
        else:
            assert total(after, whole) * 0.99 <= total(after, part) <= total(after, whole), part
