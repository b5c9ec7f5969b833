# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`rezolus recording`: its answers on upstream's recordings and on a recording of ours, against what
pyarrow reads from the same files."""

import json
import math
import subprocess

import pyarrow.parquet
import pytest

from conftest import BUILD, rezolus
from recordings import columns_of, companion, ours, tool, upstream  # noqa: F401, fixtures

pytestmark = pytest.mark.usefixtures("companion")


def increases(values):
    """What a counter, or a bucket, grew by; it starts at zero again when the source was restarted."""
    known = [value for value in values if value is not None]
    return sum(b - a if b >= a else b for a, b in zip(known, known[1:]))


def index_of(bucket, grouping):
    """The largest value of a bucket."""
    bucket += 1
    q, r = bucket >> grouping, bucket & ((1 << grouping) - 1)
    return (r if q == 0 else (1 << (grouping + q - 1)) + (r << (q - 1))) - 1


def check_info(path, table):
    info = json.loads(tool("info", "--json", path))[0]
    stamps = table["timestamp"].to_pylist()
    assert info["ticks"] == len(stamps)
    assert (info["first_ns"], info["last_ns"]) == (stamps[0], stamps[-1])
    assert info["notes"] == []
    interval = info["interval_ns"]
    distances = [b - a for a, b in zip(stamps, stamps[1:])]
    # Behind ticks that were missed there is none; our files say by their grid which those are.
    ours = b"missed_ticks" in (table.schema.metadata or {})
    slots = [(stamp - stamps[0] // 10**9 * 10**9) // interval for stamp in stamps]
    jitter = sorted(abs(d - interval) for d, a, b in zip(distances, slots, slots[1:])
                    if (b - a <= 1 if ours else d <= 1.5 * interval))
    assert info["jitter_ns"]["max"] == jitter[-1]
    assert info["jitter_ns"]["p90"] == jitter[max(1, math.ceil(0.9 * len(jitter))) - 1]
    names = {meta["metric"] for _, meta, _ in columns_of(table)}
    # Sums of histograms, which our files have as columns, belong to their histograms.
    missing = names - set(info["metrics"])
    assert all(name.removesuffix("_sum") in info["metrics"] for name in missing), missing


def check_summary(path, table):
    summary = json.loads(tool("summary", "--json", path))
    stamps = table["timestamp"].to_pylist()
    seconds = (stamps[-1] - stamps[0]) / 1e9
    counters, gauges, histograms = {}, {}, {}
    for field, meta, values in columns_of(table):
        metric = meta["metric"]
        kind = str(field.type)
        if kind == "uint64":
            counters[metric] = counters.get(metric, 0) + increases(values)
        elif kind == "int64":
            gauges.setdefault(metric, []).extend(v for v in values if v is not None)
        else:
            rows = [row for row in values if row is not None]
            if not rows:
                continue
            total = histograms.setdefault(metric, [int(meta["grouping_power"]), [0] * len(rows[0])])
            if all(b >= a for x, y in zip(rows, rows[1:]) for a, b in zip(x, y)):
                total[1] = [t + b - a for t, a, b in zip(total[1], rows[0], rows[-1])]
    rows = summary["rows"]
    seen = {row["metric"] for row in rows}
    sums = {name for name in counters if name not in seen}
    assert all(name.removesuffix("_sum") in histograms for name in sums)
    compared = 0
    for metric in seen & set(counters):
        mine = [row for row in rows if row["metric"] == metric and row["type"] == "counter"]
        assert sum(row["increase"] for row in mine) == counters[metric], metric
        assert sum(row["rate"] for row in mine) == pytest.approx(counters[metric] / seconds)
        compared += 1
    for metric in seen & set(gauges):
        mine = [row for row in rows if row["metric"] == metric and row["type"] == "gauge"]
        if gauges[metric]:
            assert min(row["min"] for row in mine) == min(gauges[metric]), metric
            assert max(row["max"] for row in mine) == max(gauges[metric]), metric
            compared += 1
    for metric, (grouping, buckets) in histograms.items():
        mine = [row for row in rows if row["metric"] == metric]
        if any(row["resets"] for row in mine):
            continue
        assert sum(row["count"] for row in mine) == sum(buckets), metric
        compared += 1
        if len(mine) > 1 or not sum(buckets):
            continue
        for name, q in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)):
            rank, bucket = max(1, math.ceil(q * sum(buckets))), -1
            while rank > 0:
                bucket += 1
                rank -= buckets[bucket]
            assert mine[0][name] == index_of(bucket, grouping), (metric, name)
    assert compared >= len(seen) / 2


def test_info_of_upstreams_recordings(upstream):
    check_info(*upstream)


def test_summary_of_upstreams_recordings(upstream):
    check_summary(*upstream)


def test_our_recording(ours):
    check_info(*ours)
    check_summary(*ours)


def test_by_a_label(upstream):
    path, table = upstream
    if path.stem != "demo":
        pytest.skip("one file is enough")
    summary = json.loads(tool("summary", "--json", "--by", "id", "--metrics", "cpu_usage", path))
    wanted = {}
    for _, meta, values in columns_of(table):
        if meta["metric"] == "cpu_usage":
            wanted[meta["id"]] = wanted.get(meta["id"], 0) + increases(values)
    assert {row["labels"]["id"]: row["increase"] for row in summary["rows"]} == wanted


def test_by_cgroup(upstream, tmp_path):
    """Containers of the original's files and of what we make of them; a slot without a name counts."""
    path, table = upstream
    wanted = {}
    for field, meta, values in columns_of(table):
        if meta["metric"].startswith("cgroup_") and str(field.type) == "uint64":
            name = meta.get("name", f"(no name, id {meta['id']})")
            key = meta["metric"], name
            wanted[key] = wanted.get(key, 0) + increases(values)
    if not wanted:
        pytest.skip(f"{path.name} has no containers")
    recordings = [path]
    if path.stem == "demo":
        recordings += [tmp_path / "a.rezlog", tmp_path / "wide.parquet"]
        tool("convert", path, recordings[1])
        tool("convert", path, recordings[2])
    for recording in recordings:
        rows = json.loads(tool("summary", "--json", "--by", "cgroup", recording))["rows"]
        mine = {(row["metric"], row["labels"]["cgroup"]): row["increase"]
                for row in rows if row["type"] == "counter"}
        # A column without a value has no row.
        assert {key: value for key, value in wanted.items() if value} == \
               {key: value for key, value in mine.items() if value}, recording
    assert 'cgroup="' in tool("summary", "--by", "cgroup", path)


