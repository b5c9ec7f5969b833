# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The exporter pushes to a real Prometheus by remote write."""

import bisect
import json
import math
import signal
import subprocess
import time
import urllib.parse
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families as text

from conftest import ROOT, free_port, rezolus, tool, wait_for
from test_exporter import Exporter

pytestmark = pytest.mark.skipif(not (ROOT / ".deps/protocols/remote.proto").exists(),
                                reason="no .proto files; scripts/setup fetches them")


class Receiver:
    """Debian's Prometheus, which is written to."""

    def __init__(self, folder, *flags):
        self.port = free_port()
        self.folder = folder
        self.flags = flags
        (folder / "prometheus.yml").write_text("scrape_configs: []\n")
        self.popen = None
        self.start()

    def start(self):
        self.popen = subprocess.Popen(
            [tool("prometheus"), f"--config.file={self.folder}/prometheus.yml",
             f"--storage.tsdb.path={self.folder}/data", "--web.enable-remote-write-receiver",
             f"--web.listen-address=127.0.0.1:{self.port}", *self.flags],
            stdout=subprocess.DEVNULL, stderr=(self.folder / "stderr").open("a"))
        wait_for(self.ready, "Prometheus", timeout=40)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            return answer.read()

    def ready(self):
        try:
            return self.get("/-/ready")
        except OSError:
            return False

    def stop(self):
        self.popen.terminate()
        self.popen.wait()

    def push(self, folder, more=""):
        return (f'[[push]]\nurl = "http://127.0.0.1:{self.port}/api/v1/write"\n'
                f'batch_delay = "500ms"\n{more}\n[push_queue]\nfolder = "{folder}/queue"\n')

    def query(self, expression):
        """[(labels with their name, [(time, value)])]"""
        query = urllib.parse.urlencode({"query": expression})
        result = json.loads(self.get("/api/v1/query?" + query))["data"]["result"]
        return [(series["metric"], series.get("values") or [series["value"]]) for series in result]


@pytest.fixture
def receiver(request, tmp_path):
    made = Receiver(tmp_path, *getattr(request, "param", []))
    request.addfinalizer(made.popen.wait)
    request.addfinalizer(lambda: made.popen.kill())
    return made


def key(labels):
    return tuple(sorted((name, value) for name, value in labels.items()
                        if name not in ("job", "instance")))


def test_what_arrives_is_what_the_page_says(agent, start, tmp_path, receiver):
    exporter = Exporter(start, tmp_path, agent.url, receiver.push(tmp_path))
    name = "rezolus_scheduler_context_switches_total"
    wait_for(lambda: len((receiver.query(f"{name}[1m]") or [(0, [])])[0][1]) > 5, "some ticks")
    page = {}
    for family in text(exporter.get("/metrics")):
        if family.name.startswith(("rezolus_exporter", "rezolus_build", "process_")):
            continue
        for sample in family.samples:
            page[key({"__name__": sample.name, **sample.labels})] = sample.value
    assert len(page) > 200

    def by_time():
        ticks = {}
        for labels, values in receiver.query('{job="rezolus",__name__!~"rezolus_exporter_.*|'
                                             'rezolus_build_info|process_.*"}[20s]'):
            assert labels["instance"]
            for when, value in values:
                ticks.setdefault(when, {})[key(labels)] = float(value)
        return ticks

    wait_for(lambda: page in by_time().values(), "a tick that says what the page said")
    # The process's own families come as well.
    assert receiver.query("rezolus_exporter_source_up")[0][1][0][1] == "1"
    assert float(receiver.query("rezolus_exporter_push_sent_samples_total")[0][1][0][1]) > 0
    assert receiver.query("rezolus_build_info")
    own = {family.name: family for family in text(exporter.get("/metrics"))}
    assert own["rezolus_exporter_push_refused_samples"].samples[0].value == 0
    assert own["rezolus_exporter_push_lost_ticks"].samples[0].value == 0
    assert json.loads(exporter.get("/status"))["push"][0]["problem"] == ""


def test_a_source_that_is_gone_becomes_stale(own_agent, start, tmp_path, receiver):
    agent = own_agent()
    Exporter(start, tmp_path, agent.url, receiver.push(tmp_path))
    name = "rezolus_scheduler_context_switches_total"
    wait_for(lambda: receiver.query(name), "the first tick")
    agent.stop()
    # Without a marker it would be shown for five minutes.
    wait_for(lambda: not receiver.query(name), "the end of the series")
    wait_for(lambda: receiver.query("rezolus_exporter_source_up")[0][1][0][1] == "0", "its reason")


@pytest.mark.parametrize("receiver", [["--enable-feature=native-histograms"]], indirect=True)
def test_native_histograms_and_summaries(agent, start, tmp_path, receiver):
    exporter = Exporter(
        start, tmp_path, agent.url,
        receiver.push(tmp_path, 'histograms = "native"') +
        '[metrics.histograms]\n"*" = "classic"\n"syscall_*" = "summary"\n')
    name = "rezolus_scheduler_runqueue_latency_seconds"
    wait_for(lambda: receiver.query(f"histogram_count({name})"), "the histogram")
    assert not receiver.query(name + "_bucket"), "native instead of classic"
    pages = {family.name: family for family in text(exporter.get("/metrics"))}

    def on_page(suffix):
        return [sample.value for sample in pages[name].samples
                if sample.name == name + suffix][0]

    at_page = on_page("_count"), on_page("_sum")
    # In some tick both were what they were on the page.
    wait_for(lambda: any(
        (float(count), float(total)) == at_page for (_, count), (_, total) in zip(
            receiver.query(f"histogram_count({name})[20s:100ms]")[0][1],
            receiver.query(f"histogram_sum({name})[20s:100ms]")[0][1])), "the page's numbers")
    found = float(receiver.query(f"histogram_quantile(0.9, {name})")[0][1][0][1])
    assert 0 < found < math.inf
    assert receiver.query('{__name__=~"rezolus_syscall.*_latency_seconds",quantile="0.99"}')


