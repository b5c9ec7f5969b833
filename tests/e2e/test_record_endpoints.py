# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`rezolus record --endpoint`: several sources in one file, Prometheus pages, upstream's agents."""

import json
import signal
import threading
import time

import pyarrow.parquet
import pytest

from conftest import free_port, rezolus, wait_for
from site_of_pages import site  # noqa: F401

FAST = ("-i", "50ms", "-d", "400ms")


class Page:
    """A Prometheus page that counts how often it was read."""

    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1
        return (f"# HELP jobs_total Jobs done.\n# TYPE jobs_total counter\n"
                f"jobs_total{{queue=\"a b\"}} {self.count}\n"
                f"# TYPE busy_ratio gauge\nbusy_ratio 0.73\n"
                f"# TYPE wait_seconds histogram\nwait_seconds_bucket{{le=\"+Inf\"}} {self.count}\n"
                f"wait_seconds_sum {self.count / 2}\nwait_seconds_count {self.count}\n").encode()

    def serve(self):
        return {"/metrics": ("text/plain; version=0.0.4", self)}


def series(path):
    """(metric, source) -> (field, its metadata); labels beside these are in the metadata."""
    found = {}
    for field in pyarrow.parquet.read_schema(path):
        metadata = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
        if "metric" in metadata:
            found[metadata["metric"], metadata.get("source")] = (field, metadata)
    return found


def footer(path):
    return {k.decode(): v.decode()
            for k, v in pyarrow.parquet.read_metadata(path).metadata.items()}


def test_a_prometheus_endpoint(tmp_path, site):
    made = site(Page().serve())
    output = tmp_path / "run.parquet"
    result = rezolus("record", *FAST, "--endpoint", f"{made.url},source=shop,role=service", output)
    assert result.returncode == 0, result.stderr
    found = series(output)
    table = pyarrow.parquet.read_table(output)
    field, metadata = found["jobs_total", "shop"]
    assert (metadata["queue"], metadata["role"]) == ("a b", "service")
    jobs = table[field.name].to_pylist()
    assert field.type == pyarrow.uint64()
    assert jobs == list(range(jobs[0], jobs[0] + len(jobs)))
    ratio, _ = found["busy_ratio", "shop"]
    assert ratio.type == pyarrow.float64()
    assert set(table[ratio.name].to_pylist()) == {0.73}
    halves = table[found["wait_seconds_sum", "shop"][0].name].to_pylist()
    assert halves == [count / 2 for count in jobs]
    facts = footer(output)
    assert facts["source"] == "shop"
    assert json.loads(facts["descriptions"])["jobs_total"] == "Jobs done."
    assert json.loads(facts["sources"])["shop"]["role"] == "service"


@pytest.mark.parametrize("path", ["", "/metrics"])
def test_a_page_by_its_url(tmp_path, site, path):
    """Fractional counters and gauges are doubles; no protocol is named."""
    made = site(Page().serve())
    output = tmp_path / "run.parquet"
    result = rezolus("record", *FAST, "--url", made.url + path, output)
    assert result.returncode == 0, result.stderr
    assert "the Prometheus endpoint" in result.stderr
    table = pyarrow.parquet.read_table(output)
    found = {metric: table[field.name] for (metric, _), (field, _) in series(output).items()}
    assert set(found["busy_ratio"].to_pylist()) == {0.73}
    jobs = found["jobs_total"].to_pylist()
    assert jobs == list(range(jobs[0], jobs[0] + len(jobs)))
    assert found["wait_seconds_sum"].to_pylist() == [count / 2 for count in jobs]
    assert footer(output)["source"] == f"127.0.0.1-{made.port}"


def test_a_page_that_is_no_page(tmp_path, site):
    made = site({"/metrics": ("text/html", lambda: b"<html>")})
    result = rezolus("record", *FAST, made.url + "/metrics", tmp_path / "run.parquet")
    assert result.returncode == 1
    assert "answered with text/html" in result.stderr
    assert not list(tmp_path.iterdir())


