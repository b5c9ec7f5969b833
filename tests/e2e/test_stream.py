# SPDX-License-Identifier: Apache-2.0 OR MIT
"""GET /stream, from the kernel to a client that reads frames byte by byte."""

import contextlib
import http.client
import json
import re
import signal
import socket
import struct
import time
import urllib.error
import urllib.request

import pytest

from conftest import free_port, rezolus, wait_for

META, SCHEMA, KEY, DELTA, GAP, END = range(1, 7)


def varint(payload):
    value = shift = 0
    for at, byte in enumerate(payload):
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, payload[at + 1:]
    raise AssertionError("a varint without an end")


def split_frames(data):
    """(type, payload) of each whole frame, and what is left."""
    frames = []
    while len(data) >= 5:
        kind, length = struct.unpack_from("<BI", data)
        if len(data) < 9 + length:
            break
        frames.append((kind, data[5:5 + length]))
        data = data[9 + length:]
    return frames, data


class Listener:
    """A client of /stream."""

    def __init__(self, agent, interval, receive_bytes=None):
        self.data = b""
        self.frames = []
        self.connection = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=5)
        self.connection.connect()
        if receive_bytes:
            self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.connection.request("GET", f"/stream?interval={interval}")
        self.answer = self.connection.getresponse()

    def listen(self, seconds, until=lambda: False):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not until():
            try:
                part = self.answer.read1(1 << 16)
            except TimeoutError:
                break
            if not part:
                break
            self.data += part
            frames, self.data = split_frames(self.data)
            self.frames += frames
        return self

    def ticks(self):
        """Numbers of the snapshots."""
        return [varint(payload)[0] for kind, payload in self.frames if kind in (KEY, DELTA)]

    def missed(self):
        return sum(varint(varint(payload)[1])[0] for kind, payload in self.frames if kind == GAP)

    def close(self):
        self.answer.close()
        self.connection.close()


@pytest.fixture
def listen(request, agent):
    def begin(interval, on=None, **options):
        listener = Listener(on or agent, interval, **options)
        request.addfinalizer(listener.close)
        return listener
    return begin


def status_of(agent, path):
    try:
        with urllib.request.urlopen(agent.url + path, timeout=5) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_ticks_come_at_their_interval(listen):
    listener = listen("10ms")
    assert listener.answer.status == 200
    assert listener.answer.headers["Content-Type"] == "application/vnd.rezolus.frame"
    listener.listen(2)
    kinds = [kind for kind, _ in listener.frames if kind != GAP]  # a busy host is late
    assert kinds[:3] == [META, SCHEMA, KEY]
    assert KEY not in kinds[3:]
    ticks = listener.ticks()
    assert ticks == list(range(len(ticks)))  # the number of a snapshot: none is lost on the way
    assert 180 <= len(ticks) + listener.missed() <= 205


def test_each_listener_has_its_interval(listen):
    fast, slow = listen("5ms"), listen("100ms")
    begin = time.monotonic()
    fast.listen(1.5)
    slow.listen(0.2)
    elapsed = time.monotonic() - begin
    assert 0.8 * 300 <= len(fast.ticks()) + fast.missed() <= 200 * elapsed + 5
    assert 0.8 * 15 <= len(slow.ticks()) + slow.missed() <= 10 * elapsed + 2


def test_a_slow_listener_is_told_and_goes_on(listen, agent):
    before = agent.json("/status")["stream"]["missed_ticks"]
    listener = listen("1ms", receive_bytes=65536)
    listener.listen(0.2)
    begin = time.monotonic()
    while agent.json("/status")["stream"]["missed_ticks"] - before < 200:
        assert time.monotonic() - begin < 20, "buffered without end"
        time.sleep(0.1)
    listener.listen(15, until=lambda: listener.missed() >= 200)
    listener.listen(0.3)
    assert listener.missed() >= 200
    ticks = listener.ticks()
    assert ticks == list(range(len(ticks)))  # what is dropped was never encoded: deltas fit
    assert listener.frames[-1][0] in (SCHEMA, DELTA, GAP)


def test_an_interval_that_is_not_possible_is_refused(agent):
    for interval in ("0", "10", "500us", "soon", "2days"):
        status, sentence = status_of(agent, f"/stream?interval={interval}")
        assert status == 400, interval
        assert "1ms to 24h" in sentence
    assert status_of(agent, "/stream?every=1s")[0] == 400


