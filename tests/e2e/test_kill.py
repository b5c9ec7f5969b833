# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Recordings that are killed, run out of disk, or meet each other: at most the tick that was being
written is lost, and the next recording to the same output finishes it."""

import contextlib
import os
import random
import shutil
import subprocess
import time

import pyarrow.parquet
import pytest

from conftest import BUILD, REALTIME, REZOLUS, need_realtime, rezolus, wait_for
from frames import END, Tap, frames, ticks

NS = 1_000_000_000
INTERVAL_NS = 10_000_000
# Under load, or on a machine that stalls, a tick is late; nothing else depends on it.
LATE_NS = NS // 2
PROBES_MAX = 2  # snapshots that a recorder asks for before it begins

MOMENTS = 10
MOMENTS_LONG = 100


def log_of(output):
    return output.with_name(output.name + ".rezlog")


def check_log(log):
    """What a killed recorder left: whole frames and at most one that is torn, ticks without a hole.
    Returns their times."""
    found, torn = frames(log.read_bytes())
    assert found and all(kind != END for kind, _ in found)
    times, _ = ticks(found)
    assert [number for number, _ in times] == list(range(len(times)))
    return [time_ns for _, time_ns in times], torn


def finish(output, url):
    """The next recording to the same output; returns the earlier one's rows."""
    result = rezolus("record", "-i", "10ms", "-d", "200ms", *url, output, timeout=120)
    assert result.returncode == 0, result.stderr
    assert not log_of(output).exists()
    recovered = list(output.parent.glob(f"{output.stem}.recovered-*.parquet"))
    assert len(recovered) == 1
    assert str(recovered[0]) in result.stderr
    times = pyarrow.parquet.read_table(recovered[0], columns=["timestamp"])["timestamp"]
    return times.to_pylist()


def record_until(start, output, moment_s, url, **options):
    """A recording that has written for moment_s seconds."""
    log = log_of(output)
    record = start("record", "-i", "10ms", *url, output, **options)
    wait_for(lambda: log.exists() and log.stat().st_size > 0, "the first tick")
    time.sleep(moment_s)
    return record


def kill_one(start, agent, output, moment_s):
    """Agent and recorder are of the real-time class: what waits for a CPU is not in the recorder yet,
    and no loss of its own."""
    tap = Tap(agent.port, through=REALTIME)
    try:
        record = record_until(start, output, moment_s, [tap.url], through=REALTIME)
        tap.kill(record)
        times, _ = check_log(log_of(output))
        sent = tap.snapshot_times()
    finally:
        tap.close()
    # What is in the log is what the agent sent, up to the last but at most one. Before it stand the
    # answers by which the recorder found out whom it records.
    lost = 0 if sent[-len(times):] == times else 1
    assert sent[:len(sent) - lost][-len(times):] == times
    assert len(sent) - len(times) - lost <= PROBES_MAX
    assert finish(output, [agent.url]) == times


def kill_one_embedded(start, output, moment_s):
    record = record_until(start, output, moment_s, [])
    killed_ns = time.time_ns()
    record.signal(9)
    record.finish()
    times, _ = check_log(log_of(output))
    assert times[-1] > killed_ns - INTERVAL_NS - LATE_NS
    assert finish(output, []) == times


def no_agent_on_default_port():
    import socket
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 4241)) == 0:
            pytest.skip("something listens on port 4241 of this host")


def each_moment(count, spread_s):
    """Moments at which to kill; the seed is shown where a test fails."""
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)
    chosen = random.Random(seed)
    return [chosen.uniform(0, spread_s) for _ in range(count)]


@pytest.mark.parametrize("count", [MOMENTS, pytest.param(MOMENTS_LONG, marks=pytest.mark.long)])
def test_killed_while_recording_an_agent(tmp_path, own_agent, start, count):
    need_realtime()
    agent = own_agent(through=REALTIME)
    for number, moment_s in enumerate(each_moment(count, 0.5)):
        folder = tmp_path / str(number)
        folder.mkdir()
        kill_one(start, agent, folder / "run.parquet", moment_s)


