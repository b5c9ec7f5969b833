# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What `rezolus record` leaves out and adds: --samplers, --metrics, --label."""

import socket

import pyarrow.parquet
import pytest

from conftest import rezolus

FAST = ("-i", "50ms", "-d", "300ms")


def columns(path):
    """Metric -> the label sets that it has in the file."""
    found = {}
    for field in pyarrow.parquet.read_schema(path):
        metadata = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
        if "metric" in metadata:
            found.setdefault(metadata["metric"], []).append(metadata)
    return found


def test_samplers_of_an_agent(tmp_path, agent):
    output = tmp_path / "run.parquet"
    result = rezolus("record", *FAST, "--samplers", "syscall_latency,cpu_usage", agent.url, output)
    assert result.returncode == 0, result.stderr
    found = columns(output)
    assert {"syscall_latency", "cpu_usage"} <= set(found)
    samplers = {entry.get("sampler") for entries in found.values() for entry in entries}
    assert samplers <= {"syscall_latency", "cpu_usage", None}
    assert "scheduler_runqueue_latency" not in found
    assert all(value for value in pyarrow.parquet.read_table(output)["timestamp"].to_pylist())


def test_metrics_and_labels(tmp_path, agent):
    output = tmp_path / "run.parquet"
    result = rezolus("record", *FAST, "--metrics", "blockio_*", "--metrics", "memory_total",
                     "-l", "build=1234", "--label", "op=mine", agent.url, output)
    assert result.returncode == 0, result.stderr
    found = columns(output)
    assert "memory_total" in found
    assert all(name == "memory_total" or name.startswith("blockio_") for name in found)
    assert [entry["build"] for entry in found["memory_total"]] == ["1234"]
    assert found["memory_total"][0]["op"] == "mine"
    assert "mine" not in {entry["op"] for entry in found["blockio_operations"]}


@pytest.mark.parametrize("arguments, message", [
    (("--samplers", "syscal_latency"), "did you mean 'syscall_latency'?"),
    (("--samplers", "qqqqqqqqqq"), "check --samplers"),
    (("--label", "metric=x"), "cannot be a label"),
    (("--label", "1a=x"), "no name for a label"),
    (("--label", "a"), "is not key=value"),
    (("--label", "a=1", "--label", "a=2"), "given twice"),
])
def test_wrong_usage(tmp_path, arguments, message):
    result = rezolus("record", *arguments, tmp_path / "run.parquet")
    assert result.returncode == 2
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_nothing_chosen_is_said(tmp_path, agent):
    result = rezolus("record", *FAST, "--metrics", "no_such_*", agent.url, tmp_path / "run.parquet")
    assert result.returncode == 1
    assert "no series that" in result.stderr
    assert not list(tmp_path.iterdir())


def test_embedded_runs_only_what_is_asked_for(tmp_path):
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 4241)) == 0:
            pytest.skip("something listens on port 4241 of this host")
    output = tmp_path / "run.parquet"
    result = rezolus("record", *FAST, "--samplers", "cpu_usage", output)
    assert result.returncode == 0, result.stderr
    assert "cannot run here" not in result.stderr
    assert "cpu_usage" in columns(output)
    footer = pyarrow.parquet.read_metadata(output).metadata
    assert b"per_source_metadata" in footer
    status = footer[b"per_source_metadata"].decode()
    assert '"syscall_latency' in status