def test_a_receiver_that_does_not_take_2_0_is_said(agent, start, tmp_path, receiver):
    # Prometheus 2.42 finds nothing in such a request, and answers that all is well.
    exporter = Exporter(start, tmp_path, agent.url,
                        receiver.push(tmp_path, 'protocol = "remote-write-2.0"'))
    wait_for(lambda: json.loads(exporter.get("/status"))["push"][0]["problem"], "a problem")
    assert "remote-write-1.0" in json.loads(exporter.get("/status"))["push"][0]["problem"]
    assert json.loads(exporter.get("/status"))["push"][0]["sent_samples"] == 0


def outage(agent, start, tmp_path, receiver, seconds, interval_s=0.1):
    exporter = Exporter(start, tmp_path, agent.url, receiver.push(tmp_path),
                        interval=f"{round(interval_s * 1000)}ms")
    name = "rezolus_scheduler_context_switches_total"
    wait_for(lambda: receiver.query(name), "the first tick")
    receiver.stop()
    time.sleep(seconds / 2)
    # A restart of the exporter in the midst of it.
    exporter.process.signal(signal.SIGTERM)
    assert exporter.process.finish().returncode == 0
    begun = time.time()
    exporter.process = start("exporter", exporter.config)
    wait_for(exporter.answers, "the exporter to answer again")
    wait_for(lambda: exporter.up() == 1, "its source")
    back = time.time()
    time.sleep(seconds / 2)

    def own(metric):
        families = {family.name: family for family in text(exporter.get("/metrics"))}
        return families["rezolus_exporter_" + metric].samples[0].value

    assert own("push_oldest_seconds") > seconds / 2
    assert own("push_up") == 0
    receiver.start()
    up = time.time()
    wait_for(lambda: own("push_up") == 1 and own("push_oldest_seconds") < 2 + 2 * interval_s, "the rest", timeout=60)
    answers, asked = own("source_answers"), time.time()
    wait_for(lambda: receiver.query(f"timestamp({name})")[0][1][0][1] > str(asked), "the last tick")
    times = [when for when, _ in receiver.query(f"{name}[30m]")[0][1]]
    assert times == sorted(set(times))
    second_life = times[bisect.bisect(times, begun):bisect.bisect(times, asked)]
    # Every answer of the source is there, but for the one that was under way; on a host that stalls, two
    # may be the same snapshot.
    same = max(0, answers - len(second_life))
    assert same <= 1 + answers / 20
    missed = own("missed_ticks")
    for life in (times[:bisect.bisect(times, begun)], second_life):
        gaps = [later - earlier for earlier, later in zip(life, life[1:])]
        assert sum(round(gap / interval_s) - 1 for gap in gaps if gap > 1.5 * interval_s) <= missed + 1 + same
    assert sum(1 for when in times if back <= when <= up) >= seconds / 2 / interval_s * 0.9
    assert own("push_refused_samples") == own("push_lost_ticks") == 0
    assert own("push_retried_samples") > 0


def test_kills_lose_nothing_that_was_queued(agent, start, tmp_path, receiver):
    exporter = Exporter(start, tmp_path, agent.url, receiver.push(tmp_path), interval="100ms")
    name = "rezolus_scheduler_context_switches_total"
    wait_for(lambda: receiver.query(name), "the first tick")
    lives = []
    for _ in range(4):
        time.sleep(1.3)
        lives.append((time.time() - 0.2, time.time()))  # the tick being written may be lost
        exporter.process.popen.kill()
        exporter.process.finish()
        exporter.process = start("exporter", exporter.config)
        wait_for(exporter.answers, "the exporter to answer again")
    wait_for(lambda: exporter.up() == 1, "its source")
    asked = str(time.time())
    wait_for(lambda: receiver.query(f"timestamp({name})")[0][1][0][1] > asked, "the last tick")
    times = [when for when, _ in receiver.query(f"{name}[10m]")[0][1]]
    assert times == sorted(set(times))
    for end, _ in lives:
        # The second before a kill was mostly not acknowledged yet.
        before = [when for when in times if end - 1 < when <= end]
        assert len(before) >= 8, "ten ticks, on a host that may be busy"
        assert all(later - earlier < 0.35 for earlier, later in zip(before, before[1:]))


def test_an_outage_of_the_receiver_loses_nothing(agent, start, tmp_path, receiver):
    outage(agent, start, tmp_path, receiver, 4)


def test_a_minutes_outage_at_100_ms_loses_nothing(agent, start, tmp_path, receiver):
    outage(agent, start, tmp_path, receiver, 60)


@pytest.mark.long
def test_ten_minutes_outage_at_a_second_lose_nothing(agent, start, tmp_path, receiver):
    outage(agent, start, tmp_path, receiver, 600, interval_s=1)


def test_wrong_targets_are_refused(tmp_path):
    config = tmp_path / "exporter.toml"
    config.write_text('[[push]]\nurl = "http://db/write"\nbearer_token_file = "/none"\n')
    result = rezolus("check", config)
    assert result.returncode == 2
    assert "/none" in result.stderr
    config.write_text('[[push]]\nurl = "http://db/write"\nintervall = "1s"\n')
    result = rezolus("exporter", config)
    assert result.returncode == 2
    assert "did you mean 'push.interval'" in result.stderr
