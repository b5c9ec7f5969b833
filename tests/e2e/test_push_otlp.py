# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The exporter pushes by OTLP/HTTP to a receiver that decodes with OpenTelemetry's own messages."""

import json
import math
import os
import re
import signal
import socket
import time

import pytest

from conftest import ROOT, rezolus, wait_for
from test_exporter import Exporter

service = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2",
                              reason="no opentelemetry-proto; scripts/setup installs it")
from otlp_receiver import ENDED, Receiver, attributes  # noqa: E402: after the skip

pytestmark = pytest.mark.skipif(
    not (ROOT / ".deps/opentelemetry-proto/descriptors.pb").exists(),
    reason="no definitions of OTLP; scripts/setup makes them")

SWITCHES = "rezolus.scheduler_context_switch"
LATENCY = "rezolus.scheduler_runqueue_latency"


@pytest.fixture
def receiver(request):
    made = Receiver()
    request.addfinalizer(made.close)
    return made


def push(folder, url, more=""):
    address = f'url = "{url}"\n' if url else ""
    return (f'[[push]]\nprotocol = "otlp"\nname = "otel"\n{address}batch_delay = "300ms"\n{more}\n'
            f'[push_queue]\nfolder = "{folder}/queue"\n')


def own(exporter, metric):
    """The value of its first line; "total" may follow its name."""
    return float(re.search(rf"^rezolus_exporter_{metric}(?:_total)?(?:{{.*}})? (\S+)$",
                           exporter.get("/metrics"), re.MULTILINE)[1])


def page_histogram(page, name):
    (found,) = (series["value"]["buckets"] for series in page["histograms"]
                if series["metadata"]["metric"] == name)
    return found


def scalar(point):
    return getattr(point, point.WhichOneof("value"))


@pytest.mark.parametrize("page", ["prometheus", "upstream"])
def test_what_arrives_is_what_the_agent_said(agent, start, tmp_path, receiver, page):
    """Whatever names the page has."""
    exporter = Exporter(start, tmp_path, agent.url, push(
        tmp_path, receiver.url, '[push.resource]\n"deployment.environment.name" = "test"')
        + f'[metrics]\nnaming = "{page}"\n')
    wait_for(lambda: len(receiver.times(SWITCHES)) > 5, "some ticks")

    def agrees():
        """Some tick says what /metrics/json says, for counters and gauges."""
        page = json.loads(exporter.get("/metrics/json"))
        told = receiver.all()
        wanted = {}
        for series in page["counters"] + page["gauges"]:
            name = series["metadata"]["metric"]
            wanted[name] = wanted.get(name, 0) + series["value"]
        names = {"scheduler_context_switch": SWITCHES, "memory_free": "rezolus.memory_free",
                 "memory_total": "system.memory.limit", "cpu_usage": "system.cpu.time"}
        for mine, theirs in names.items():
            scale = 1e9 if mine == "cpu_usage" else 1
            by_time = {}
            for _, _, _, point in told.get(theirs, []):
                if point.flags != ENDED:
                    by_time.setdefault(point.time_unix_nano, []).append(scalar(point) * scale)
            sums = [sum(values) for values in by_time.values()]
            if not any(math.isclose(one, wanted[mine], rel_tol=1e-9) for one in sums):
                return False
        return True

    wait_for(agrees, "a tick that says what the page said", timeout=40)
    told = receiver.all()
    assert {(kind, unit, monotonic) for kind, unit, monotonic, _ in told[SWITCHES]} == {
        ("sum", "", True)}
    assert told["rezolus.blockio_operations"][0][:3] == ("sum", "{operation}", True)
    assert {(kind, unit) for kind, unit, _, _ in told["rezolus.memory_free"]} == {("gauge", "By")}
    assert told["system.memory.limit"][0][:3] == ("sum", "By", False)
    assert {attributes(point.attributes)["cpu.mode"] for _, _, _, point in told["system.cpu.time"]} \
        >= {"user", "system", "interrupt"}
    # The process's own families come as well.
    assert scalar(told["rezolus.exporter_source_up"][-1][3]) == 1
    assert "process.cpu.time" in told
    resource = receiver.resources[-1]
    assert resource["service.name"] == "rezolus" and resource["os.type"] == "linux"
    assert resource["host.name"] == resource["service.instance.id"] == socket.gethostname()
    assert resource["deployment.environment.name"] == "test"
    assert receiver.headers[-1]["Content-Encoding"] == "gzip"
    assert not receiver.problems
    # A run of a counter has one beginning.
    starts = {point.start_time_unix_nano for _, _, _, point in told[SWITCHES]}
    assert starts == {min(point.time_unix_nano for _, _, _, point in told[SWITCHES])}


