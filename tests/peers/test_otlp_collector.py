# SPDX-License-Identifier: Apache-2.0 OR MIT
"""OTLP to the OpenTelemetry Collector, which is built once from tests/peers/collector."""

import hashlib
import http.client
import os
import shutil
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT
from test_remote_write import free_port, get, start, wait_for  # noqa: F401

sys.path.append(str(ROOT / "tests/e2e"))
otlp_receiver = pytest.importorskip("otlp_receiver",
                                    reason="no opentelemetry-proto; scripts/setup installs it")

SWITCHES = "rezolus.scheduler_context_switch"
LATENCY = "rezolus.scheduler_runqueue_latency"


@pytest.fixture(scope="session")
def collector():
    if shutil.which("go") is None:
        pytest.skip("no go command, which builds the collector; scripts/setup installs it")
    source = ROOT / "tests/peers/collector"
    digest = hashlib.sha256(b"".join((source / name).read_bytes()
                                     for name in ("main.go", "go.mod", "go.sum"))).hexdigest()
    program = ROOT / ".deps/peers" / f"collector-{digest[:16]}" / "collector"
    if not program.exists():
        subprocess.run(["nice", "-n", "19", "go", "build", "-trimpath", "-o", program, "."],
                       check=True, cwd=source, timeout=1500,
                       env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"})
    return program


@pytest.fixture
def receivers(request):
    """Of what we send, and of what the collector sends on."""
    made = [otlp_receiver.Receiver() for _ in range(2)]
    for one in made:
        request.addfinalizer(one.close)
    return made


def listening(port):
    """Whether an HTTP server answers there, whatever it says."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/")
    return connection.getresponse().status


def by_series(receiver):
    """{(metric, attributes, time): everything else that was said}; of what was measured, since the families
    of the process have the time of each request."""
    found = {}
    for name, points in receiver.all().items():
        if name.startswith(("process.", "rezolus.exporter_", "rezolus.build_")):
            continue
        for kind, unit, monotonic, point in points:
            identity = tuple(sorted(otlp_receiver.attributes(point.attributes).items()))
            rest = type(point)()
            rest.CopyFrom(point)
            rest.ClearField("attributes")
            for side in ("positive", "negative"):  # the collector says it where there are none
                if kind == "exponential_histogram" and not getattr(point, side).bucket_counts:
                    rest.ClearField(side)
            found[name, identity, point.time_unix_nano] = (kind, unit, monotonic,
                                                           rest.SerializeToString())
    return found


@pytest.mark.parametrize("histograms", ["classic", "exact", "native"])
def test_the_collector_sends_on_what_we_sent(collector, receivers, start, tmp_path,  # noqa: F811
                                             histograms):
    if os.geteuid() != 0:
        pytest.skip("an agent loads BPF programs and needs root")
    direct, through = receivers
    agent, exporter, port = (free_port() for _ in range(3))
    (tmp_path / "collector.yaml").write_text(f"""
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}
exporters:
  otlp_http: {{endpoint: "{through.url}"}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    metrics: {{receivers: [otlp], exporters: [otlp_http]}}
""")
    (tmp_path / "agent.toml").write_text(
        f'[general]\nlisten = "127.0.0.1:{agent}"\ninstance = "otlp-{os.getpid()}"\n')
    (tmp_path / "exporter.toml").write_text(
        f'[general]\nlisten = "127.0.0.1:{exporter}"\n'
        f'[exporter]\nsource = "127.0.0.1:{agent}"\ninterval = "200ms"\n'
        f'[metrics.histograms]\n"*" = "classic"\n"syscall_*" = "summary"\n' +
        "".join(f'[[push]]\nname = "{name}"\nprotocol = "otlp"\nurl = "{url}"\n'
                f'histograms = "{histograms}"\n'
                for name, url in [("direct", direct.url), ("through", f"http://127.0.0.1:{port}")]) +
        f'[push_queue]\nfolder = "{tmp_path}/queue"\n')
    start(collector, f"--config=file:{tmp_path}/collector.yaml")
    measured = start(BUILD / "rezolus", tmp_path / "agent.toml")
    wait_for(lambda: get(f"http://127.0.0.1:{agent}/readyz"), "the agent")
    wait_for(lambda: listening(port), "the collector")
    start(BUILD / "rezolus", "exporter", tmp_path / "exporter.toml")
    for receiver in receivers:
        wait_for(lambda receiver=receiver: len(receiver.times(LATENCY)) > 5, "some ticks")
    measured.kill()
    for receiver in receivers:
        wait_for(lambda receiver=receiver: receiver.all()[LATENCY][-1][3].flags ==
                 otlp_receiver.ENDED, "the end of the series")
    wait_for(lambda: len(by_series(through)) == len(by_series(direct)), "the rest")
    sent, got = by_series(direct), by_series(through)
    assert len(got) > 1000
    assert got == sent, "every point of every series, byte by byte"
    kinds = {kind for kind, *_ in got.values()}
    assert kinds == {"sum", "gauge", "summary",
                     "exponential_histogram" if histograms == "native" else "histogram"}
    assert direct.resources[-1] == through.resources[-1]
    assert not direct.problems and not through.problems
    assert any(name == SWITCHES for name, *_ in got)
