# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A real Alertmanager fires, and the flight recorder makes a snapshot that says why."""

import json
import pathlib
import subprocess
import time
import urllib.error
import urllib.request

import pyarrow.parquet
import pytest

from conftest import free_port, tool, wait_for
from test_flight_recorder import times_of
from test_flight_recorder_http import TOKEN, door  # noqa: F401 (a fixture)

CONFIG = """
route:
  {{receiver: rezolus, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1s}}
receivers:
  - name: rezolus
    webhook_configs:
      - url: "http://127.0.0.1:{port}/alertmanager?last=2s&post=500ms"
        http_config: {{authorization: {{credentials_file: {token}}}}}
"""


@pytest.fixture
def token(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def alertmanager(tmp_path, request):
    def begin(port, token):
        own = free_port()
        config = tmp_path / "alertmanager.yml"
        config.write_text(CONFIG.format(port=port, token=token))
        log = open(tmp_path / "alertmanager.log", "wb")
        program = tool("prometheus-alertmanager")
        # Debian's looks for its templates in /usr/share alone; where it was only unpacked, a mount
        # namespace of its own shows it those that came with it.
        shared = pathlib.Path(program).parents[1] / "share"
        through = [] if shared == pathlib.Path("/usr/share") else [
            "unshare", "-m", "sh", "-c", 'mount --bind "$0" /usr/share && exec "$@"', shared]
        process = subprocess.Popen(
            [*through, program, f"--config.file={config}",
             f"--storage.path={tmp_path / 'alertmanager'}", "--cluster.listen-address=",
             f"--web.listen-address=127.0.0.1:{own}"], stdout=log, stderr=log)
        request.addfinalizer(lambda: (process.kill(), process.wait(), log.close()))
        url = f"http://127.0.0.1:{own}"

        def ready():
            assert process.poll() is None, (tmp_path / "alertmanager.log").read_text()
            try:
                return urllib.request.urlopen(url + "/-/ready", timeout=5).status == 200
            except OSError:
                return False
        wait_for(ready, "Alertmanager", timeout=60)
        return url
    return begin


def fire(url, *names):
    alerts = [{"labels": {"alertname": name, "device": "sda"},
               "generatorURL": f"http://prometheus.example/graph?g0.expr={name}"} for name in names]
    asked = urllib.request.Request(url + "/api/v2/alerts", json.dumps(alerts).encode(),
                                   {"Content-Type": "application/json"})
    urllib.request.urlopen(asked, timeout=10).close()


def test_one_snapshot_for_each_alert_that_fires(door, token, alertmanager):  # noqa: F811
    it = door(token_file=str(token), alert_cooldown="1h")
    url = alertmanager(it.port, token)
    fire(url, "SlowDisk")
    fired_ns = time.time_ns()
    wait_for(lambda: len(it.recorder.files()) == 1, "its snapshot", timeout=60)
    fire(url, "OutOfMemory")
    wait_for(lambda: len(it.recorder.files()) == 2, "the other's", timeout=60)
    # Alertmanager repeats both every second; none gets another before its cooldown is over.
    answers = it.metric("snapshots_total")
    time.sleep(3)
    assert it.metric("snapshots_total") == answers
    made = 'rezolus_flight_recorder_snapshots_total{result="ok",trigger="alertmanager"}'
    assert answers[made] == 2
    first = next(path for path in it.recorder.files() if "-slowdisk" in path.name)
    times = times_of(first)
    assert times[0] < fired_ns < times[-1], "from before and after it fired"
    why = json.loads(first.with_name(first.name + ".json").read_text())
    assert why["trigger"] == "alertmanager" and why["reason"] == "SlowDisk"
    assert why["details"]["labels"] == {"alertname": "SlowDisk", "device": "sda"}
    assert why["details"]["generator_url"].endswith("g0.expr=SlowDisk")
    assert why["details"]["receiver"] == "rezolus" and why["details"]["starts_at"]
    metadata = pyarrow.parquet.read_metadata(first).metadata
    assert json.loads(metadata[b"snapshot"])["details"] == why["details"]
    it.recorder.stop()


def test_alerts_without_the_token_are_refused(door, token):  # noqa: F811
    it = door(token_file=str(token))
    message = json.dumps({"version": "4", "alerts": []}).encode()

    def post(body, **headers):
        asked = urllib.request.Request(f"http://127.0.0.1:{it.port}/alertmanager", body,
                                       {"Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code
    assert post(message) == 401
    right = {"Authorization": "Bearer " + TOKEN}
    assert post(message, **right) == 200
    assert post(b"{}", **right) == 400
    assert post(b"x" * (2 << 20), **right) == 413
    it.recorder.stop()
