# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Where `rezolus record` writes to, and as what: --format raw, --layout long, object stores."""

import pyarrow.parquet
import pytest

from conftest import rezolus

FAST = ("-i", "50ms", "-d", "300ms")


def test_raw_is_what_the_agent_serves(tmp_path, agent):
    """Snapshot after snapshot, each an array of 6; the companion's reader is not needed."""
    output = tmp_path / "run.raw"
    result = rezolus("record", *FAST, "-f", "raw", "--metrics", "memory_total", agent.url, output)
    assert result.returncode == 0, result.stderr
    content = output.read_bytes()
    snapshots = content.split(b"\x96\x92\xce")[1:]
    assert content.startswith(b"\x96\x92\xce")
    assert 4 <= len(snapshots) <= 8
    assert f"{output}: {len(snapshots)} rows" in result.stdout
    for snapshot in snapshots:
        assert b"memory_total" in snapshot
        assert b"\xa6source\xa7rezolus" in snapshot
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.raw"]


@pytest.mark.parametrize("name", ["run.rezlog", "run.raw"])
def test_the_format_that_is_given_wins(tmp_path, agent, name):
    output = tmp_path / name
    result = rezolus("record", *FAST, "-f", "parquet", agent.url, output)
    assert result.returncode == 0, result.stderr
    assert pyarrow.parquet.read_metadata(output).num_rows >= 4
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_name_of_another_format_is_told_what_it_holds(tmp_path, agent):
    """.rez is the original's, with other content."""
    output = tmp_path / "run.rez"
    result = rezolus("record", *FAST, agent.url, output)
    assert result.returncode == 0, result.stderr
    assert f"{output} will be a Parquet file" in result.stderr
    assert pyarrow.parquet.read_metadata(output).num_rows >= 4


def test_the_long_layout(tmp_path, agent):
    output = tmp_path / "run.parquet"
    result = rezolus("record", *FAST, "--layout", "long", "--metrics", "syscall", agent.url, output)
    assert result.returncode == 0, result.stderr
    table = pyarrow.parquet.read_table(output)
    assert {"timestamp", "metric", "labels"} <= set(table.column_names)
    assert set(table["metric"].to_pylist()) == {"syscall"}


def test_a_url_is_spooled(tmp_path, agent):
    spool = tmp_path / "spool"
    spool.mkdir()
    output = tmp_path / "run.parquet"
    result = rezolus("record", *FAST, "--spool", spool, agent.url, f"file://{output}")
    assert result.returncode == 0, result.stderr
    assert pyarrow.parquet.read_metadata(output).num_rows >= 4
    assert not list(spool.iterdir())


def test_what_could_not_be_sent_stays_in_the_spool(tmp_path, agent):
    url = f"file://{tmp_path}/missing/run.parquet"
    result = rezolus("record", *FAST, "--spool", tmp_path, agent.url, "-o", url)
    assert result.returncode == 1
    [log] = tmp_path.glob("file_*missing_run.parquet.rezlog")
    assert f"rezolus-recording convert {log} {url}" in result.stderr
    # The next recording to the same place finds it.
    result = rezolus("record", *FAST, "--spool", tmp_path, agent.url, "-o", url)
    assert "an earlier recording was cut off" in result.stderr
    recovered = list(tmp_path.glob("file_*missing_run.recovered-*.parquet"))
    assert len(recovered) == 1
    assert pyarrow.parquet.read_metadata(recovered[0]).num_rows >= 4


@pytest.mark.parametrize("arguments, message", [
    (("-f", "csv"), "parquet, log or raw"),
    (("--layout", "deep"), "wide or long"),
    (("-f", "log", "--layout", "long"), "no meaning for this format"),
    (("-f", "raw", "-o", "s3://bucket/run.raw"), "only Parquet"),
    (("-o", "foo://bucket/run.parquet"), "write s3://, gs://"),
    (("-o", "s3://"), "write s3://bucket/name"),
])
def test_wrong_usage(tmp_path, arguments, message):
    result = rezolus("record", *FAST, *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert not list(tmp_path.iterdir())
