# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`rezolus record -- COMMAND`: as long as the command runs, with its exit code."""

import signal
import time

import pyarrow.parquet
import pytest

from conftest import rezolus, wait_for
from site_of_pages import site  # noqa: F401

FAST = ("-i", "50ms")


def rows(path):
    return pyarrow.parquet.read_metadata(path).num_rows


@pytest.mark.parametrize("script, code", [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137)])
def test_the_exit_code_is_the_commands(tmp_path, agent, script, code):
    output = tmp_path / "run.parquet"
    result = rezolus("record", *FAST, agent.url, output, "--", "sh", "-c", f"sleep 0.5; {script}")
    assert result.returncode == code, result.stderr
    # Half a second of the command, the sample before it and the tick after it.
    assert 8 <= rows(output) <= 20


def test_options_of_the_command_are_its_own(tmp_path, agent):
    result = rezolus("record", *FAST, agent.url, tmp_path / "run.parquet", "--", "printf", "%s-",
                     "-d", "--", "--url")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("-d------url-")


def test_the_command_begins_with_the_first_sample(tmp_path, agent):
    output = tmp_path / "run.parquet"
    result = rezolus("record", *FAST, agent.url, output, "--", "sh", "-c",
                     "date +%s%N; sleep 0.2; date +%s%N")
    assert result.returncode == 0, result.stderr
    begin, end = map(int, result.stdout.split()[:2])
    times = pyarrow.parquet.read_table(output)["timestamp"].to_pylist()
    assert times[0] < begin
    assert times[-1] > end


def test_a_tick_comes_after_a_command_shorter_than_the_interval(tmp_path, agent):
    output = tmp_path / "run.parquet"
    result = rezolus("record", "-i", "1s", agent.url, output, "--", "sh", "-c",
                     "sleep 0.3; date +%s%N")
    assert result.returncode == 0, result.stderr
    times = pyarrow.parquet.read_table(output)["timestamp"].to_pylist()
    assert len(times) == 2
    assert times[-1] > int(result.stdout.split()[0])


def test_duration_ends_the_command(tmp_path, agent):
    output = tmp_path / "run.parquet"
    began = time.monotonic()
    result = rezolus("record", *FAST, "-d", "500ms", agent.url, output, "--", "sleep", "60")
    assert result.returncode == 124, result.stderr
    assert time.monotonic() - began < 20
    assert rows(output) >= 8


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 55), (signal.SIGTERM, 143)])
def test_signals_are_forwarded(tmp_path, agent, start, number, code):
    output = tmp_path / "run.parquet"
    ready = tmp_path / "ready"
    script = f"trap 'exit 55' INT; touch {ready}; while :; do sleep 0.05; done"
    record = start("record", *FAST, agent.url, output, "--", "sh", "-c", script)
    wait_for(ready.exists, "the command to start")
    record.signal(number)
    assert record.finish().returncode == code
    assert rows(output) >= 1


def test_a_command_that_cannot_start_records_nothing(tmp_path, agent):
    for command, code in (("no-such-program", 127), ("/", 126)):
        result = rezolus("record", *FAST, agent.url, tmp_path / "run.parquet", "--", command)
        assert result.returncode == code
        assert f"cannot start '{command}'" in result.stderr
    assert not list(tmp_path.iterdir())


def test_no_command_is_wrong_usage(tmp_path):
    result = rezolus("record", tmp_path / "run.parquet", "--")
    assert result.returncode == 2
    assert "name the command behind --" in result.stderr


def test_a_failed_recording_outranks_the_command(tmp_path, agent, start):
    output, log = tmp_path / "run.parquet", tmp_path / "run.parquet.rezlog"
    begun, done = tmp_path / "begun", tmp_path / "done"
    record = start("record", *FAST, agent.url, output, "--", "sh", "-c",
                   f"touch {begun}; sleep 4; touch {done}")
    wait_for(begun.exists, "the command")
    log.unlink()
    log.write_text("another's")  # so that the log cannot be made anew
    result = record.finish()
    assert result.returncode == 1, result.stderr
    assert "cannot be made again" in result.stderr and "renamed" not in result.stderr
    assert done.exists(), "the command was left alone"
    assert log.read_text() == "another's" and not output.exists()


def test_the_duration_ends_the_command_of_a_failed_recording_too(tmp_path, own_agent, start):
    agent = own_agent()
    output, begun = tmp_path / "run.parquet", tmp_path / "begun"
    record = start("record", *FAST, "-d", "5s", agent.url, output, "--", "sh", "-c",
                   f"touch {begun}; exec sleep 300")
    wait_for(begun.exists, "the command")
    agent.stop()
    result = record.finish(timeout=20)
    assert result.returncode == 1, result.stderr
    assert "what was recorded until then is in" in result.stderr
    assert rows(output) >= 1


def test_one_more_tick_behind_the_command_of_a_source_that_is_polled(tmp_path, site):
    """Its end is seen between two ticks."""
    output = tmp_path / "run.parquet"
    page = ("text/plain; version=0.0.4", lambda: b"# TYPE jobs_total counter\njobs_total 1\n")
    result = rezolus("record", "-i", "2s", site({"/metrics": page}).url + "/metrics", output, "--",
                     "sleep", "0.2")
    assert result.returncode == 0, result.stderr
    assert rows(output) == 2
