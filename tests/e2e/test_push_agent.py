# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The agent itself pushes."""

import json
import os
import re
import signal
import time
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families as text

from conftest import Process, free_port, rezolus, wait_for
from test_push import pytestmark, receiver  # noqa: F401
from test_push_otlp import ENDED, Receiver as OtlpReceiver

SWITCHES = "rezolus_scheduler_context_switches_total"


class Pusher:
    """An agent of the test's own, with [[push]]."""

    def __init__(self, folder, request, targets, interval="100ms"):
        self.url = f"http://127.0.0.1:{free_port()}"
        self.request = request
        self.config = folder / "agent.toml"
        self.config.write_text(
            f'[general]\nlisten = "{self.url.removeprefix("http://")}"\n'
            f'instance = "push-{os.getpid()}"\n{targets}\n'
            f'[push_queue]\nfolder = "{folder}/queue"\ninterval = "{interval}"\n')
        self.start()

    def start(self):
        self.process = Process(self.config)
        self.request.addfinalizer(self.process.kill)
        wait_for(self.answers, "the agent to answer", timeout=40)

    def answers(self):
        if self.process.popen.poll() is not None:
            pytest.fail("the agent ended: " + self.process.finish().stderr)
        try:
            return self.get("/readyz")
        except OSError:
            return False

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return answer.read().decode()

    def page(self):
        return {family.name: family for family in text(self.get("/metrics"))}

    def own(self, metric):
        return float(re.search(rf"^rezolus_agent_push_{metric}(?:_total)?(?:{{.*}})? (\S+)$",
                               self.get("/metrics"), re.MULTILINE)[1])

    def stop(self):
        self.process.signal(signal.SIGTERM)
        return self.process.finish()


@pytest.fixture
def otlp(request):
    made = OtlpReceiver()
    request.addfinalizer(made.close)
    return made


def remote_write(receiver):
    return (f'[[push]]\nname = "prometheus"\nurl = "http://127.0.0.1:{receiver.port}/api/v1/write"\n'
            'batch_delay = "300ms"\n')


def test_two_receivers_get_what_the_page_says(request, tmp_path, receiver, otlp):  # noqa: F811
    agent = Pusher(tmp_path, request, remote_write(receiver) +
                   f'[[push]]\nname = "otel"\nprotocol = "otlp"\nurl = "{otlp.url}"\n'
                   'batch_delay = "300ms"\n')
    wait_for(lambda: len((receiver.query(f"{SWITCHES}[1m]") or [(0, [])])[0][1]) > 5, "some ticks")
    wait_for(lambda: len(otlp.times("rezolus.scheduler_context_switch")) > 5, "the same by OTLP")
    # The page and the pushes are of the same counters, and these only grow.
    before = agent.page()["rezolus_scheduler_context_switches"].samples
    asked = time.time()
    wait_for(lambda: float(receiver.query(f"timestamp({SWITCHES})")[0][1][0][1]) > asked, "a tick")
    after = agent.page()["rezolus_scheduler_context_switches"].samples
    for low, high in zip(before, after):
        kind = low.labels["kind"]
        (series,) = [values for labels, values in receiver.query(f"{SWITCHES}[20s]")
                     if labels["kind"] == kind]
        now = min(float(value) for when, value in series if when > asked)
        assert low.value <= now <= high.value
    wait_for(lambda: receiver.query("rezolus_agent_push_up"), "families of the agent's process")
    (up,) = receiver.query('rezolus_agent_push_up{target="prometheus"}')
    assert up[0]["instance"] == os.uname().nodename and up[1][0][1] == "1"
    assert receiver.query("rezolus_agent_sampler_up")
    status = json.loads(agent.get("/status"))["push"]
    assert [target["target"] for target in status] == ["prometheus", "otel"]
    assert all(target["problem"] == "" and target["sent_samples"] > 0 for target in status)
    assert otlp.resources[-1]["host.name"] == os.uname().nodename
    assert not otlp.problems
    # No thread that talks to others has a capability.
    for task in os.listdir(f"/proc/{agent.process.popen.pid}/task"):
        state = open(f"/proc/{agent.process.popen.pid}/task/{task}/status").read()
        assert int(re.search(r"^CapEff:\s*(\S+)", state, re.MULTILINE)[1], 16) == 0
    assert agent.stop().returncode == 0


def test_an_outage_and_a_restart_lose_nothing_that_was_queued(request, tmp_path, otlp):
    agent = Pusher(tmp_path, request,
                   f'[[push]]\nname = "otel"\nprotocol = "otlp"\nurl = "{otlp.url}"\n'
                   'batch_delay = "300ms"\n')
    name = "rezolus.scheduler_context_switch"
    wait_for(lambda: otlp.times(name), "the first tick")
    take = otlp.answer
    otlp.answer = lambda request: (503, {}, type(take(request)[2])())
    wait_for(lambda: agent.own("up") == 0, "the outage")
    # Measuring goes on meanwhile, as fast as ever.
    assert agent.get("/metrics")
    time.sleep(1)
    assert agent.stop().returncode == 0
    ended = time.time()
    agent.start()
    begun = time.time()
    time.sleep(1.5)
    otlp.answer = take
    wait_for(lambda: agent.own("up") == 1 and agent.own("oldest_seconds") < 1, "the rest",
             timeout=60)
    asked = time.time()
    wait_for(lambda: otlp.times(name)[-1] > asked, "the last tick")
    times = otlp.times(name)
    assert times == sorted(set(times)), "in order, and none twice"
    missed = agent.own("missed_ticks")
    for life in ([when for when in times if when <= ended],
                 [when for when in times if begun < when <= asked]):
        assert len(life) > 8
        gaps = [later - earlier for earlier, later in zip(life, life[1:])]
        assert sum(round(gap / 0.1) - 1 for gap in gaps if gap > 0.15) <= missed + 2
    for lost in ("refused_samples", "lost_ticks", "queue_lost_ticks"):
        assert agent.own(lost) == 0
    # The agent began to count anew, and so did the run.
    starts = [point.start_time_unix_nano / 1e9 for _, _, _, point in otlp.all()[name]
              if point.flags != ENDED and point.time_unix_nano / 1e9 > begun]
    assert min(starts) > ended - 1


def test_a_queue_that_cannot_be_written_is_said(tmp_path):
    config = tmp_path / "agent.toml"
    (tmp_path / "file").write_text("")
    config.write_text(f'[general]\nlisten = "127.0.0.1:0"\ninstance = "push-no-{os.getpid()}"\n'
                      '[[push]]\nurl = "http://127.0.0.1:9/write"\n'
                      f'[push_queue]\nfolder = "{tmp_path}/file/queue"\n')
    assert rezolus("check", config).returncode == 0
    result = rezolus(config)
    assert result.returncode == 1
    assert "[push_queue] folder" in result.stderr
    config.write_text('[[push]]\nurl = "http://db/write"\n[push_queue]\ninterval = "1ms"\n')
    result = rezolus("check", config)
    assert result.returncode == 2 and "100ms" in result.stderr