def test_an_agent_and_prometheus_on_the_same_ticks(tmp_path, site, agent):
    made = site(Page().serve())
    output = tmp_path / "run.parquet"
    before = agent.json("/status")["stream"]["opened"]
    result = rezolus("record", "-i", "200ms", "-d", "1600ms", "--endpoint", agent.url, "--endpoint",
                     f"{made.url}/metrics,source=shop,protocol=prometheus", "-o", output)
    assert result.returncode == 0, result.stderr
    assert agent.json("/status")["stream"]["opened"] == before + 1, "an agent is listened to"
    found = series(output)
    table = pyarrow.parquet.read_table(output)
    assert ("syscall", "rezolus") in found
    for key in (("syscall", "rezolus"), ("jobs_total", "shop")):
        assert table[found[key][0].name].null_count == 0, key
    assert json.loads(footer(output)["source"]) == ["rezolus", "shop"]
    assert json.loads(footer(output)["systeminfo"])["os"] == "linux"


def test_a_source_that_goes_leaves_the_others(tmp_path, site, start):
    steady, shaky = site(Page().serve()), site(Page().serve())
    output = tmp_path / "run.parquet"
    record = start("record", "-i", "200ms", "--endpoint", f"{steady.url},source=steady",
                   "--endpoint", f"{shaky.url},source=shaky", output)
    log = tmp_path / "run.parquet.rezlog"
    wait_for(lambda: log.exists() and log.stat().st_size > 0, "the first sample")
    time.sleep(1)
    shaky.stop()
    # Connections that are kept alive end with the pages.
    shaky.pages.clear()
    time.sleep(1)
    site(Page().serve(), shaky.port)
    shaky.pages.update(Page().serve())
    time.sleep(2)
    record.signal(signal.SIGINT)
    result = record.finish()
    assert result.returncode == 0, result.stderr
    # On a busy host a single answer may be late as well, which is said in other words.
    told = [line for line in result.stderr.splitlines()
            if "source shaky: http" in line and "its series are absent until it is back" in line]
    assert len(told) == 1, result.stderr
    assert "source shaky is back after" in result.stderr
    found = series(output)
    table = pyarrow.parquet.read_table(output)
    absent = table[found["jobs_total", "steady"][0].name].null_count
    missing = table[found["jobs_total", "shaky"][0].name].null_count
    assert absent < missing < table.num_rows - 4


def test_one_that_hangs_delays_nobody(tmp_path, site, agent):
    """Within its first answer, then for longer than the whole recording."""
    hangs = threading.Event()
    page = Page()

    def slow():
        if hangs.is_set():
            time.sleep(8)
        hangs.set()
        return page()

    lively, dead = site(Page().serve()), site({"/metrics": ("text/plain; version=0.0.4", slow)})
    output = tmp_path / "run.parquet"
    result = rezolus("record", "-i", "200ms", "-d", "4s", "--endpoint", f"{lively.url},source=lively",
                     "--endpoint", f"{dead.url},source=dead", "--endpoint", agent.url, output)
    assert result.returncode == 0, result.stderr
    found = series(output)
    table = pyarrow.parquet.read_table(output)
    facts = footer(output)
    # A hang of 2 s (the timeout) each time would leave two or three samples.
    assert table.num_rows >= 15, result.stderr
    assert int(facts["missed_ticks"]) <= 6
    for source, metric in (("lively", "jobs_total"), ("rezolus", "syscall")):
        assert table[found[metric, source][0].name].null_count <= 2, source
    by_source = json.loads(facts["missed_ticks_by_source"])
    assert by_source["dead"] == table.num_rows
    assert result.stderr.count("source dead: did not answer in time") == 1, result.stderr
    assert "source dead is absent from" in result.stderr


def test_one_that_is_not_there_yet_is_asked_again(tmp_path, site, start):
    steady = site(Page().serve())
    port = free_port()
    output = tmp_path / "run.parquet"
    record = start("record", "-i", "50ms", "--endpoint", f"{steady.url},source=steady",
                   "--endpoint", f"http://127.0.0.1:{port},source=later", output)
    log = tmp_path / "run.parquet.rezlog"
    wait_for(lambda: log.exists() and log.stat().st_size > 0, "the first sample")
    site(Page().serve(), port)
    time.sleep(1)
    record.signal(signal.SIGINT)
    assert record.finish().returncode == 0
    assert ("jobs_total", "later") in series(output)


