# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The flight recorder: a rolling buffer that survives, and snapshots of it while it goes on."""

import json
import random
import shutil
import signal
import subprocess
import time

import pyarrow.parquet
import pytest

from conftest import BUILD, REALTIME, REZOLUS, ROOT, need_realtime, rezolus, wait_for
from frames import Tap

MS = 1_000_000
MOMENTS = 10
MOMENTS_LONG = 100
PROBES_MAX = 2  # snapshots that a recorder asks for before it begins


def times_of(path):
    return pyarrow.parquet.read_table(path, columns=["timestamp"])["timestamp"].to_pylist()


def segments(buffer):
    return sorted(buffer.glob("*.rezlog"))


class Flight:
    """One flight recorder with a configuration of its own."""

    def __init__(self, start, folder, url, **keys):
        self.start = start
        self.buffer = folder / "buffer"
        self.output = folder / "out" / "flight.parquet"
        self.config = folder / "flight.toml"
        settings = {"interval": "10ms", "duration": "1m", "output": str(self.output),
                    "buffer": str(self.buffer), "min_free": "1MiB",
                    **keys}
        if url is not None:
            settings["url"] = url
        self.config.write_text("[flight_recorder]\n" + "".join(
            f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
        self.process = None

    def run(self, **options):
        self.process = self.start("flight-recorder", self.config, **options)
        return self.process

    def wait_until_written(self):
        written = sum(path.stat().st_size for path in segments(self.buffer))
        wait_for(lambda: sum(path.stat().st_size for path in segments(self.buffer)) > written,
                 "ticks in the buffer")

    def snapshot(self, number=signal.SIGUSR2):
        """Asks by a signal; returns the new file."""
        before = set(self.files())
        self.process.signal(number)
        wait_for(lambda: set(self.files()) - before, "the snapshot", timeout=60)
        return (set(self.files()) - before).pop()

    def files(self):
        """Snapshots that are complete: the JSON comes last."""
        return [path.with_name(path.name[:-5]) for path in self.output.parent.glob("*.json")]

    def stop(self, number=signal.SIGTERM):
        self.process.signal(number)
        return self.process.finish(timeout=60)


@pytest.fixture
def flight(start, tmp_path, agent):
    def make(url=agent.url, **keys):
        return Flight(start, tmp_path, url, **keys)
    return make


def test_a_signal_makes_a_snapshot_and_the_recording_goes_on(flight):
    recorder = flight(keep=5)
    recorder.run()
    recorder.wait_until_written()
    time.sleep(1)
    first = recorder.snapshot(signal.SIGUSR2)
    second = recorder.snapshot(signal.SIGHUP)
    ended = recorder.stop()
    assert ended.returncode == 0, ended.stderr
    assert "-sigusr2" in first.name and "-sighup" in second.name
    early, late = times_of(first), times_of(second)
    assert late[:len(early)] == early and len(late) > len(early)
    # Nothing was missed while the first was made.
    assert max(b - a for a, b in zip(late, late[1:])) < 500 * MS
    why = json.loads(first.with_name(first.name + ".json").read_text())
    assert why["trigger"] == "signal" and why["reason"] == "sigusr2"
    assert why["path"] == str(first) and why["bytes"] == first.stat().st_size
    metadata = pyarrow.parquet.read_metadata(first).metadata
    assert metadata[b"snapshot_trigger"] == b"signal"
    assert json.loads(metadata[b"snapshot"])["host"] == why["host"]
    # SIGTERM made the last one.
    assert len(recorder.files()) == 3
    assert not list(recorder.buffer.glob("snapshot-*"))


def test_the_fixed_output_is_replaced_and_rotation_keeps_so_many(flight):
    recorder = flight(snapshot_on_exit=False)
    recorder.run()
    recorder.wait_until_written()
    recorder.snapshot()
    assert recorder.files() == [recorder.output]
    recorder.stop()
    rotated = flight(keep=2)
    rotated.output.with_name("flight.parquet.json").unlink()
    rotated.run()
    rotated.wait_until_written()
    made = [rotated.snapshot() for _ in range(2)]
    made.append(None)
    rotated.stop()
    assert len(rotated.files()) == 2
    assert not made[0].exists() and made[1].exists()


def test_the_command_line_of_old(start, tmp_path, agent):
    output = tmp_path / "old.raw"
    process = start("flight-recorder", agent.url, output, "-i", "20ms", "-d", "5s", "-f", "raw", "-v")
    buffer = tmp_path / "old.raw.buffer"
    wait_for(lambda: buffer.exists() and segments(buffer), "the buffer")
    time.sleep(0.5)
    process.signal(signal.SIGINT)
    ended = process.finish()
    assert ended.returncode == 0, ended.stderr
    info = subprocess.run([BUILD / "rezolus-recording", "info", output], capture_output=True,
                          text=True, check=True)
    assert "raw" in info.stdout


def test_upstreams_configuration_under_its_old_name(start, tmp_path, agent):
    config = tmp_path / "hindsight.toml"
    config.write_text(f'[general]\ninterval = "20ms"\nduration = "15m"\nsource = "{agent.url[7:]}"\n'
                      f'output = "{tmp_path}/h.rez"\nsegment_rows = 900\n[log]\nlevel = "info"\n')
    process = start("hindsight", config)
    wait_for(lambda: (tmp_path / "h.rez.buffer").exists(), "the buffer")
    time.sleep(0.5)
    process.signal(signal.SIGTERM)
    ended = process.finish()
    assert ended.returncode == 0, ended.stderr
    assert "segment_rows has no effect" in ended.stderr
    assert len(times_of(tmp_path / "h.rez")) > 5


def test_a_log_is_copied_by_segments(flight):
    recorder = flight(format="log", keep=3, duration="5s")
    recorder.run()
    recorder.wait_until_written()
    time.sleep(2.5)
    made = recorder.snapshot()
    recorder.stop()
    converted = made.with_name("converted.parquet")
    assert rezolus("recording", "convert", "--format", "parquet", made, converted).returncode == 0
    times = times_of(converted)
    assert len(times) > 100 and times == sorted(times)


def test_a_raw_config_error_names_the_key(tmp_path):
    config = tmp_path / "bad.toml"
    config.write_text('[flight_recorder]\noutput = "x"\nmax_bites = "1GiB"\n')
    result = rezolus("flight-recorder", config)
    assert result.returncode == 2 and "max_bytes" in result.stderr
    assert rezolus("check", config).returncode == 2
    shipped = ROOT / "config" / "flight-recorder.toml"
    checked = rezolus("check", shipped)
    assert checked.returncode == 0, checked.stderr


def test_the_agent_stops_and_comes_back(flight, own_agent):
    agent = own_agent()
    recorder = flight(url=agent.url, keep=3)
    recorder.run()
    recorder.wait_until_written()
    time.sleep(0.5)
    agent.stop()
    # A snapshot of what there is, while nothing answers.
    alone = recorder.snapshot()
    time.sleep(1)
    assert recorder.process.popen.poll() is None
    own_agent(port=agent.port)
    recorder.wait_until_written()
    time.sleep(0.5)
    after = recorder.snapshot()
    ended = recorder.stop()
    assert ended.returncode == 0
    assert ended.stderr.count("samples are back") == 1
    before, times = times_of(alone), times_of(after)
    assert times[:len(before)] == before and times[-1] > before[-1]
    why = json.loads(after.with_name(after.name + ".json").read_text())
    assert sum(gap["missed_ticks"] for gap in why["gaps"]) > 50


def test_it_begins_without_an_agent(flight, own_agent):
    agent = own_agent()
    agent.stop()
    recorder = flight(url=agent.url, keep=3)
    recorder.run()
    time.sleep(1)
    assert recorder.process.popen.poll() is None
    own_agent(port=agent.port)
    recorder.wait_until_written()
    assert times_of(recorder.snapshot())
    recorder.stop()


def test_two_on_one_buffer(flight):
    recorder = flight()
    recorder.run()
    recorder.wait_until_written()
    second = rezolus("flight-recorder", recorder.config)
    assert second.returncode == 1
    assert str(recorder.buffer) in second.stderr and "another process" in second.stderr
    recorder.wait_until_written()
    recorder.stop()


def test_the_buffer_is_deleted(flight):
    recorder = flight(keep=3)
    recorder.run()
    recorder.wait_until_written()
    shutil.rmtree(recorder.buffer)
    wait_for(lambda: segments(recorder.buffer), "a new buffer")
    recorder.wait_until_written()
    assert times_of(recorder.snapshot())
    assert "begun anew" in recorder.stop().stderr


def test_a_full_disk_costs_the_ticks_of_that_time(flight, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], check=True)
    try:
        recorder = flight(buffer=str(disk / "buffer"), keep=3, min_free="64KiB", max_bytes="1GiB")
        recorder.buffer = disk / "buffer"
        recorder.run()
        recorder.wait_until_written()
        filler = disk / "filler"
        full_until, deadline = None, time.monotonic() + 60
        with open(filler, "wb", buffering=0) as file:
            while time.monotonic() < (full_until or deadline):  # what the recorder frees is taken as well
                try:
                    file.write(bytes(1 << 20))  # as much of it as there is room for
                except OSError:
                    full_until = full_until or time.monotonic() + 2
        assert full_until is not None, "the disk was not full in 60 s"
        assert recorder.process.popen.poll() is None
        filler.unlink()
        recorder.wait_until_written()
        time.sleep(0.5)
        made = recorder.snapshot()
        assert times_of(made)
        gaps = json.loads(made.with_name(made.name + ".json").read_text())["gaps"]
        assert sum(gap["missed_ticks"] for gap in gaps) > 50
        assert any("No space left" in gap["reason"] or "are free on its disk" in gap["reason"]
                   for gap in gaps), gaps
        ended = recorder.stop()
        assert ended.returncode == 0 and "until there is room again" in ended.stderr
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def kill_loop(flight, own_agent, moments):
    """SIGKILL at random moments: the buffer opens, with every tick of the earlier lives, and of this
    one all that the agent sent, up to the last but at most one. Agent and recorder are of the
    real-time class: what waits for a CPU is not in the recorder yet, and no loss of its own."""
    need_realtime()
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)
    chosen = random.Random(seed)
    tap = Tap(own_agent(through=REALTIME).port, through=REALTIME)
    recorder = flight(url=tap.url, keep=1, duration="1h")
    seen, losses = [], []
    for _ in range(moments):
        tap.forget()
        recorder.run(through=REALTIME)
        recorder.wait_until_written()
        time.sleep(chosen.uniform(0, 0.3))
        if chosen.random() < 0.5:
            recorder.process.signal(signal.SIGUSR2)  # in the middle of a snapshot
            time.sleep(chosen.uniform(0, 0.1))
        tap.kill(recorder.process)
        check = recorder.output.parent / "check.out"
        converted = subprocess.run([BUILD / "rezolus-recording", "convert", "--metrics", "cpu_cores",
                                    recorder.buffer, check],
                                   capture_output=True, text=True, check=False)
        assert converted.returncode == 0, converted.stderr
        times = times_of(check)
        check.unlink()
        assert times[:len(seen)] == seen, "what was there is still there"
        new, sent = times[len(seen):], tap.snapshot_times()
        assert new and new[-1] in sent
        lost = len(sent) - 1 - sent.index(new[-1])
        received = sent[:len(sent) - lost]
        assert received[-len(new):] == new, "what was received, without a hole"
        losses.append(lost)
        assert lost <= 1, losses
        # Before it stand the answers by which the recorder found out whom it records.
        assert len(received) - len(new) <= PROBES_MAX
        seen = times
    print(f"{len(seen)} ticks in {moments} lives, lost of each: {losses}")
    recorder.run()
    recorder.wait_until_written()
    ended = recorder.stop()
    tap.close()
    assert ended.returncode == 0
    assert not list(recorder.buffer.glob("snapshot-*"))
    last = recorder.files()
    assert len(last) == 1 and times_of(last[0])[:len(seen)] == seen
    assert not [p for p in recorder.output.parent.iterdir() if ".tmp." in p.name]