def test_diff(upstream, ours):
    path, _ = upstream
    rows = json.loads(tool("diff", "--json", path, path))["rows"]
    assert rows
    assert all(row["change"] == 0 for row in rows if row["a"] is not None)
    rows = json.loads(tool("diff", "--json", "--sort", "change", path, ours[0]))["rows"]
    changes = [abs(row["change"]) for row in rows
               if row["change"] is not None]
    assert changes == sorted(changes, reverse=True)


def test_metrics_that_no_series_has(ours, tmp_path):
    """Nothing is written, so that nothing is replaced."""
    path, _ = ours
    for name in ("a.parquet", "a.rezlog", "a.raw"):
        output = tmp_path / name
        tool("convert", path, output)
        before = output.read_bytes()
        for source in (path, tmp_path / "a.parquet"):
            result = rezolus("recording", "convert", source, output, "--metrics", "nope")
            assert result.returncode == 1 and "no series fits" in result.stderr
            assert output.read_bytes() == before
    result = rezolus("recording", "convert", path, output, "--layout", "long", "--format", "parquet",
                     "--metrics", "nope")
    assert result.returncode == 1 and "no series fits" in result.stderr
    result = rezolus("recording", "diff", path, path, "--metrics", "nope")
    assert result.returncode == 1 and "no series fits" in result.stderr and result.stdout == ""


def test_a_missing_part_is_said(ours, tmp_path):
    """Two parts of a recording, of which the second says that it goes on."""
    path, table = ours
    first, second = tmp_path / "run.parquet", tmp_path / "run.part2.parquet"
    footer = pyarrow.parquet.read_metadata(path).metadata
    footer.pop(b"ARROW:schema")
    for file, notes in ((first, {"parquet_next_part": "2"}),
                        (second, {"parquet_part": "2", "parquet_next_part": "3"})):
        half = table.slice(0, 8) if file == first else table.slice(8)
        pyarrow.parquet.write_table(
            half.replace_schema_metadata({**footer, **notes}), file)
    info = json.loads(tool("info", "--json", first))[0]
    assert info["ticks"] == table.num_rows
    assert info["size_bytes"] == first.stat().st_size + second.stat().st_size
    said = "run.part2.parquet says that it goes on in part 3, which is not beside it"
    assert said in info["notes"][0]
    assert said in tool("info", first)
    result = rezolus("recording", "convert", first, tmp_path / "out.rezlog")
    assert result.returncode == 0
    assert said in result.stderr
    assert said in rezolus("recording", "summary", first).stderr
    upload = ("recording", "upload", first, f"file://{tmp_path}/store/there.parquet")
    result = rezolus(*upload)
    assert result.returncode == 1 and said in result.stderr
    pyarrow.parquet.write_table(half.replace_schema_metadata({**footer, "parquet_part": "3"}),
                                tmp_path / "run.part3.parquet")
    second.rename(tmp_path / "away")
    result = rezolus(*upload)
    assert result.returncode == 1
    assert "run.part2.parquet is missing though" in result.stderr
    assert not list((tmp_path / "store").iterdir()), "nothing was sent"
    (tmp_path / "away").rename(second)
    # Left over of an earlier recording: what is before it says that it is the last.
    pyarrow.parquet.write_table(half.replace_schema_metadata({**footer, "parquet_part": "4"}),
                                tmp_path / "run.part4.parquet")
    result = rezolus(*upload)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("there.parquet, 3 files\n")
    assert "run.part4.parquet is not sent" in result.stderr
    names = ("there.parquet", "there.part2.parquet", "there.part3.parquet")
    assert {path.name for path in (tmp_path / "store").iterdir()} == set(names)
    for file, name in zip((first, second, tmp_path / "run.part3.parquet"), names):
        assert (tmp_path / "store" / name).read_bytes() == file.read_bytes()


