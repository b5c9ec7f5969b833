# SPDX-License-Identifier: Apache-2.0 OR MIT
"""/metrics in each format, read by a strict parser and by a real Prometheus."""

import json
import math
import os
import subprocess
import time
import urllib.parse
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text

from conftest import ROOT, free_port, tool, wait_for

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
PROTOBUF = ("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
            "encoding=delimited")
PROTOCOLS = ROOT / ".deps/protocols"


def page(agent, accept):
    request = urllib.request.Request(agent.url + "/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read(), answer.headers["Content-Type"]


def test_a_strict_parser_reads_both_texts(agent):
    body, content_type = page(agent, "text/plain")
    assert content_type.startswith("text/plain; version=0.0.4")
    plain = {family.name: family for family in text(body.decode())}
    body, content_type = page(agent, OPEN_METRICS)
    assert content_type.startswith(OPEN_METRICS)
    modern = {family.name: family for family in open_metrics(body.decode())}
    # The strict parser has refused doubled families, wrong units and suffixes by now.
    assert len(modern) > 50
    assert plain.keys() == modern.keys()
    for name, family in modern.items():
        assert family.documentation == plain[name].documentation
        assert family.type == plain[name].type
        labels = [sorted(sample.labels.items()) for sample in family.samples
                  if "le" not in sample.labels]
        assert labels == [sorted(sample.labels.items()) for sample in plain[name].samples
                          if "le" not in sample.labels]
    assert any(family.unit == "seconds" for family in modern.values())


def test_created_lines_say_since_when_is_counted(start, tmp_path):
    url = f"127.0.0.1:{free_port()}"
    config = tmp_path / "agent.toml"
    config.write_text(f'[general]\nlisten = "{url}"\ninstance = "created-{os.getpid()}"\n'
                      '[metrics]\ncreated = true\n')
    before = time.time()
    start(config)

    def ask(accept):
        request = urllib.request.Request(f"http://{url}/metrics", headers={"Accept": accept})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return None

    wait_for(lambda: ask(OPEN_METRICS), "the agent")
    after = time.time()
    created = {}
    for family in open_metrics(ask(OPEN_METRICS)):
        for sample in family.samples:
            if sample.name.endswith("_created"):
                created.setdefault(family.name, set()).add(sample.value)
    # What its programs count began with it.
    for name in ("rezolus_scheduler_context_switches", "rezolus_scheduler_runqueue_latency_seconds",
                 "process_cpu_seconds"):
        (began,) = created[name]
        assert before - 1 <= began <= after, name
    # What the kernel has counted since the host started did not, and of cgroups nobody knows.
    for name in ("rezolus_cpu_usage_seconds", "rezolus_memory_page_faults",
                 "rezolus_cgroup_cpu_seconds", "rezolus_memory_free_bytes"):
        assert name not in created
    assert "_created" not in ask("text/plain")


def delimited(body):
    """Cuts a stream of messages, each with its length as a varint before it."""
    at = 0
    while at < len(body):
        size = shift = 0
        while True:
            byte = body[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        assert at + size <= len(body)
        yield body[at:at + size]
        at += size


@pytest.mark.skipif(not PROTOCOLS.exists(), reason="no .proto files; scripts/setup fetches them")
def test_protobuf_histograms_are_consistent(agent):
    body, content_type = page(agent, PROTOBUF)
    assert content_type == PROTOBUF
    names = set()
    histograms = 0
    for message in delimited(body):
        said = subprocess.run(
            [tool("protoc"), "--decode=io.prometheus.client.MetricFamily", f"-I{PROTOCOLS}",
             "io/prometheus/client/metrics.proto"], input=message, capture_output=True, check=True)
        lines = said.stdout.decode().splitlines()
        name = lines[0].removeprefix('name: "').removesuffix('"')
        assert name not in names
        names.add(name)
        if "type: HISTOGRAM" not in lines or histograms >= 5:
            continue
        histograms += 1
        metric = []
        for line in [*lines, "metric {"]:
            if line == "metric {":
                check_native(metric)
                metric = []
            metric.append(line.strip())
    assert histograms == 5
    plain = {family.name for family in text(page(agent, "text/plain")[0].decode())}
    assert {name.removesuffix("_total") for name in names} == plain


def check_native(lines):
    """The native buckets add up to the count, and there are as many as the spans say."""
    fields = [line.split(": ", 1) for line in lines if ": " in line]
    if not any(key == "sample_count" for key, _ in fields):
        return
    def values(key):
        return [float(value) for found, value in fields if found == key]
    assert values("schema") == [3]
    total = count = 0
    for delta in values("positive_delta"):
        count += delta
        assert count >= 0
        total += count
    assert total + values("zero_count")[0] == values("sample_count")[0]
    assert sum(values("length")) == len(values("positive_delta"))
    cumulative = values("cumulative_count")
    assert cumulative == sorted(cumulative)
    assert len(cumulative) == 13


class Prometheus:
    """Debian's Prometheus, which scrapes an agent every second."""

    def __init__(self, folder, agent, *flags):
        self.port = free_port()
        config = folder / "prometheus.yml"
        config.write_text(
            "scrape_configs:\n"
            "  - job_name: agent\n"
            "    scrape_interval: 1s\n"
            f"    static_configs: [{{targets: ['127.0.0.1:{agent.port}']}}]\n")
        self.popen = subprocess.Popen(
            [tool("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", *flags],
            stdout=subprocess.DEVNULL, stderr=(folder / "stderr").open("w"))

    def query(self, expression):
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode(
            {"query": expression})
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:
            return []

    def value(self, expression):
        result = self.query(expression)
        assert len(result) == 1, expression
        return float(result[0]["value"][1])


@pytest.fixture(params=["classic", "native"])
def prometheus(request, tmp_path, agent):
    flags = ["--enable-feature=native-histograms"] if request.param == "native" else []
    server = Prometheus(tmp_path, agent, *flags)
    request.addfinalizer(server.popen.wait)
    request.addfinalizer(server.popen.kill)
    wait_for(lambda: server.query('count_over_time(up{job="agent"}[1m]) > 2'),
             "three scrapes", timeout=40)
    return server, request.param == "native"


def histogram(agent, name):
    for series in agent.json("/metrics/json")["histograms"]:
        if series["metadata"]["metric"] == name:
            return series["value"]["buckets"]
    raise KeyError(name)


def upper_of_quantile(buckets, quantile):
    """The bucket's inclusive end, as the wire format defines H2 with grouping power 3."""
    rank = max(1, math.ceil(quantile * sum(buckets)))
    for index, count in enumerate(buckets):
        rank -= count
        if rank <= 0:
            break
    index += 1
    if index < 16:
        return index - 1
    power, step = divmod(index, 8)
    return (1 << (power + 2)) + (step << (power - 1)) - 1


def test_prometheus_scrapes(agent, prometheus):
    server, native = prometheus
    assert server.value('up{job="agent"}') == 1
    name = "rezolus_scheduler_runqueue_latency_seconds"
    before = histogram(agent, "scheduler_runqueue_latency")
    wait_for(lambda: server.query(f"{name}" if native else f"{name}_count"), "the histogram")
    count = f"histogram_count({name})" if native else f"{name}_count"
    wait_for(lambda: server.value(count) >= sum(before), "a scrape after ours")
    seen = server.value(count)
    found = server.value(f"histogram_quantile(0.9, {name}{'' if native else '_bucket'})")
    after = histogram(agent, "scheduler_runqueue_latency")
    assert sum(before) <= seen <= sum(after)
    ends = sorted([upper_of_quantile(before, 0.9) / 1e9, upper_of_quantile(after, 0.9) / 1e9])
    if native:
        # One bucket of theirs, whose middle rule is documented, and one of ours.
        assert ends[0] / 1.25 <= found <= ends[1] * 1.25
    else:
        # Classic bounds are a factor of four apart, and the server interpolates within.
        assert ends[0] / 4 <= found <= ends[1] * 4
        assert server.query(f"{name}_bucket{{le='4.294967295'}}")
    assert not server.query('scrape_samples_scraped{job="agent"} < 200')