def test_killed_at_any_moment(flight, own_agent):
    kill_loop(flight, own_agent, MOMENTS)


@pytest.mark.long
def test_killed_at_any_moment_a_hundred_times(flight, own_agent):
    kill_loop(flight, own_agent, MOMENTS_LONG)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_time_in_which_it_did_not_run_is_a_gap(flight, end):
    recorder = flight(url=None, keep=9, snapshot_on_exit=False)
    recorder.run()
    recorder.wait_until_written()
    recorder.process.signal(end)
    recorder.process.finish()
    time.sleep(1)
    recorder.run()
    recorder.wait_until_written()
    made = recorder.snapshot()
    recorder.stop()
    reason = "the flight recorder was not running"
    why = json.loads(made.with_name(made.name + ".json").read_text())
    told = [gap["missed_ticks"] for gap in why["gaps"] if gap["reason"] == reason]
    assert len(told) == 1 and told[0] > 50, why["gaps"]
    info = rezolus("recording", "info", "--json", recorder.buffer)
    gaps = json.loads(info.stdout)[0]["gaps"]
    assert [gap["missed"] for gap in gaps if gap["reason"] == reason] == told
    # Samplers in the recorder count from 0 again: no growth is told of in the first row behind it.
    long = recorder.output.parent / "long.out"
    converted = subprocess.run([BUILD / "rezolus-recording", "convert", "--layout", "long",
                                "--metrics", "cpu_usage", recorder.buffer, long],
                               capture_output=True, text=True, check=False)
    assert converted.returncode == 0, converted.stderr
    rows = pyarrow.parquet.read_table(long, columns=["timestamp_ns", "delta"]).to_pylist()
    times = sorted({row["timestamp_ns"] for row in rows})
    steps = [(later - earlier, later) for earlier, later in zip(times, times[1:], strict=False)]
    behind = max(steps)[1]
    deltas = [row["delta"] for row in rows if row["timestamp_ns"] == behind]
    assert deltas and set(deltas) == {None}
    assert any(row["delta"] is not None for row in rows if row["timestamp_ns"] > behind)


