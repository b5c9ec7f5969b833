# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What asks a flight recorder for snapshots: HTTP and the command over its Unix socket."""

import http.client
import json
import os
import socket
import stat
import subprocess
import threading
import time

import pyarrow
import pyarrow.parquet
import pytest

from conftest import free_port, rezolus, tool, wait_for
from test_flight_recorder import MS, Flight, times_of

NS = 1_000_000_000
TOKEN = "a-token-of-the-tests-0123456789"


class Door:
    """A flight recorder with a listener."""

    def __init__(self, recorder, address="127.0.0.1", port=None):
        self.recorder, self.address, self.port = recorder, address, port
        recorder.run()
        wait_for(self.answers, "the flight recorder to answer")
        recorder.wait_until_written()

    def answers(self):
        if self.recorder.process.popen.poll() is not None:
            pytest.fail("it ended: " + self.recorder.process.finish().stderr)
        try:
            return self.ask("GET", "/healthz")[0] == 200
        except OSError:
            return False

    def ask(self, method, path, **headers):
        connection = http.client.HTTPConnection(self.address, self.port, timeout=120)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def json(self, method, path, **headers):
        status, body, _ = self.ask(method, path, **headers)
        return status, json.loads(body)

    def metric(self, name):
        page = self.ask("GET", "/metrics")[1].decode()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
                for line in page.splitlines() if line.startswith(f"rezolus_flight_recorder_{name}")}


@pytest.fixture
def door(start, tmp_path, agent):
    def make(address="127.0.0.1", url=agent.url, **keys):
        port = free_port()
        shown = f"[{address}]" if ":" in address else address
        recorder = Flight(start, tmp_path, url, listen=f"{shown}:{port}", keep=50,
                          socket=str(tmp_path / "s"), **keys)
        return Door(recorder, address, port)
    return make


def times_in(body):
    return pyarrow.parquet.read_table(pyarrow.BufferReader(body),
                                      columns=["timestamp"])["timestamp"].to_pylist()


def test_a_snapshot_by_post_and_as_the_answer(door, tmp_path):
    it = door()
    time.sleep(2)
    status, made = it.json("POST", "/snapshot?reason=slow%20disk")
    assert status == 200, made
    whole = times_of(made["path"])
    assert "-slow-disk" in made["path"] and made["trigger"] == "http" and len(whole) > 100
    why = json.loads(open(made["path"] + ".json").read())
    assert why["reason"] == "slow disk" and why["trigger"] == "http"
    # A part of it, not kept.
    before = set(it.recorder.files())
    asked_ns = time.time_ns()
    status, body, headers = it.ask("GET", "/snapshot?last=1s")
    assert status == 200 and headers["Content-Type"] == "application/vnd.apache.parquet"
    part = times_in(body)
    assert asked_ns - NS - 20 * MS <= part[0] <= asked_ns - 500 * MS, "a second of it"
    assert max(b - a for a, b in zip(part, part[1:])) < 500 * MS
    # By two times, inclusive, with the ticks that the first file has there.
    first, last = whole[20], whole[60]
    exact = f"/snapshot?start={first // NS}.{first % NS // 1000:06}&end={last // NS + 1}"
    times = times_in(it.ask("GET", exact)[1])
    assert times[0] == first or times[0] == whole[21]
    assert [t for t in times if t <= whole[-1]] == [t for t in whole if times[0] <= t <= times[-1]]
    assert set(it.recorder.files()) == before
    assert not list(it.recorder.buffer.glob("snapshot-*"))
    # Counted.
    made = it.metric("snapshots_total")
    assert made['rezolus_flight_recorder_snapshots_total{result="ok",trigger="http"}'] == 3
    page = it.ask("GET", "/metrics")[1]
    lint = subprocess.run([tool("promtool"), "check", "metrics"], input=page, capture_output=True,
                          check=False)
    assert lint.returncode == 0, lint.stdout + lint.stderr
    it.recorder.stop()


def test_what_comes_after_the_trigger(door):
    it = door()
    asked_ns = time.time_ns()
    status, made = it.json("POST", "/snapshot?last=1s&post=2s")
    answered_ns = time.time_ns()
    assert status == 200, made
    times = times_of(made["path"])
    assert answered_ns > asked_ns + 2 * NS
    assert asked_ns + 1500 * MS < times[-1] <= asked_ns + 2500 * MS
    assert times[0] < asked_ns + 100 * MS
    it.recorder.stop()


