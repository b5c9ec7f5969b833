# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`rezolus record`, from the kernel to a Parquet file that pyarrow reads."""

import json
import os
import re
import signal
import socket
import time

import pyarrow
import pyarrow.parquet
import pytest

from conftest import rezolus, wait_for

NS = 1_000_000_000


@pytest.fixture(scope="module")
def recording(agent, tmp_path_factory):
    """Five seconds of the shared agent."""
    path = tmp_path_factory.mktemp("recording") / "run.parquet"
    result = rezolus("record", "-d", "5s", "-m", "purpose=e2e", agent.url, path)
    assert result.returncode == 0, result.stderr
    return result, path, pyarrow.parquet.read_table(path)


def field_metadata(field):
    return {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}


def wait_for_samples(log):
    """Until the log has grown five times: a quiet host's samples are small, a busy one's large."""
    sizes = set()

    def grown():
        if log.exists():
            sizes.add(log.stat().st_size)
        return len(sizes) > 5

    wait_for(grown, "samples in the log")


def test_rows_lie_on_whole_seconds(recording):
    _, _, table = recording
    assert table.num_rows == 6
    times = table["timestamp"].to_pylist()
    assert table.schema.field("timestamp").type == pyarrow.uint64()
    assert not table.schema.field("timestamp").nullable
    for before, after in zip(times, times[1:]):
        assert abs(after - before - NS) < NS / 4
    # A tick is due at the whole second; the sample begins shortly after.
    assert min(time_ns % NS for time_ns in times) < NS / 10


def test_columns_carry_their_metadata(recording):
    _, _, table = recording
    assert table.num_columns > 100
    by_metric = {}
    for field in table.schema:
        metadata = field_metadata(field)
        assert metadata.get("metric_type"), field.name
        by_metric.setdefault(metadata.get("metric"), []).append((field, metadata))
    for metric in ("syscall", "scheduler_context_switch", "cpu_usage", "cpu_idle"):
        for field, metadata in by_metric[metric]:
            assert field.type == pyarrow.uint64(), field.name
            assert metadata["metric_type"] == "counter"
    for field, metadata in by_metric["memory_total"]:
        assert field.type == pyarrow.int64()
        assert metadata["metric_type"] == "gauge"
    assert {metadata["op"] for _, metadata in by_metric["syscall"]} >= {"read", "write", "poll"}


def test_histograms_are_dense_lists_with_a_sum(recording):
    _, _, table = recording
    histograms = [field for field in table.schema if field.name.endswith(":buckets")]
    assert histograms
    for field in histograms:
        metadata = field_metadata(field)
        assert metadata["metric_type"] == "histogram"
        assert (metadata["grouping_power"], metadata["max_value_power"]) == ("3", "64")
        for buckets in table[field.name].to_pylist():
            assert buckets is None or len(buckets) == 496, field.name
    latency = next(f.name for f in histograms if f.name.startswith("scheduler_runqueue_latency"))
    first, last = (table[latency][row].as_py() for row in (0, table.num_rows - 1))
    sums = table["scheduler_runqueue_latency_sum"].to_pylist()
    count = sum(last) - sum(first)
    assert count > 0
    # The mean lies between the lower bound of the first bucket in use and the p100 bound.
    assert 0 < (sums[-1] - sums[0]) / count < 10 * NS


def test_counters_never_go_down(recording):
    _, _, table = recording
    moved = 0
    for field in table.schema:
        metadata = field_metadata(field)
        if metadata.get("metric_type") != "counter" or metadata.get("metric") == "cpu_idle":
            continue
        values = [value for value in table[field.name].to_pylist() if value is not None]
        assert values == sorted(values), field.name
        moved += bool(values) and values[-1] > values[0]
    assert moved > 10


def test_cpu_states_sum_to_elapsed_time(recording):
    _, _, table = recording
    elapsed = (table["timestamp"][-1].as_py() - table["timestamp"][0].as_py()) * os.cpu_count()
    total = 0
    for field in table.schema:
        if field_metadata(field).get("metric") in ("cpu_usage", "cpu_idle"):
            values = table[field.name].to_pylist()
            total += values[-1] - values[0]
    assert 0.85 < total / elapsed < 1.15


def test_footer(recording, agent):
    _, path, _ = recording
    footer = {key.decode(): value.decode()
              for key, value in pyarrow.parquet.read_metadata(path).metadata.items()}
    assert footer["source"] == "rezolus"
    assert footer["version"] == agent.json("/status")["version"]
    assert footer["sampling_interval_ms"] == "1000"
    assert footer["purpose"] == "e2e"
    assert json.loads(footer["systeminfo"])["os"] == "linux"
    assert "syscall" in json.loads(footer["descriptions"])
    facts = json.loads(footer["per_source_metadata"])["rezolus"]
    assert facts["last_sample_ns"] - facts["first_sample_ns"] > 4 * NS
    assert "sampler_status" in facts
    assert "ARROW:schema" in footer


def test_summary_is_printed(recording, agent):
    result, path, _ = recording
    assert agent.url in result.stderr  # the source in use
    assert f"{path}: 6 rows, 0 missed" in result.stdout
    assert re.search(r"system calls +[\d,.]+ /s", result.stdout)
    assert re.search(r"CPU +\d+\.\d % ", result.stdout)
    assert re.search(r"run queue +[\d,.]+ .*(ns|µs|ms)", result.stdout)
    assert not path.with_name(path.name + ".rezlog").exists()


