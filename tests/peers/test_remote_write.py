# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Remote write 2.0 to a Prometheus 3, which is built once from the Go module whose .proto files we use."""

import json
import math
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

from conftest import BUILD, ROOT

MODULE = "github.com/prometheus/prometheus"
NAME = "rezolus_scheduler_runqueue_latency_seconds"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, what, timeout=30):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            found = condition()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.1)
    pytest.fail(f"waited {timeout} s for {what}")


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture(scope="session")
def prometheus():
    if shutil.which("go") is None:
        pytest.skip("no go command, which builds Prometheus 3; scripts/setup installs it")
    version = re.search(rf"^{MODULE}@(\S+)", (ROOT / "scripts/protocols.txt").read_text(),
                        re.MULTILINE)[1]
    folder = ROOT / ".deps/peers" / f"prometheus-{version}"
    if not (folder / "prometheus").exists():
        subprocess.run(["go", "install", "-tags", "remove_all_sd",
                        f"{MODULE}/cmd/prometheus@{version}"],
                       check=True, cwd="/", timeout=1500,
                       env={**os.environ, "GOBIN": str(folder), "GOTOOLCHAIN": "local",
                            "GOFLAGS": "-mod=mod"})
    return folder / "prometheus"


@pytest.fixture
def start(request, tmp_path):
    def begin(*command):
        said = (tmp_path / f"stderr-{free_port()}").open("w")
        process = subprocess.Popen(list(map(str, command)), stdout=said, stderr=said)
        request.addfinalizer(process.wait)
        request.addfinalizer(process.kill)
        return process
    return begin


@pytest.fixture
def pushed(request, tmp_path, prometheus, start):
    """An agent, an exporter that pushes to a Prometheus, and how to ask the two."""
    if os.geteuid() != 0:
        pytest.skip("an agent loads BPF programs and needs root")
    agent, exporter, server = (free_port() for _ in range(3))
    (tmp_path / "agent.toml").write_text(
        f'[general]\nlisten = "127.0.0.1:{agent}"\ninstance = "peers-{os.getpid()}"\n')
    (tmp_path / "exporter.toml").write_text(
        f'[general]\nlisten = "127.0.0.1:{exporter}"\n'
        f'[exporter]\nsource = "127.0.0.1:{agent}"\ninterval = "200ms"\n'
        f'[[push]]\nurl = "http://127.0.0.1:{server}/api/v1/write"\n'
        f'protocol = "remote-write-2.0"\nhistograms = "{request.param}"\n'
        f'[push_queue]\nfolder = "{tmp_path}/queue"\n')
    (tmp_path / "prometheus.yml").write_text("scrape_configs: []\n")
    start(prometheus, f"--config.file={tmp_path}/prometheus.yml",
          f"--storage.tsdb.path={tmp_path}/data", "--web.enable-remote-write-receiver",
          "--enable-feature=native-histograms", f"--web.listen-address=127.0.0.1:{server}")
    start(BUILD / "rezolus", tmp_path / "agent.toml")
    wait_for(lambda: get(f"http://127.0.0.1:{agent}/readyz"), "the agent")
    wait_for(lambda: get(f"http://127.0.0.1:{server}/-/ready"), "Prometheus")
    start(BUILD / "rezolus", "exporter", tmp_path / "exporter.toml")

    def query(expression):
        url = f"http://127.0.0.1:{server}/api/v1/query?" + urllib.parse.urlencode(
            {"query": expression})
        return [float(series["value"][1]) for series in json.loads(get(url))["data"]["result"]]

    def buckets():
        page = json.loads(get(f"http://127.0.0.1:{agent}/metrics/json"))
        (found,) = (series["value"]["buckets"] for series in page["histograms"]
                    if series["metadata"]["metric"] == "scheduler_runqueue_latency")
        return found

    def status():
        return json.loads(get(f"http://127.0.0.1:{exporter}/status"))["push"][0]

    return query, buckets, status


def upper(index):
    """The inclusive end of a bucket, as the wire format defines H2 with grouping power 3."""
    index += 1
    if index < 16:
        return index - 1
    power, step = divmod(index, 8)
    return (1 << (power + 2)) + (step << (power - 1)) - 1


def bucket_of_quantile(buckets, quantile):
    rank = max(1, math.ceil(quantile * sum(buckets)))
    for index, count in enumerate(buckets):
        rank -= count
        if rank <= 0:
            return index
    raise AssertionError("it is empty")


@pytest.mark.parametrize("pushed", ["exact", "native"], indirect=True)
def test_histograms_as_one_sample(request, pushed):
    query, buckets, status = pushed
    exact = "exact" in request.node.name
    before = wait_for(lambda: query(f"histogram_count({NAME})") and buckets(), "the histogram")
    count = wait_for(lambda: [n for n in query(f"histogram_count({NAME})") if n >= sum(before)],
                     "a tick after ours")[0]
    found = query(f"histogram_quantile(0.9, {NAME})")[0]
    after = buckets()
    assert sum(before) <= count <= sum(after)
    ends = sorted([bucket_of_quantile(before, 0.9), bucket_of_quantile(after, 0.9)])
    # Exact ones are off by the server's interpolation within our bucket alone.
    slack = 0 if exact else 0.15
    assert upper(ends[0] - 1) / 1e9 * (1 - slack) <= found <= upper(ends[1]) / 1e9 * (1 + slack)
    assert not query(NAME + "_bucket")
    assert status()["problem"] == "" and status()["sent_samples"] > 1000
    assert status()["refused_samples"] == 0


@pytest.mark.parametrize("pushed", ["classic"], indirect=True)
def test_classic_histograms(pushed):
    query, _, status = pushed
    wait_for(lambda: query(f"{NAME}_count"), "the histogram")
    assert query(f'{NAME}_bucket{{le="+Inf"}}') == query(f"{NAME}_count")
    assert len(query(NAME + "_bucket")) == 14
    assert query("rezolus_exporter_source_up") == [1]
    assert status()["problem"] == "" and status()["refused_samples"] == 0