@pytest.mark.parametrize("count", [MOMENTS, pytest.param(MOMENTS_LONG, marks=pytest.mark.long)])
def test_killed_while_recording_embedded(tmp_path, start, count):
    no_agent_on_default_port()
    for number, moment_s in enumerate(each_moment(count, 0.3)):
        folder = tmp_path / str(number)
        folder.mkdir()
        kill_one_embedded(start, folder / "run.parquet", moment_s)


@contextlib.contextmanager
def small_disk(folder, size_kib):
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_full_disk_keeps_what_is_there(tmp_path, agent):
    with small_disk(tmp_path / "disk", 512) as disk:
        output = disk / "run.rezlog"
        result = rezolus("record", "-i", "2ms", "-d", "20s", "-f", "log", agent.url, output)
        assert result.returncode == 1
        assert "the recording ended early" in result.stderr
        assert "the disk is full" in result.stderr
        assert ".rezlog.rezlog" not in result.stderr
        kept = [path for path in disk.iterdir() if path.stat().st_size > 0]
        assert len(kept) == 1, "one log"
        saved = tmp_path / "saved"
        shutil.copy(kept[0], saved)
    found, torn = frames(saved.read_bytes())
    assert not torn
    times, _ = ticks(found)
    assert len(times) > 5
    assert [number for number, _ in times] == list(range(len(times)))
    assert f"{len(times)} ticks are kept" in result.stderr


def test_a_disk_that_is_full_before_the_output_is_made_is_named(tmp_path, agent):
    with small_disk(tmp_path / "disk", 512) as disk:
        log = disk / "run.parquet.rezlog"
        result = rezolus("record", "-i", "2ms", "-d", "20s", agent.url, disk / "run.parquet")
        assert result.returncode == 1
        assert "the recording ended early" in result.stderr
        assert "the disk is full" in result.stderr
        assert f"rezolus-recording convert {log}" in result.stderr
        assert log.exists()


def test_two_writers_of_one_output(tmp_path, agent, start):
    output = tmp_path / "run.parquet"
    first = record_until(start, output, 0.1, [agent.url])
    before = log_of(output).stat().st_ino
    others = [subprocess.Popen([REZOLUS, "record", "-d", "1s", agent.url, output], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    for other in others:
        _, err = other.communicate(timeout=30)
        assert other.returncode == 1
        assert f"another recorder is still working on {output}" in err
    assert log_of(output).stat().st_ino == before
    first.signal(2)
    result = first.finish()
    assert result.returncode == 0, result.stderr
    assert sorted(os.listdir(tmp_path)) == ["run.parquet"]


def test_one_that_converts_keeps_its_output(tmp_path, agent):
    """Its log is locked until the output is complete: it is nothing that was left behind."""
    programs = tmp_path / "programs"
    programs.mkdir()
    slow = shutil.copy(REZOLUS, programs)
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    converter = programs / "rezolus-recording"
    converter.write_text(f"#!/bin/sh\ntouch {begun}\nuntil [ -e {go_on} ]; do sleep 0.1; done\n"
                         f'exec {BUILD / "rezolus-recording"} "$@"\n')
    converter.chmod(0o755)
    folder = tmp_path / "recordings"
    folder.mkdir()
    output = folder / "run.parquet"
    first = subprocess.Popen([slow, "record", "-i", "50ms", "-d", "200ms", agent.url, output],
                             text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        wait_for(begun.exists, "the conversion")
        second = rezolus("record", "-i", "50ms", "-d", "200ms", agent.url, output)
    finally:
        go_on.touch()
        _, err = first.communicate(timeout=60)
    assert second.returncode == 1
    assert f"another recorder is still working on {output}" in second.stderr
    assert first.returncode == 0, err
    assert os.listdir(folder) == ["run.parquet"]
