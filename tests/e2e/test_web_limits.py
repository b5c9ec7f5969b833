# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Clients that mean no good leave the servers answering."""

import json
import pathlib
import ssl
import statistics
import subprocess
import sys
import time
import urllib.request

import pytest

from certificates import TLS, Authority
from conftest import free_port, tool, wait_for
from test_exporter import Exporter

# A median beyond this is wrong even on a host that does much else; and so is one that is so many
# times that of before, where that is more.
MEDIAN_SECONDS_MAX = 0.1
MEDIAN_RATIO_MAX = 20


@pytest.fixture
def attack(request):
    """attack(mode, port, count): clients of slow_clients.py in a process of their own."""
    def begin(mode, port, count):
        program = subprocess.Popen(
            [sys.executable, pathlib.Path(__file__).with_name("slow_clients.py"), mode, "127.0.0.1",
             str(port), str(count)], stdout=subprocess.PIPE, text=True)
        request.addfinalizer(program.wait)
        request.addfinalizer(program.kill)
        assert program.stdout.readline() == "ready\n"
        return program
    return begin


class Prober:
    """Asks for /healthz on a connection of its own each time, as a probe of Kubernetes does."""

    def __init__(self, url, context=None):
        handlers = [urllib.request.ProxyHandler({})]
        if context:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self.opener = urllib.request.build_opener(*handlers)
        self.url = url

    def get(self, path):
        with self.opener.open(self.url + path, timeout=30) as answer:
            return answer.read().decode()

    def median_seconds(self, count=60):
        taken = []
        for _ in range(count):
            begin = time.monotonic()
            assert self.get("/healthz") == "ok\n"
            taken.append(time.monotonic() - begin)
            time.sleep(0.02)
        return statistics.median(taken)


def check_attacks(attack, port, prober, what):
    before = prober.median_seconds()
    for mode, count in (("drip", 1000), ("silent", 1000), ("flood", 20)):
        attacker = attack(mode, port, count)
        during = prober.median_seconds()
        assert attacker.poll() is None
        print(f"{what}, {mode} by {count}: median {before * 1e3:.1f} ms before, "
              f"{during * 1e3:.1f} ms during")
        assert during < max(MEDIAN_SECONDS_MAX, MEDIAN_RATIO_MAX * before)
        attacker.kill()
        attacker.wait()
    return json.loads(prober.get("/status"))["http"]


def metric(prober, name):
    return [float(line.rpartition(" ")[2]) for line in prober.get("/metrics").splitlines()
            if line.startswith(name)][0]


def test_the_exporter(agent, start, tmp_path, attack):
    exporter = Exporter(start, tmp_path, agent.url)
    prober = Prober(exporter.url)
    counts = check_attacks(attack, int(exporter.url.rpartition(":")[2]), prober, "exporter")
    assert counts["connections_shed"] > 0
    assert counts["too_large"] > 0
    assert metric(prober, 'rezolus_exporter_http_refusals_total{reason="shed"}') > 0
    assert metric(prober, 'rezolus_exporter_http_refusals_total{reason="too_large"}') > 0
    wait_for(lambda: metric(prober, "rezolus_exporter_http_connections") < 20,
             "the connections to be gone", timeout=40)


def test_the_agent(own_agent, attack):
    agent = own_agent()
    counts = check_attacks(attack, agent.port, Prober(agent.url), "agent")
    assert counts["connections_shed"] > 0
    assert metric(Prober(agent.url), 'rezolus_agent_http_refusals_total{reason="shed"}') > 0


def test_with_tls(agent, start, tmp_path, attack):
    authority = Authority(tmp_path / "web", tool)
    port = free_port()
    config = tmp_path / "exporter.toml"
    config.write_text(f'[general]\nlisten = "127.0.0.1:{port}"\n[exporter]\nsource = "{agent.url}"\n'
                      f'[web]\nconfig_file = "{authority.web(TLS)}"\n')
    start("exporter", config)
    prober = Prober(f"https://localhost:{port}", ssl.create_default_context(cafile=authority.ca))

    def answers():
        try:
            return prober.get("/healthz")
        except OSError:
            return False

    wait_for(answers, "the exporter to answer")
    counts = check_attacks(attack, port, prober, "exporter with TLS")
    assert counts["connections_shed"] > 0
    assert counts["handshakes_failed"] > 0, "of those that speak plain HTTP"