def test_embedded(tmp_path):
    """No URL and no agent on the default port: the samplers run in the command itself."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 4241)) == 0:
            pytest.skip("something listens on port 4241 of this host")
    result = rezolus("record", "-i", "100ms", "-d", "1s", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "samplers embedded" in result.stderr
    table = pyarrow.parquet.read_table(tmp_path / "rezolus.parquet")
    assert 8 <= table.num_rows <= 11
    footer = pyarrow.parquet.read_metadata(tmp_path / "rezolus.parquet").metadata
    assert footer[b"sampling_interval_ms"] == b"100"
    assert json.loads(footer[b"systeminfo"])["os"] == "linux"


def test_log_format(tmp_path, agent):
    result = rezolus("record", "-i", "50ms", "-d", "500ms", "-f", "log", agent.url,
                     tmp_path / "run.rezlog")
    assert result.returncode == 0, result.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.rezlog"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_file(tmp_path, agent, start, number):
    output = tmp_path / "run.parquet"
    log = tmp_path / "run.parquet.rezlog"
    record = start("record", "-i", "50ms", agent.url, output)
    wait_for_samples(log)
    time.sleep(0.3)
    record.signal(number)
    result = record.finish()
    assert result.returncode == 0, result.stderr
    assert pyarrow.parquet.read_table(output).num_rows >= 3
    assert not log.exists()


def test_kill_and_recover(tmp_path, agent, start):
    output = tmp_path / "run.parquet"
    log = tmp_path / "run.parquet.rezlog"
    output.write_bytes(b"an earlier file")
    record = start("record", "-i", "50ms", agent.url, output)
    wait_for_samples(log)

    # While it runs, no other recording takes its output.
    second = rezolus("record", "-d", "1s", agent.url, output)
    assert second.returncode == 1
    assert f"another recorder is still working on {output}" in second.stderr

    time.sleep(0.5)
    record.signal(signal.SIGKILL)
    record.finish()
    assert log.exists()
    assert output.read_bytes() == b"an earlier file"

    result = rezolus("record", "-i", "50ms", "-d", "200ms", agent.url, output)
    assert result.returncode == 0, result.stderr
    recovered = list(tmp_path.glob("run.recovered-*.parquet"))
    assert len(recovered) == 1
    assert str(recovered[0]) in result.stderr
    assert pyarrow.parquet.read_table(recovered[0]).num_rows >= 3
    assert pyarrow.parquet.read_table(output).num_rows >= 3
    assert not log.exists()


def test_agent_gone_keeps_what_was_recorded(tmp_path, own_agent, start):
    agent = own_agent()
    output = tmp_path / "run.parquet"
    record = start("record", "-i", "100ms", "-d", "3s", agent.url, output)
    log = tmp_path / "run.parquet.rezlog"
    wait_for_samples(log)
    time.sleep(0.4)
    agent.stop()
    result = record.finish()
    assert result.returncode == 1
    assert result.stderr.count("recording goes on, with a gap") == 1
    assert "what was recorded until then is in" in result.stderr
    missed = int(re.search(r"(\d+) missed", result.stdout)[1])
    assert missed >= 3
    rows = pyarrow.parquet.read_table(output).num_rows
    assert 3 <= rows <= 28


def test_agent_that_comes_back_is_a_gap(tmp_path, own_agent, start):
    agent = own_agent()
    output = tmp_path / "run.parquet"
    record = start("record", "-i", "100ms", agent.url, output)
    log = tmp_path / "run.parquet.rezlog"
    wait_for_samples(log)
    agent.stop()
    time.sleep(0.5)
    own_agent(agent.port)
    wait_for_samples(log)
    record.signal(signal.SIGINT)
    result = record.finish()
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("recording goes on, with a gap") == 1
    assert "samples are back after" in result.stderr
    times = pyarrow.parquet.read_table(output)["timestamp"].to_pylist()
    assert max(b - a for a, b in zip(times, times[1:])) > 0.4 * NS


def test_a_log_that_is_renamed_is_no_others(tmp_path, agent, start):
    """Another recorder takes the name: its log is neither converted nor removed."""
    output, away = tmp_path / "run.parquet", tmp_path / "away.rezlog"
    log = tmp_path / "run.parquet.rezlog"
    first = start("record", "-i", "50ms", agent.url, output)
    wait_for_samples(log)
    log.rename(away)
    second = start("record", "-i", "50ms", agent.url, output)
    wait_for_samples(log)
    first.signal(signal.SIGINT)
    ended = first.finish()
    assert ended.returncode == 1
    assert "was renamed or replaced while it was being written" in ended.stderr
    assert log.exists() and not output.exists()
    second.signal(signal.SIGINT)
    assert second.finish().returncode == 0
    assert pyarrow.parquet.read_table(output).num_rows >= 3
    rezolus("recording", "convert", away, tmp_path / "away.parquet")
    assert pyarrow.parquet.read_table(tmp_path / "away.parquet").num_rows >= 3


def test_without_converter_the_log_is_kept(tmp_path, agent):
    """A copy of the program with no companion beside it."""
    import shutil
    from conftest import REZOLUS
    import subprocess

    alone = tmp_path / "bin" / "rezolus"
    alone.parent.mkdir()
    shutil.copy(REZOLUS, alone)
    output = tmp_path / "run.parquet"
    result = subprocess.run([alone, "record", "-i", "50ms", "-d", "200ms", agent.url, output],
                            env={"PATH": "/nonexistent"}, text=True, capture_output=True,
                            timeout=30, check=False)
    assert result.returncode == 1
    log = tmp_path / "run.parquet.rezlog"
    assert log.exists()
    assert f"rezolus-recording convert {log} {output}" in result.stderr