def upper(index):
    """The inclusive end of a bucket, as the wire format defines H2 with grouping power 3."""
    index += 1
    if index < 16:
        return index - 1
    power, step = divmod(index, 8)
    return (1 << (power + 2)) + (step << (power - 1)) - 1


def bucket_of_rank(buckets, rank):
    """The bucket that holds the value of this rank, of 1 and more; the last where there are fewer."""
    for index, count in enumerate(buckets):
        rank -= count
        if rank <= 0:
            return index
    return len(buckets) - 1


@pytest.mark.parametrize("histograms", ["classic", "exact", "native"])
def test_histograms_count_what_the_agent_counted(agent, start, tmp_path, receiver, histograms):
    Exporter(start, tmp_path, agent.url,
             push(tmp_path, receiver.url, f'histograms = "{histograms}"'))
    wait_for(lambda: receiver.times(LATENCY), "the histogram")
    before = page_histogram(agent.json("/metrics/json"), "scheduler_runqueue_latency")
    asked = time.time()
    wait_for(lambda: receiver.times(LATENCY)[-1] > asked, "a tick after ours")
    (kind, unit, _, point) = next(one for one in receiver.all()[LATENCY]
                                  if one[3].time_unix_nano / 1e9 > asked)
    after = page_histogram(agent.json("/metrics/json"), "scheduler_runqueue_latency")
    assert unit == "s"
    assert sum(before) <= point.count <= sum(after)
    rank = math.ceil(0.9 * point.count)
    # Where the quantile may be, given that all buckets only grow.
    lowest, highest = bucket_of_rank(after, rank), bucket_of_rank(before, rank)
    if histograms == "native":
        assert kind == "exponential_histogram" and point.scale == 3
        counts = list(point.positive.bucket_counts)
        assert point.zero_count + sum(counts) == point.count
        index = bucket_of_rank([point.zero_count, *counts], rank) - 1 + point.positive.offset
        lower, end = 2 ** (index / 8), 2 ** ((index + 1) / 8)
        # One bucket of theirs and one of ours.
        assert lower <= upper(highest) / 1e9
        assert end >= upper(lowest - 1) / 1e9
        return
    assert kind == "histogram"
    counts, bounds = list(point.bucket_counts), list(point.explicit_bounds)
    assert len(counts) == len(bounds) + 1 and sum(counts) == point.count
    assert bounds == sorted(set(bounds))
    if histograms == "exact":
        assert bounds == [upper(index) / 1e9 for index in range(495)]
        assert all(low <= now <= high for low, now, high in zip(before, counts, after))
    else:
        assert len(bounds) == 13
        for index in range(13):
            low, high = (sum(count for at, count in enumerate(buckets)
                             if upper(at) / 1e9 <= bounds[index]) for buckets in (before, after))
            assert low <= sum(counts[:index + 1]) <= high


def test_a_source_that_is_gone_has_no_recorded_value(own_agent, start, tmp_path, receiver):
    agent = own_agent()
    Exporter(start, tmp_path, agent.url, push(tmp_path, receiver.url))
    wait_for(lambda: receiver.times(LATENCY), "the first tick")
    agent.stop()
    for name in (SWITCHES, LATENCY):
        wait_for(lambda name=name: receiver.all()[name][-1][3].flags == ENDED, "the end")