def test_listeners_are_limited_and_counted(listen, agent):
    before = agent.json("/status")["stream"]["refused"]
    listeners = [listen("1s") for _ in range(16)]
    assert all(listener.answer.status == 200 for listener in listeners)
    status, sentence = status_of(agent, "/stream")
    assert status == 503
    assert "stream_listeners_max" in sentence
    stream = agent.json("/status")["stream"]
    assert stream["listeners"] == 16
    assert stream["refused"] == before + 1
    for listener in listeners:
        listener.close()
    deadline = time.monotonic() + 5
    while agent.json("/status")["stream"]["listeners"] > 0:
        assert time.monotonic() < deadline, "the places are not free again"
        time.sleep(0.05)


def test_a_stopping_agent_ends_the_stream(listen, own_agent):
    stopped = own_agent(free_port())
    listener = listen("10ms", on=stopped)
    listener.listen(0.3)
    stopped.process.signal(signal.SIGTERM)
    with contextlib.suppress(http.client.IncompleteRead):
        listener.listen(5)
    assert listener.frames[-1][0] == END
    assert varint(listener.frames[-1][1])[0] == len(listener.ticks())
    assert stopped.process.finish().returncode == 0


def test_an_agent_that_comes_back_leaves_a_gap(own_agent, start, tmp_path):
    first = own_agent(free_port())
    recording = start("record", "-i", "100ms", "-d", "6s", "-f", "log", first.url,
                      tmp_path / "run.rezlog")
    time.sleep(1.5)
    first.process.kill()
    time.sleep(0.5)
    own_agent(first.port)
    result = recording.finish()
    assert result.returncode == 0, result.stderr
    rows, missed = map(int, re.search(r"(\d+) rows, (\d+) missed", result.stdout).groups())
    assert rows + missed == 61
    assert missed >= 4
    assert rows >= 15
    assert result.stderr.count("recording goes on") == 1
    assert result.stderr.count("samples are back after") == 1


def test_a_recording_listens_at_its_interval(agent, tmp_path):
    opened = agent.json("/status")["stream"]["opened"]
    result = rezolus("record", "-i", "10ms", "-d", "2s", "-f", "log", agent.url,
                     tmp_path / "run.rezlog")
    assert result.returncode == 0, result.stderr
    rows, missed = map(int, re.search(r"(\d+) rows, (\d+) missed", result.stdout).groups())
    assert rows + missed == 201
    assert rows >= 100  # the others a busy host was late for
    assert agent.json("/status")["stream"]["opened"] == opened + 1


def test_listeners_that_cost_too_much_get_a_slower_tick(tmp_path, start):
    """At 1 % of a core nobody gets 1 ms over TCP; on the Unix socket they do."""
    port = free_port()
    config = tmp_path / "agent.toml"
    config.write_text(f'[general]\nlisten = ["127.0.0.1:{port}", "unix:{tmp_path}/socket"]\n'
                      f'instance = "e2e-share"\n[web]\nstream_loopback_cpu_percent_max = 1\n')
    start(config)

    def stream():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as answer:
            return json.load(answer)["stream"]

    def answers():
        with contextlib.suppress(OSError):
            return stream() is not None

    wait_for(answers, "the agent")
    record = start("record", "-i", "1ms", "-d", "12s", "-f", "log", f"http://127.0.0.1:{port}",
                   tmp_path / "tcp.rezlog")
    wait_for(lambda: stream()["slowed"] == 1, "a slower tick")
    wait_for(lambda: 0 < stream()["loopback_cpu_share"] <= 0.015, "the share to be kept")
    result = record.finish()
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("grants a tick every") == 1, result.stderr
    rows, missed = map(int, re.search(r"(\d+) rows, (\d+) missed", result.stdout).groups())
    assert missed > 4000, "most ticks of 1 ms are not granted, and are told"
    assert 11500 <= rows + missed <= 12001
    assert stream()["slowed"] == 0

    result = rezolus("record", "-i", "1ms", "-d", "5s", "-f", "log", f"unix:{tmp_path}/socket",
                     tmp_path / "unix.rezlog")
    assert result.returncode == 0, result.stderr
    assert "grants a tick" not in result.stderr
    rows, missed = map(int, re.search(r"(\d+) rows, (\d+) missed", result.stdout).groups())
    assert rows > missed, result.stdout