def test_none_that_answers_is_an_error(tmp_path):
    result = rezolus("record", *FAST, "--endpoint", f"http://127.0.0.1:{free_port()}",
                     tmp_path / "run.parquet")
    assert result.returncode == 1
    assert "connection refused" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments, message", [
    (("--endpoint", "localhost:1,sauce=x"), "is no option of an endpoint"),
    (("--endpoint", "localhost:1,protocol=smoke"), "is not known; it is rezolus"),
    (("--endpoint", "localhost:1,source="), "needs a value"),
    (("--endpoint", "localhost:1", "--url", "localhost:2"), "--url"),
    (("--endpoint", "localhost:1,source=a", "--endpoint", "localhost:2,source=a"), "called 'a'"),
])
def test_wrong_usage(tmp_path, arguments, message):
    result = rezolus("record", *FAST, *arguments, "-o", tmp_path / "run.parquet")
    assert result.returncode == 2, result.stderr
    assert message in result.stderr


TIME = bytes.fromhex("92ce6553f100ce0ee6b280")
DURATION = bytes.fromhex("9200ce0016e360")
SOURCE = b"\x81\xa6source\xa7rezolus"
HISTOGRAM = bytes.fromhex("92980f0104020404020498000102000000 00cd012c".replace(" ", ""))
WINDOW = b"\x92" + b"".join(b"\xcf" + n.to_bytes(8, "big") for n in (5, 6))
POWERS = b"\xae" b"grouping_power\xa11\xaf" b"max_value_power\xa14"


def entries(count, window=b""):
    head = b"\x94" if window else b"\x93"
    return (b"\x91" + head + b"\xa10" + bytes([count]) + b"\x81\xa6metric\xa1c" + window
            + b"\x91" + head + b"\xa11\xfb\x81\xa6metric\xa1g" + window
            + b"\x91" + head + b"\xa12" + HISTOGRAM + b"\x83" + POWERS + b"\xa6metric\xa1h"
            + window)


def third(count):
    schema = (b"\x93\x91\x92\xa10\x81\xa6metric\xa1c\x91\x92\xa11\x81\xa6metric\xa1g"
              b"\x91\x92\xa12\x83" + POWERS + b"\xa6metric\xa1h")
    return (b"\x94" + TIME + DURATION + SOURCE + b"\x91\x97\xa6s/main\x92\x01\x02" + schema + WINDOW
            + b"\x91" + bytes([count]) + b"\x91\xfb" + b"\x91" + HISTOGRAM)


UPSTREAM = {
    "V1": lambda count: b"\x95" + TIME + SOURCE + entries(count),
    "V2": lambda count: b"\x96" + TIME + DURATION + SOURCE + entries(count),
    "V2 with windows": lambda count: b"\x96" + TIME + DURATION + SOURCE + entries(count, WINDOW),
    "V3": third,
}


@pytest.mark.parametrize("version", UPSTREAM)
@pytest.mark.parametrize("as_endpoint", [False, True])
def test_upstreams_agents(tmp_path, site, version, as_endpoint):
    """Every form that upstream's agents have had, byte by byte as they send it."""
    counter = iter(range(1, 100))
    made = site({"/metrics/binary": ("application/octet-stream",
                                     lambda: UPSTREAM[version](next(counter)))})
    output = tmp_path / "run.parquet"
    where = ("--endpoint", made.url) if as_endpoint else (made.url,)
    result = rezolus("record", *FAST, *where, output)
    assert result.returncode == 0, result.stderr
    table = pyarrow.parquet.read_table(output)
    found = series(output)
    counts = table[found["c", "rezolus"][0].name].to_pylist()
    assert counts == list(range(counts[0], counts[0] + len(counts)))
    assert set(table[found["g", "rezolus"][0].name].to_pylist()) == {-5}
    assert table[found["h", "rezolus"][0].name].to_pylist()[0] == [0, 1, 2, 0, 0, 0, 0, 300]
