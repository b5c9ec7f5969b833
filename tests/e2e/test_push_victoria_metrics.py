# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The exporter pushes to VictoriaMetrics by remote write 1.0."""

import json
import math
import subprocess
import urllib.parse

import pytest
from prometheus_client.parser import text_string_to_metric_families as text

from conftest import free_port, tool, wait_for
from test_exporter import Exporter
from test_push import Receiver, key, pytestmark  # noqa: F401

SWITCHES = "rezolus_scheduler_context_switches_total"
LATENCY = "rezolus_scheduler_runqueue_latency_seconds"


class VictoriaMetrics(Receiver):
    """Debian's, which is written to."""

    def __init__(self, folder):
        self.port = free_port()
        self.folder = folder
        self.popen = None
        self.start()

    def start(self):
        self.popen = subprocess.Popen(
            [tool("victoria-metrics"), f"-storageDataPath={self.folder}/data",
             f"-httpListenAddr=127.0.0.1:{self.port}", "-search.latencyOffset=0s",
             "-memory.allowedBytes=128MiB"],
            stdout=subprocess.DEVNULL, stderr=(self.folder / "stderr").open("a"))
        wait_for(self.ready, "VictoriaMetrics", timeout=40)

    def ready(self):
        try:
            return self.get("/health")
        except OSError:
            return False

    def query(self, expression):
        self.get("/internal/force_flush")  # else it finds what is some seconds old
        return super().query(expression)

    def ticks(self, selector):
        """What it has stored: {time in ms: {series: value}}; the mark of a series that ended is no value."""
        self.get("/internal/force_flush")
        found = {}
        for line in self.get("/api/v1/export?" + urllib.parse.urlencode({"match[]": selector})).splitlines():
            series = json.loads(line)
            for when, value in zip(series["timestamps"], series["values"]):
                if isinstance(value, (int, float)) and not math.isnan(value):
                    found.setdefault(when, {})[key(series["metric"])] = value
        return found


@pytest.fixture
def receiver(request, tmp_path):
    made = VictoriaMetrics(tmp_path)
    request.addfinalizer(made.popen.wait)
    request.addfinalizer(lambda: made.popen.kill())
    return made


def test_classic_histograms_have_every_count(agent, start, tmp_path, receiver):
    exporter = Exporter(start, tmp_path, agent.url, receiver.push(tmp_path))
    wait_for(lambda: len(receiver.ticks(SWITCHES)) > 5, "some ticks", timeout=30)
    pages = []

    def take_page():
        page = {}
        for family in text(exporter.get("/metrics")):
            if family.name.startswith(("rezolus_exporter", "rezolus_build", "process_")):
                continue
            for sample in family.samples:
                page[key({"__name__": sample.name, **sample.labels})] = sample.value
        assert sum(1 for labels in page if ("__name__", LATENCY + "_bucket") in labels) == 14
        pages.append(page)

    def differences(tick, page):
        """It keeps twelve decimal digits or so, by what is stored together."""
        return sorted(tick.keys() ^ page.keys()) + [
            (labels, tick[labels], page[labels]) for labels in tick.keys() & page.keys()
            if not math.isclose(tick[labels], page[labels], rel_tol=1e-11, abs_tol=1e-12)]

    closest = []

    def agrees():
        take_page()
        ticks = receiver.ticks(
            '{job="rezolus",__name__!~"rezolus_exporter_.*|rezolus_build_info|process_.*"}')
        closest[:] = min((differences(tick, page) for tick in ticks.values() for page in pages[-20:]), key=len)
        return not closest

    # Whole histograms among them: every bucket, count and sum.
    try:
        wait_for(agrees, "a tick that says what a page said", timeout=30)
    except pytest.fail.Exception as failure:
        pytest.fail(f"{failure}; the closest differ by {closest[:5]}")
    assert float(receiver.query(f"histogram_quantile(0.9, {LATENCY}_bucket)")[0][1][0][1]) > 0
    state = json.loads(exporter.get("/status"))["push"][0]
    assert state["problem"] == "" and state["refused_samples"] == 0


def test_native_histograms_are_dropped_in_silence(agent, start, tmp_path, receiver):
    """Why docs/prometheus.md says "classic" for it. Where this fails, it has learnt them."""
    exporter = Exporter(start, tmp_path, agent.url,
                        receiver.push(tmp_path, 'histograms = "native"'))
    wait_for(lambda: receiver.query(SWITCHES), "the counters", timeout=30)
    wait_for(lambda: json.loads(exporter.get("/status"))["push"][0]["sent_samples"] > 1000, "more")
    assert not receiver.query('{__name__=~"' + LATENCY + '.*"}')
    state = json.loads(exporter.get("/status"))["push"][0]
    assert state["problem"] == "" and state["refused_samples"] == 0, "it says that all is well"
