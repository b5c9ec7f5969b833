# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What can go wrong while the flight recorder runs: it goes on, the buffer stays readable, and what
is missing is counted."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pyarrow.parquet
import pytest

from conftest import BUILD, rezolus, wait_for
from test_flight_recorder import MS, Flight, flight, segments, times_of  # noqa: F401 (a fixture)
from test_flight_recorder_service import children

NS = 1_000_000_000


def table_of(log):
    """Of a snapshot with format = "log", which takes no converter at the lowest priority."""
    output = log.with_suffix(".check.parquet")
    read = subprocess.run([BUILD / "rezolus-recording", "convert", log, output],
                          capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    return pyarrow.parquet.read_table(output)


def test_killed_in_the_middle_of_a_snapshot(flight):  # noqa: F811
    recorder = flight(keep=3)
    process = recorder.run()
    recorder.wait_until_written()
    before = recorder.snapshot()
    process.signal(signal.SIGUSR2)
    wait_for(lambda: children(process.popen.pid), "the converter")
    converter = children(process.popen.pid)[0]
    process.signal(signal.SIGKILL)
    process.finish()
    wait_for(lambda: not pathlib.Path(f"/proc/{converter}").exists(), "the converter's end")
    # All or nothing.
    for path in recorder.output.parent.glob("*.parquet"):
        assert times_of(path)
    recorder.run()
    recorder.wait_until_written()
    assert not list(recorder.buffer.glob("snapshot-*"))
    assert not [p for p in recorder.output.parent.iterdir() if ".tmp." in p.name]
    after = times_of(recorder.snapshot())
    assert after[:len(times_of(before))] == times_of(before)
    recorder.stop()


def test_the_agent_is_replaced_by_another(flight, own_agent, start, tmp_path):  # noqa: F811
    few = tmp_path / "few.toml"

    def begin(text):
        few.write_text(text)
        return start(few)
    probe = own_agent()
    probe.stop()
    general = probe.config.read_text()
    first = begin(general + "[samplers.cpu_usage]\nenabled = false\n")
    wait_for(probe_answers(probe), "the first agent")
    recorder = flight(url=probe.url, keep=3, format="log", snapshot_on_exit=False)
    recorder.run()
    recorder.wait_until_written()
    time.sleep(0.5)
    first.signal(signal.SIGTERM)
    first.finish()
    begin(general + "[samplers.memory_meminfo]\nenabled = false\n")
    wait_for(probe_answers(probe), "the second agent")
    recorder.wait_until_written()
    time.sleep(0.5)
    table = table_of(recorder.snapshot())
    assert recorder.stop().returncode == 0
    first_last = {name: (table[name][0].as_py(), table[name][-1].as_py())
                  for name in table.column_names}
    gone = [name for name, (begin, end) in first_last.items() if begin is not None and end is None]
    new = [name for name, (begin, end) in first_last.items() if begin is None and end is not None]
    assert any(name.startswith("memory_") for name in gone), first_last.keys()
    assert any(name.startswith("cpu_usage") for name in new), first_last.keys()


def probe_answers(agent):
    def answers():
        try:
            return agent.get("/readyz") is not None
        except OSError:
            return False
    return answers


SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
static volatile long long *offset_ns;
__attribute__((constructor)) static void begin(void) {
  int fd = open(getenv("CLOCK_OFFSET"), O_RDONLY);
  offset_ns = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
}
int clock_gettime(clockid_t clock, struct timespec *out) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int failed = real(clock, out);
  if (!failed && clock == CLOCK_REALTIME && offset_ns) {
    long long ns = out->tv_sec * 1000000000LL + out->tv_nsec + *offset_ns;
    out->tv_sec = ns / 1000000000LL;
    out->tv_nsec = ns % 1000000000LL;
  }
  return failed;
}
"""


@pytest.fixture
def stepped_clock(tmp_path):
    """step(ns): the time of day of what is started with the environment `step.environment`."""
    source, library, offset = tmp_path / "shim.c", tmp_path / "shim.so", tmp_path / "offset"
    source.write_text(SHIM)
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    offset.write_bytes(bytes(4096))

    def step(offset_ns):
        with open(offset, "r+b") as file:
            file.write(offset_ns.to_bytes(8, "little", signed=True))
    step.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(offset)}
    return step


def test_the_clock_is_stepped_both_ways(start, tmp_path, stepped_clock):
    environment = os.environ | stepped_clock.environment
    # Samplers in the recorder itself: one process, one clock.
    recorder = Flight(start, tmp_path, None, interval="20ms", keep=9, duration="2m")
    process = recorder.run(env=environment)
    wait_for(lambda: segments(recorder.buffer), "the buffer")
    recorder.wait_until_written()
    time.sleep(1)
    begin_ns = time.time_ns()
    stepped_clock(3600 * NS)
    time.sleep(1)
    recorder.wait_until_written()
    forward = times_of(recorder.snapshot())
    stepped_clock(-3600 * NS)
    time.sleep(1)
    recorder.wait_until_written()
    back = times_of(recorder.snapshot())
    assert process.popen.poll() is None
    assert recorder.stop().returncode == 0
    # An hour ahead, and what was before it is still there.
    assert any(t < begin_ns + 60 * NS for t in forward)
    assert any(t > begin_ns + 3500 * NS for t in forward)
    # Two hours back: all three times are there, each with its ticks.
    for low, high in ((-3700, -3500), (-60, 60), (3500, 3700)):
        count = sum(begin_ns + low * NS <= t <= begin_ns + high * NS for t in back)
        assert count > 5, (low, high, count)


def test_the_buffer_becomes_read_only(flight, tmp_path):  # noqa: F811
    recorder = flight(keep=3, duration="5s")
    recorder.run()
    recorder.wait_until_written()
    subprocess.run(["mount", "--bind", recorder.buffer, recorder.buffer], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", recorder.buffer], check=True)
        # The segment that is open goes on; the next cannot be begun.
        time.sleep(3)
        assert recorder.process.popen.poll() is None
        size = sum(path.stat().st_size for path in segments(recorder.buffer))
        time.sleep(1)
        assert sum(path.stat().st_size for path in segments(recorder.buffer)) == size
    finally:
        subprocess.run(["umount", "-l", recorder.buffer], check=True)
    recorder.wait_until_written()
    time.sleep(0.5)
    made = recorder.snapshot()
    why = json.loads(made.with_name(made.name + ".json").read_text())
    assert sum(gap["missed_ticks"] for gap in why["gaps"]) > 50 and times_of(made)
    ended = recorder.stop()
    assert ended.returncode == 0 and "Read-only file system" in ended.stderr


def test_the_outputs_disk_is_full(flight, tmp_path):  # noqa: F811
    """The answer says so, nothing is left of the snapshot, and the recording goes on."""
    disk = tmp_path / "small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
    try:
        for format_name in ("log", "parquet"):
            recorder = flight(output=str(disk / "flight.out"), format=format_name,
                              snapshot_on_exit=False)
            recorder.run()
            wait_for(lambda: sum(path.stat().st_size for path in segments(recorder.buffer)) > 200_000,
                     "more than the disk takes", timeout=60)
            asked = rezolus("flight-recorder", "snapshot", recorder.config, timeout=60)
            assert asked.returncode == 1 and "no snapshot" in asked.stderr
            assert not list(disk.iterdir())
            recorder.wait_until_written()
            ended = recorder.stop()
            assert ended.returncode == 0 and "No space left" in asked.stderr, asked.stderr
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_buffer_that_is_read_only_from_the_start(flight, tmp_path):  # noqa: F811
    recorder = flight()
    recorder.buffer.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", recorder.buffer], check=True)
    try:
        refused = rezolus("flight-recorder", recorder.config)
    finally:
        subprocess.run(["umount", "-l", recorder.buffer], check=True)
    assert refused.returncode == 1
    assert str(recorder.buffer) in refused.stderr and "Read-only" in refused.stderr


def test_a_hole_of_a_thousand_ticks(flight, own_agent):  # noqa: F811
    agent = own_agent()
    recorder = flight(url=agent.url, keep=3, interval="4ms", format="log", snapshot_on_exit=False)
    recorder.run()
    recorder.wait_until_written()
    agent.stop()
    time.sleep(5)
    own_agent(port=agent.port)
    recorder.wait_until_written()
    time.sleep(1)
    made = recorder.snapshot()
    times = table_of(made)["timestamp"].to_pylist()
    why = json.loads(made.with_name(made.name + ".json").read_text())
    assert recorder.stop().returncode == 0
    missed = sum(gap["missed_ticks"] for gap in why["gaps"])
    assert missed > 1000
    # Ticks and gaps together are the time that passed.
    expected = (times[-1] - times[0]) // (4 * MS) + 1
    assert abs(len(times) + missed - expected) <= max(5, expected // 50)
