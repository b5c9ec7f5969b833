# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Our expressions and those of a real Prometheus, over the same samples."""

import json
import math
import random
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest

from conftest import BUILD, free_port, tool, wait_for

START_MS = 1_700_000_000_000
TICKS = 240
BOUNDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, math.inf]

EXPRESSIONS = [
    "rate(requests_total[30s])",
    "rate(requests_total[90s])",
    "increase(requests_total[1m])",
    "irate(requests_total[1m])",
    "rate(late_total[2m])",  # it begins within the range, near zero
    "increase(requests_total[30s] offset 45s)",
    "delta(temperature[1m])",
    "temperature",
    "temperature offset 90s",
    '{room="kitchen",floor=~"[0-9]"}',
    'temperature{room!="cellar",floor!~"2"}',
    "sum(rate(requests_total[1m]))",
    "sum by (job) (rate(requests_total[1m]))",
    "avg without (code) (rate(requests_total[1m]))",
    "max(temperature) - min(temperature)",
    "count by (floor) (temperature)",
    "topk(2, temperature)",
    "histogram_quantile(0.5, rate(latency_bucket[1m]))",
    "histogram_quantile(0.99, sum by (le) (rate(latency_bucket[1m])))",
    "histogram_quantile(0.9, sum by (op, le) (increase(latency_bucket[2m])))",
    "histogram_quantile(1, latency_bucket)",
    "histogram_quantile(-1, latency_bucket)",
    "rate(latency_sum[1m]) / rate(latency_count[1m])",
    'rate(requests_total{code="500"}[1m]) / ignoring (code) rate(requests_total{code="200"}[1m])',
    "temperature > 15",
    "temperature > bool 15",
    "15 < temperature",
    "temperature * 9 / 5 + 32",
    "-temperature ^ 2",
    "temperature % 7",
    'temperature and temperature{floor="1"}',
    'temperature unless temperature{floor="1"}',
    'temperature{floor="1"} or temperature > 18',
    'temperature * on (room) group_limit',
    "sum(requests_total) / on () count(temperature)",
    "avg_over_time(temperature[1m])",
    "max_over_time(temperature[45s]) - min_over_time(temperature[45s])",
    "sum_over_time(temperature[20s])",
    "count_over_time(temperature[100s])",
    'absent(temperature{room="attic"})',
    "absent(temperature)",
    "abs(temperature)",
    "clamp_min(clamp_max(temperature, 20), 10)",
    "scalar(max(temperature)) + time() % 10",
    "vector(1) / 0",
    "0 * temperature / 0",
    "1 / 0 > bool 7",
]