def test_recover(ours, tmp_path):
    path, table = ours
    log = tmp_path / "run.parquet.rezlog"
    tool("convert", path, log)
    whole = log.read_bytes()
    assert "nothing was lost" in tool("recover", log, "-o", tmp_path / "other.parquet")
    assert log.exists(), "the output has another name"
    assert "rezlog is removed" in tool("recover", tmp_path / "run.parquet")
    assert not log.exists(), "the next recording would recover it once more"
    assert pyarrow.parquet.read_table(tmp_path / "run.parquet").num_rows == table.num_rows
    again = rezolus("recording", "recover", log)
    assert again.returncode == 1
    assert "--output" in again.stderr
    log.write_bytes(whole[:len(whole) * 2 // 3])
    text = tool("recover", log, "-o", tmp_path / "cut.parquet")
    assert "lost: " in text and "cut off" in text
    rows = pyarrow.parquet.read_table(tmp_path / "cut.parquet").num_rows
    assert 0 < rows < table.num_rows
    (tmp_path / "run.parquet").unlink()
    assert "the end was cut off" in tool("recover", tmp_path / "run.parquet")
    assert not log.exists()
    damaged = bytearray(whole)
    damaged[len(whole) * 7 // 8] ^= 255  # behind the first values, which all others build on
    log.write_bytes(damaged)
    (tmp_path / "run.parquet").unlink()
    assert "is kept" in tool("recover", tmp_path / "run.parquet")
    assert log.exists(), "it is damaged"
    assert rezolus("recording", "recover", tmp_path / "none").returncode == 1


def test_a_log_of_which_nothing_can_be_read(ours, tmp_path):
    log = tmp_path / "a.rezlog"
    tool("convert", ours[0], log)
    damaged = bytearray(log.read_bytes())
    for at in range(100, 200):
        damaged[at] ^= 255
    log.write_bytes(damaged)
    result = rezolus("recording", "recover", log, "-o", tmp_path / "a.parquet")
    assert result.returncode == 1
    assert "bytes are unreadable, since it is damaged" in result.stderr
    info = tool("info", log)
    assert "how many ticks were in them is not known" in info
    assert json.loads(tool("info", "--json", log))[0]["lost_ticks_known"] is False


def test_no_colors_in_a_pipe(ours):
    assert "\033" not in tool("diff", ours[0], ours[0])


def test_exit_codes(tmp_path):
    assert rezolus("recording", "info", tmp_path / "none").returncode == 1
    assert "No such file" in rezolus("recording", "info", tmp_path / "none").stderr
    assert rezolus("recording", "summary").returncode == 2
    assert rezolus("recording", "nonsense").returncode == 2
    assert rezolus("recording", "diff", "a", "b", "--sort", "sideways").returncode == 2
    for command in ("info", "summary", "diff", "convert", "recover"):
        result = rezolus("recording", command, "--help")
        assert result.returncode == 0
        assert f"rezolus recording {command} " in result.stdout  # the examples
    assert "summary" in rezolus("recording").stdout


def test_without_the_companion(tmp_path):
    """A copy of rezolus alone says which package is missing."""
    copy = tmp_path / "rezolus"
    copy.write_bytes((BUILD / "rezolus").read_bytes())
    copy.chmod(0o755)
    result = subprocess.run([copy, "recording", "info", "x"], text=True, capture_output=True,
                            check=False, env={"PATH": "/usr/bin:/bin"})
    assert result.returncode == 1
    assert "install the package rezolus-recording" in result.stderr