def test_snapshots_asked_while_one_runs_are_all_made(flight):
    recorder = flight(keep=50)
    recorder.run()
    recorder.wait_until_written()
    for number in (signal.SIGUSR2, signal.SIGHUP):
        recorder.process.signal(number)
    wait_for(lambda: len(recorder.files()) == 2, "both", timeout=60)
    recorder.stop()


def test_a_closing_terminal_ends_it(flight):
    recorder = flight()
    # script(1) gives it a terminal, which goes with script.
    terminal = subprocess.Popen(["script", "-qec", f"{REZOLUS} flight-recorder {recorder.config}",
                                 "/dev/null"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        recorder.wait_until_written()
    finally:
        terminal.kill()
        terminal.wait()

    def unlocked():
        probe = subprocess.run(["flock", "-n", recorder.buffer / "lock", "true"], check=False)
        return probe.returncode == 0
    wait_for(unlocked, "it to end", timeout=60)
    assert recorder.files() == [recorder.output]


def test_the_hook_gets_the_path_and_no_shell(flight, tmp_path):
    note = tmp_path / "note"
    recorder = flight(keep=3, exec=["sh", "-c", f'echo "$0 $1" > {note}', "$(touch bad)"])
    recorder.run()
    recorder.wait_until_written()
    made = recorder.snapshot()
    wait_for(lambda: note.exists() and note.read_text(), "the hook")
    assert note.read_text() == f"$(touch bad) {made}\n"
    recorder.stop()


def test_the_end_waits_for_the_last_hook(flight, tmp_path):
    note = tmp_path / "note"
    recorder = flight(exec=["sh", "-c", f"sleep 1; echo done >{note}"])
    recorder.run()
    recorder.wait_until_written()
    ended = recorder.stop()
    assert ended.returncode == 0 and note.read_text() == "done\n", ended.stderr


def test_a_hook_that_hangs_is_killed(flight, tmp_path):
    recorder = flight(keep=3, exec=["sh", "-c", "sleep 1000"], exec_timeout="200ms")
    recorder.run()
    recorder.wait_until_written()
    recorder.snapshot()
    recorder.snapshot()
    ended = recorder.stop()
    assert "was killed" in ended.stderr, ended.stderr