def test_an_outage_and_a_restart_lose_nothing(agent, start, tmp_path, receiver):
    exporter = Exporter(start, tmp_path, agent.url, push(tmp_path, receiver.url), interval="100ms")
    wait_for(lambda: receiver.times(SWITCHES), "the first tick")
    refuse = service.ExportMetricsServiceResponse()
    receiver.answer = lambda request: (503, {}, refuse)
    wait_for(lambda: own(exporter, "push_up") == 0, "the outage")
    time.sleep(1)
    exporter.process.signal(signal.SIGTERM)
    assert exporter.process.finish().returncode == 0
    begun = time.time()
    exporter.process = start("exporter", exporter.config)
    wait_for(exporter.answers, "the exporter to answer again")
    time.sleep(2)
    receiver.answer = lambda request: (429, {"Retry-After": "1"}, refuse)
    time.sleep(1.5)
    back = time.time()
    receiver.answer = lambda request: (200, {}, service.ExportMetricsServiceResponse())
    wait_for(lambda: own(exporter, "push_up") == 1 and own(exporter, "push_oldest_seconds") < 2,
             "the rest", timeout=60)
    answers, asked = own(exporter, "source_answers"), time.time()
    wait_for(lambda: receiver.times(SWITCHES)[-1] > asked, "the last tick")
    times = receiver.times(SWITCHES)
    assert times == sorted(set(times)), "in order, and none twice"
    second = [when for when in times if begun < when <= asked]
    # Every answer of the source; on a host that stalls, two may be the same snapshot.
    assert len(second) >= answers * 0.9 - 1
    outage = [when for when in second if when <= back]
    assert max(later - earlier for earlier, later in zip(outage, outage[1:])) < 1
    assert len(outage) > 10
    for lost in ("push_refused_samples", "push_lost_ticks", "push_queue_lost_ticks"):
        assert own(exporter, lost) == 0
    assert own(exporter, "push_retried_samples") > 0
    assert not receiver.problems


def test_partial_success_and_final_refusals_are_counted(agent, start, tmp_path, receiver):
    exporter = Exporter(start, tmp_path, agent.url, push(tmp_path, receiver.url))
    wait_for(lambda: receiver.times(SWITCHES), "the first tick")
    partial = service.ExportMetricsServiceResponse()
    partial.partial_success.rejected_data_points = 3
    partial.partial_success.error_message = "three are too old"
    receiver.answer = lambda request: (200, {}, partial)
    wait_for(lambda: own(exporter, "push_refused_samples") >= 3, "the count")
    refused = own(exporter, "push_refused_samples")
    assert refused % 3 == 0
    # What is final is not sent again, a 500 included.
    receiver.answer = lambda request: (500, {}, service.ExportMetricsServiceResponse())
    wait_for(lambda: own(exporter, "push_refused_samples") > refused + 100, "whole requests")
    assert own(exporter, "push_retried_samples") == 0
    assert own(exporter, "push_up") == 1
    exporter.process.signal(signal.SIGTERM)
    said = exporter.process.finish().stderr
    assert "three are too old" in said


def test_the_standard_variables_are_honoured(agent, start, tmp_path, receiver):
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url + "/",
                   "OTEL_EXPORTER_OTLP_HEADERS": "x-team=a%20b,authorization=Bearer%20t",
                   "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
                   "OTEL_SERVICE_NAME": "mine", "OTEL_RESOURCE_ATTRIBUTES": "zone=z1,service.name=x",
                   "OTEL_METRIC_EXPORT_INTERVAL": "1000"}
    Exporter(start, tmp_path, agent.url, push(tmp_path, None), env=environment)
    wait_for(lambda: len(receiver.times(SWITCHES)) > 3, "some ticks", timeout=30)
    headers, resource = receiver.headers[-1], receiver.resources[-1]
    assert headers["x-team"] == "a b" and headers["authorization"] == "Bearer t"
    assert "Content-Encoding" not in headers
    assert resource["service.name"] == "mine" and resource["zone"] == "z1"
    times = receiver.times(SWITCHES)[1:]  # the first is the first that there is
    assert all(later - earlier > 0.5 for earlier, later in zip(times, times[1:])), "each second"
    assert not receiver.problems


def test_what_is_not_supported_is_refused(tmp_path):
    config = tmp_path / "exporter.toml"
    for more, environment, words in [
            ("", {}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
            ('url = "http://c:4318"\n', {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
            ('url = "http://c:4318"\n',
             {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"}, "cumulative"),
            ('url = "http://c:4318"\n[push.labels]\na = "b"\n', {}, "[push.resource]"),
            ('url = "http://c:4318"\ncompression = "zstd"\n', {}, "gzip")]:
        config.write_text(f'[[push]]\nprotocol = "otlp"\n{more}')
        result = rezolus("check", config, env={**os.environ, **environment})
        assert result.returncode == 2, more
        assert words in result.stderr, result.stderr
    config.write_text('[[push]]\nurl = "http://c/write"\nnaming = "otel"\n')
    result = rezolus("check", config)
    assert result.returncode == 2 and '"otlp"' in result.stderr