def made_up():
    """Series and ticks: counters that begin anew, gauges below zero, histograms, one that is late."""
    chance = random.Random(7)
    series = [{"name": "requests_total", "labels": {"job": job, "code": code}}
              for job in ("a", "b") for code in ("200", "500")]
    series += [{"name": "temperature", "labels": {"room": room, "floor": floor}}
               for room, floor in (("kitchen", "1"), ("cellar", "0"), ("kiln", "2"))]
    series += [{"name": "group_limit", "labels": {"room": "kitchen"}},
               {"name": "late_total", "labels": {}}]
    ops = ("read", "write")
    for op in ops:
        series += [{"name": "latency_bucket",
                    "labels": {"op": op, "le": "+Inf" if math.isinf(bound) else str(bound)}}
                   for bound in BOUNDS]
        series += [{"name": name, "labels": {"op": op}} for name in ("latency_sum", "latency_count")]
    counters = [chance.randrange(1000) for _ in range(4)]
    rooms = [18.5, -3.25, 400.0]
    late = 0
    seen = {op: [0] * len(BOUNDS) for op in ops}
    sums = dict.fromkeys(ops, 0.0)
    ticks = []
    time_ms = START_MS
    for tick in range(TICKS):
        for index in range(4):
            counters[index] += chance.randrange(50)
            if chance.random() < 0.01:
                counters[index] = chance.randrange(5)
        rooms = [value + chance.uniform(-1, 1) for value in rooms]
        late += chance.randrange(4)
        for op in ops:
            for _ in range(chance.randrange(40)):
                took = chance.expovariate(100 if op == "read" else 10)
                sums[op] += took
                for at, bound in enumerate(BOUNDS):
                    seen[op][at] += took <= bound
        values = [*counters, *rooms, 2.5, late if tick >= TICKS // 2 else None]
        for op in ops:
            values += [*seen[op], sums[op], seen[op][-1]]
        ticks.append({"time_ms": time_ms, "values": values})
        time_ms += 1000 + chance.randrange(-80, 80)
        if tick == TICKS // 3:
            time_ms += 7000  # ticks that are missing
    return series, ticks


def open_metrics(series, ticks):
    lines = []
    for index, one in enumerate(series):
        labels = ",".join(f'{key}="{value}"' for key, value in one["labels"].items())
        for tick in ticks:
            value = tick["values"][index]
            if value is not None:
                lines.append(f'{one["name"]}{{{labels}}} {value!r} {tick["time_ms"] / 1000:.3f}')
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module")
def samples():
    return made_up()


@pytest.fixture(scope="module")
def prometheus(samples, tmp_path_factory):
    """Debian's, with these samples and no others; asks it."""
    folder = tmp_path_factory.mktemp("prometheus")
    text = folder / "samples.txt"
    text.write_text(open_metrics(*samples))
    subprocess.run([tool("promtool"), "tsdb", "create-blocks-from", "openmetrics", text,
                    folder / "data"], check=True, capture_output=True, timeout=60)
    config = folder / "prometheus.yml"
    config.write_text("")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [tool("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
             "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log)

    def ready():
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return urllib.request.urlopen(url + "/-/ready", timeout=5).status == 200
        except OSError:
            return False

    def ask(expression, time_ms):
        asked = urllib.parse.urlencode({"query": expression, "time": f"{time_ms / 1000:.3f}"})
        with urllib.request.urlopen(f"{url}/api/v1/query?{asked}", timeout=30) as answer:
            data = json.load(answer)["data"]
        if data["resultType"] == "scalar":
            return {(): float(data["result"][1])}
        return {tuple(sorted(one["metric"].items())): float(one["value"][1])
                for one in data["result"]}
    try:
        wait_for(ready, "Prometheus", timeout=60)
        yield ask
    finally:
        process.kill()
        process.wait()


def ours(answer):
    assert "error" not in answer, answer
    if "value" in answer:
        return {(): float(answer["value"])}
    return {tuple(sorted(one["metric"].items())): float(one["value"]) for one in answer["vector"]}


def same(a, b):
    return (math.isnan(a) and math.isnan(b)) or a == pytest.approx(b, rel=1e-9, abs=1e-12)


def test_they_say_the_same(samples, prometheus):
    series, ticks = samples
    # On a tick, between two, where ticks are missing, and after the last.
    times = [ticks[70]["time_ms"], ticks[TICKS // 3]["time_ms"] + 3456, ticks[150]["time_ms"] + 301,
             ticks[-1]["time_ms"] + 500]
    questions = [{"expression": expression, "time_ms": time_ms}
                 for expression in EXPRESSIONS for time_ms in times]
    said = subprocess.run([BUILD / "rezolus-query"], text=True, capture_output=True, check=False,
                          input=json.dumps({"series": series, "ticks": ticks,
                                            "questions": questions}), timeout=60)
    assert said.returncode == 0, said.stderr
    answers = json.loads(said.stdout)
    different = []
    elements = 0
    for question, answer in zip(questions, answers, strict=True):
        a, b = ours(answer), prometheus(question["expression"], question["time_ms"])
        elements += len(b)
        if a.keys() != b.keys() or not all(same(a[key], b[key]) for key in b):
            different.append((question["expression"], question["time_ms"] - START_MS, a, b))
    assert not different, "\n".join(map(str, different))
    assert elements > 400, "there was something to compare"


def test_what_prometheus_refuses_is_refused(prometheus):
    for expression in ("rate(temperature)", "sum(temperature[5s])", "{}",
                       "topk(temperature, 1)", "histogram_quantile(latency_bucket)", "1 +", "a b",
                       '{room=~".*"}', "rate(temperature[0s])", "temperature and 1", "nope(1)",
                       'temperature{room=~"("}', "1 > 2", "temperature > bool", "sum by (0) (a)"):
        with pytest.raises(urllib.error.HTTPError):
            prometheus(expression, START_MS)
        said = subprocess.run([BUILD / "rezolus-query"], text=True, capture_output=True, check=False,
                              input=json.dumps({"series": [], "ticks": [], "questions": [
                                  {"expression": expression, "time_ms": 0}]}), timeout=60)
        assert said.returncode == 2 and "column " in said.stderr, expression
