# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The converter's memory does not grow with the recording: a host's series at 10 ms, in both layouts, and
from the long one back."""

import array
import os
import subprocess
import sys

import pyarrow.parquet
import pytest

from conftest import BUILD

LIMIT_BYTES = 256 << 20  # as `record` starts it


# In a small process of its own: what a child had before exec counts for its peak.
LAUNCHER = """
import os, resource, subprocess, sys
def limit():
    resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[1]), int(sys.argv[1])))
child = subprocess.Popen(sys.argv[2:], preexec_fn=limit, stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
child.returncode = os.waitstatus_to_exitcode(status)
print(child.returncode, usage.ru_maxrss)
"""


def run_limited(*arguments):
    """Runs the converter with the limits of its parent."""
    environment = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"}
    result = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, str(LIMIT_BYTES),
                             BUILD / "rezolus-recording", *map(str, arguments)],
                            env=environment, text=True, capture_output=True, check=True)
    exit_code, kib = map(int, result.stdout.split())
    return exit_code, kib * 1024, result.stderr


def peak_bytes(*arguments):
    """How much was resident at most."""
    exit_code, peak, said = run_limited(*arguments)
    assert exit_code == 0, said
    return peak


@pytest.mark.parametrize("layout", ["wide", "long"])
@pytest.mark.parametrize("ticks", [2_000, pytest.param(90_000, marks=pytest.mark.long)])
def test_peak_is_bounded(ticks, layout, tmp_path):
    if not (BUILD / "rezolus-recording").exists():
        pytest.skip("rezolus-recording is not built: there is no Arrow")
    log, output = tmp_path / "run.rezlog", tmp_path / "run.parquet"
    subprocess.run([BUILD / "rezolus-synthesize", log, "--ticks", str(ticks), "--interval-ms", "10",
                    "--series", "400", "--histograms", "50"], check=True, stdout=subprocess.DEVNULL)
    peak = peak_bytes("convert", "--layout", layout, log, output)
    print(f"{ticks} ticks, {layout}: {peak / 2**20:.0f} MiB, {output.stat().st_size} bytes")
    assert peak <= LIMIT_BYTES
    rows = sum(pyarrow.parquet.read_metadata(part).num_rows
               for part in tmp_path.glob("run*.parquet"))
    assert rows == (ticks if layout == "wide" else ticks * 450)
    if layout == "wide":
        return
    for name in ("back.rezlog", "back.parquet"):
        peak = peak_bytes("convert", output, tmp_path / name)
        print(f"{ticks} ticks, long to {name}: {peak / 2**20:.0f} MiB")
        assert peak <= LIMIT_BYTES
    rows = sum(pyarrow.parquet.read_metadata(part).num_rows
               for part in tmp_path.glob("back*.parquet"))
    assert rows == ticks


def test_a_fleet_in_bounded_memory(tmp_path):
    """Many hosts, one of which has so many series that a tick of it is more than an equal part of memory."""
    if not (BUILD / "rezolus-recording").exists():
        pytest.skip("rezolus-recording is not built: there is no Arrow")
    files = {}
    for name, series, histograms in (("small", 100, 10), ("large", 12_000, 10)):
        log, files[name] = tmp_path / f"{name}.rezlog", tmp_path / f"{name}.parquet"
        subprocess.run([BUILD / "rezolus-synthesize", log, "--ticks", "20", "--series", str(series),
                        "--histograms", str(histograms)], check=True, stdout=subprocess.DEVNULL)
        peak_bytes("convert", "--layout", "long", log, files[name])
    for host in range(150):
        folder = tmp_path / "fleet" / "date=2026-01-01" / f"host=web-{host:03}"
        folder.mkdir(parents=True)
        os.link(files["large" if host == 75 else "small"], folder / "00.parquet")
    peak = peak_bytes("convert", "--layout", "long", tmp_path / "fleet", tmp_path / "all.parquet")
    print(f"a fleet of 150: {peak / 2**20:.0f} MiB")
    assert peak <= LIMIT_BYTES
    rows = sum(pyarrow.parquet.read_metadata(part).num_rows for part in tmp_path.glob("all*.parquet"))
    assert rows == 20 * (149 * 110 + 12_010)


def test_long_lists_in_bounded_memory(tmp_path):
    """A histogram with values in each of many buckets, as others may write it: 512 rows are 145 MiB."""
    if not (BUILD / "rezolus-recording").exists():
        pytest.skip("rezolus-recording is not built: there is no Arrow")
    ticks, buckets = 1_024, 23 << 10  # of the powers 10 and 32
    offsets = pyarrow.array(range(0, (ticks + 1) * buckets, buckets), pyarrow.int32())

    def lists(items, type_):
        values = pyarrow.Array.from_buffers(type_, len(items), [None, pyarrow.py_buffer(items)])
        return pyarrow.ListArray.from_arrays(offsets, values)

    def same(value, type_):
        return pyarrow.array([value] * ticks, type_)

    counts = array.array("Q")
    for tick in range(ticks):
        counts.extend(array.array("Q", [tick + 1]) * buckets)
    texts = pyarrow.map_(pyarrow.string(), pyarrow.string())
    table = pyarrow.table({
        "timestamp_ns": pyarrow.array([(1_700_000_000 + k) * 10**9 for k in range(ticks)], pyarrow.int64()),
        "metric": same("latency", pyarrow.string()), "type": same("histogram", pyarrow.string()),
        "labels": same([], texts), "value_u64": same(None, pyarrow.uint64()),
        "value_i64": same(None, pyarrow.int64()), "value_f64": same(None, pyarrow.float64()),
        "bucket_indices": lists(array.array("i", range(buckets)) * ticks, pyarrow.int32()),
        "bucket_counts": lists(counts, pyarrow.uint64()),
        "grouping_power": same(10, pyarrow.int32()), "max_value_power": same(32, pyarrow.int32())})
    pyarrow.parquet.write_table(table, tmp_path / "long.parquet", row_group_size=512)
    del table
    peak = peak_bytes("convert", tmp_path / "long.parquet", tmp_path / "back.rezlog")
    print(f"long lists: {peak / 2**20:.0f} MiB")
    assert peak <= LIMIT_BYTES


def test_too_many_series_are_told(tmp_path):
    """More hosts than there is memory for, by their series alone."""
    if not (BUILD / "rezolus-recording").exists():
        pytest.skip("rezolus-recording is not built: there is no Arrow")
    log, file = tmp_path / "one.rezlog", tmp_path / "one.parquet"
    subprocess.run([BUILD / "rezolus-synthesize", log, "--ticks", "2", "--series", "800"], check=True,
                   stdout=subprocess.DEVNULL)
    peak_bytes("convert", "--layout", "long", log, file)
    for host in range(256):
        folder = tmp_path / "fleet" / f"host=web-{host:03}"
        folder.mkdir(parents=True)
        os.link(file, folder / "00.parquet")
    for arguments in (("summary", tmp_path / "fleet"),
                      ("convert", tmp_path / "fleet", tmp_path / "all.rezlog")):
        exit_code, _, said = run_limited(*arguments)
        assert exit_code == 1
        assert "more memory than this process may use" in said, said
        assert "bad_alloc" not in said