def test_the_originals_routes(door):
    it = door()
    time.sleep(1)
    status, page = it.json("GET", "/status")
    assert status == 200
    assert page["lookback_secs"] == page["buffer_duration_secs"] == 60
    assert page["sampling_interval_ms"] == 10 and page["ticks_recorded"] > 0
    assert abs(page["newest_timestamp"] - time.time()) < 30
    status, body, headers = it.ask("GET", "/dump?last=10s")
    assert status == 200 and "dump.parquet" in headers["Content-Disposition"]
    assert headers["Content-Type"] == "application/octet-stream" and times_in(body)
    status, made = it.json("POST", "/dump/file?last=10s")
    assert status == 200 and times_of(made["path"]) and made["time_range"]["end"] > 0
    status, made = it.json("POST", "/dump/file?last=10")
    assert status == 400 and made["path"] == "" and "last" in made["error"]
    assert it.ask("GET", "/dump?end=1000")[0] == 404
    assert it.ask("GET", "/snapshot?start=2000&end=1000")[0] == 400
    assert it.ask("GET", "/dump/file")[0] == 405
    it.recorder.stop()


def test_no_path_and_no_web_page(door):
    it = door()
    before = set(it.recorder.files())
    origin = {"Origin": "http://evil.example"}
    assert it.ask("POST", "/snapshot", **origin)[0] == 403
    assert it.ask("GET", "/snapshot", **{"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert it.ask("POST", "/snapshot", **{"Content-Type": "text/plain"})[0] == 415
    assert it.ask("POST", "/snapshot", Host="evil.example")[0] == 421
    assert it.ask("POST", "/snapshot?path=/tmp/x")[0] == 400
    assert it.ask("POST", "/snapshot?reason=../../../tmp/x")[0] == 200
    made = set(it.recorder.files()) - before
    assert len(made) == 1 and made.pop().parent == it.recorder.output.parent
    it.recorder.stop()


def address_of_this_host():
    """Not the loopback's; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this host has no address but the loopback's")
        return probe.getsockname()[0]


def test_from_elsewhere_with_the_token_alone(door, tmp_path):
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    it = door(address=address_of_this_host(), token_file=str(token))
    assert it.ask("GET", "/status")[0] == 200
    assert it.ask("POST", "/snapshot")[0] == 401
    assert it.ask("GET", "/dump")[0] == 401
    assert it.ask("POST", "/snapshot", Authorization="Bearer " + TOKEN[:-1])[0] == 401
    assert it.json("POST", "/snapshot", Authorization="Bearer " + TOKEN)[0] == 200
    assert it.recorder.stop().returncode == 0
    token.chmod(0o644)
    again = rezolus("flight-recorder", it.recorder.config)
    assert again.returncode == 2 and "chmod o=" in again.stderr


def test_many_at_once_wait_or_are_told(door):
    it = door()
    time.sleep(1)
    answers = []

    def one():
        answers.append(it.ask("POST", "/snapshot?post=1s"))
    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = sorted(status for status, _, _ in answers)
    # One is made, eight wait; whoever asked while one more was taken up may be the ninth.
    assert set(codes) == {200, 503} and 8 <= codes.count(200) <= 11, codes
    refused = next(headers for status, _, headers in answers if status == 503)
    assert refused["Retry-After"]
    paths = {json.loads(body)["path"] for status, body, _ in answers if status == 200}
    assert len(paths) == codes.count(200), "a file each"
    it.recorder.stop()


def test_the_end_answers_who_waits(door):
    it = door(snapshot_on_exit=False)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(it.ask("POST", "/snapshot?post=60s")))
    waiting.start()
    wait_for(lambda: it.json("GET", "/status")[1]["snapshots_waiting"] == 1, "it to wait")
    assert it.recorder.stop().returncode == 0
    waiting.join()
    assert answers[0][0] == 500 and b"stopped" in answers[0][1]


def test_the_command_snapshot(door, tmp_path):
    it = door()
    time.sleep(1)
    path = tmp_path / "s"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    made = rezolus("flight-recorder", "snapshot", it.recorder.config, "--last", "30s", "--reason",
                   "by hand", timeout=120)
    assert made.returncode == 0, made.stderr
    assert times_of(made.stdout.strip()) and "-by-hand" in made.stdout
    why = json.loads(open(made.stdout.strip() + ".json").read())
    assert why["trigger"] == "command" and why["reason"] == "by hand"
    wrong = rezolus("flight-recorder", "snapshot", "--socket", path, "--last", "5")
    assert wrong.returncode == 2 and "last" in wrong.stderr and not wrong.stdout
    it.recorder.stop()
    assert not path.exists()
    gone = rezolus("flight-recorder", "snapshot", "--socket", path)
    assert gone.returncode == 1 and "is it running?" in gone.stderr and str(path) in gone.stderr


def test_the_socket_is_where_the_service_has_it(start, tmp_path, agent):
    run = tmp_path / "run"
    run.mkdir()
    recorder = Flight(start, tmp_path, agent.url)
    recorder.run(env=os.environ | {"RUNTIME_DIRECTORY": str(run)})
    wait_for(lambda: (run / "flight-recorder.sock").exists(), "the socket")
    recorder.wait_until_written()
    made = rezolus("flight-recorder", "snapshot", "--socket", run / "flight-recorder.sock",
                   timeout=120)
    assert made.stdout.strip() == str(recorder.output), made.stderr
    recorder.stop()
