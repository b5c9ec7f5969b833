# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`rezolus recording`: its answers on upstream's recordings and on a recording of ours, against what
pyarrow reads from the same files."""

import datetime
import json
import math
import os
import pathlib
import subprocess

import duckdb
import polars
import pyarrow
import pyarrow.parquet
import pytest

from conftest import BUILD, ROOT, rezolus

UPSTREAM = pathlib.Path(os.environ.get("REZOLUS_UPSTREAM_RECORDINGS",
                                       ROOT.parent / "shared" / "testdata" / "upstream"))
NAMES = ["demo", "AB_base", "vllm", "simple_capture"]


@pytest.fixture(scope="module", autouse=True)
def companion():
    if not (BUILD / "rezolus-recording").exists():
        pytest.skip("rezolus-recording is not built: there is no Arrow")


@pytest.fixture(scope="module", params=NAMES)
def upstream(request):
    path = UPSTREAM / f"{request.param}.parquet"
    if not path.exists():
        pytest.skip(f"{path} is not here; REZOLUS_UPSTREAM_RECORDINGS names its folder")
    return path, pyarrow.parquet.read_table(path)


@pytest.fixture(scope="module")
def ours(agent, tmp_path_factory):
    path = tmp_path_factory.mktemp("tools") / "ours.parquet"
    result = rezolus("record", agent.url, path, "-d", "4s", "-i", "200ms")
    assert result.returncode == 0, result.stderr
    return path, pyarrow.parquet.read_table(path)


def tool(*arguments):
    result = rezolus("recording", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def metadata(field):
    return {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}


def columns_of(table):
    for field in table.schema:
        if field.name not in ("timestamp", "duration"):
            # A column that does not name its metric is the metric of its name.
            meta = {"metric": field.name.split("{")[0].removesuffix(":buckets"), **metadata(field)}
            yield field, meta, table[field.name].to_pylist()


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


def values_of(path):
    """Every column by what its series is, whatever the column is called."""
    result = {}
    table = pyarrow.parquet.read_table(path)
    for field, meta, values in columns_of(table):
        kept = {k: v for k, v in meta.items() if k not in ("description", "endpoint", "sampler")}
        key = tuple(sorted(kept.items()))
        # A column without a value has no series, and only columns are compared that have one.
        if any(value is not None for value in values):
            result[key] = values
    return table["timestamp"].to_pylist(), table["duration"].to_pylist(), result


def test_wide_to_log_to_wide_keeps_values(upstream, tmp_path):
    path, _ = upstream
    tool("convert", path, tmp_path / "a.rezlog")
    tool("convert", tmp_path / "a.rezlog", tmp_path / "a.parquet")
    stamps, durations, values = values_of(path)
    again = values_of(tmp_path / "a.parquet")
    assert again[0] == stamps
    assert again[1] == [duration or None for duration in durations]

    if path.stem in ("demo", "simple_capture"):  # one source: it stays no label
        values = {tuple((k, v) for k, v in key if k != "source"): rows
                  for key, rows in values.items()}
        again = (*again[:2], {tuple((k, v) for k, v in key if k != "source"): rows
                              for key, rows in again[2].items()})
    elif path.stem in ("AB_base", "vllm"):
        # The recording's sources are a list, which is no column's; columns keep their own.
        assert all(dict(key).get("source") for key in again[2])
    assert again[2].keys() == values.keys()
    assert again[2] == values


def test_wide_to_long_to_wide_keeps_values(upstream, tmp_path):
    """Every value, column, unit and note of the file; how long a reading took is not in the long layout."""
    path, _ = upstream
    wide, long, again = (tmp_path / f"{name}.parquet" for name in ("wide", "long", "again"))
    tool("convert", path, wide)
    tool("convert", path, long, "--layout", "long")
    tool("convert", long, again)
    wanted, got = (pyarrow.parquet.read_table(file).drop_columns("duration")
                   for file in (wide, again))
    assert got.schema.equals(wanted.schema, check_metadata=True)
    assert got.equals(wanted)
    assert tool("summary", "--json", long) == tool("summary", "--json", wide)
    infos = [json.loads(tool("info", "--json", file))[0] for file in (wide, long)]
    assert infos[1]["format"] == "Parquet, long"
    for key in ("ticks", "missed", "first_ns", "last_ns", "sources", "metrics", "metadata",
                "jitter_ns", "gaps", "notes"):
        assert infos[1][key] == infos[0][key], key
    rows = json.loads(tool("diff", "--json", wide, long))["rows"]
    assert rows and all(row["a"] == row["b"] for row in rows)


def test_log_to_long_to_log_keeps_values(agent, tmp_path):
    """Of an agent's log, with all that it measures."""
    log, long, again = tmp_path / "a.rezlog", tmp_path / "long.parquet", tmp_path / "b.rezlog"
    result = rezolus("record", agent.url, log, "-d", "3s", "-i", "100ms", "--format", "log")
    assert result.returncode == 0, result.stderr
    tool("convert", log, long, "--layout", "long")
    tool("convert", long, again)
    tables = []
    for file in (log, again):
        wide = tmp_path / f"{file.name}.parquet"
        tool("convert", file, wide)
        tables.append(pyarrow.parquet.read_table(wide).drop_columns("duration"))
    assert tables[0].num_rows > 10
    assert tables[0].num_columns > 100
    assert tables[1].schema.equals(tables[0].schema, check_metadata=True)
    assert tables[1].equals(tables[0])
    infos = [json.loads(tool("info", "--json", file))[0] for file in (log, again)]
    for key in ("ticks", "sources", "interval_ns", "missed"):
        assert infos[1][key] == infos[0][key], key


def test_long_files_of_others_are_read(ours, tmp_path):
    """DuckDB and Polars write it in another order, with other types of Arrow and no notes in the footer."""
    path, _ = ours
    long, duck, bears = (tmp_path / f"{name}.parquet" for name in ("long", "duck", "bears"))
    tool("convert", path, long, "--layout", "long")
    duckdb.sql(f"COPY (FROM '{long}' ORDER BY timestamp_ns, metric DESC) TO '{duck}' "
               "(FORMAT parquet, ROW_GROUP_SIZE 2048)")
    polars.read_parquet(long).reverse().write_parquet(bears)
    wanted = tool("summary", "--json", path)
    for file in (long, duck, bears):
        assert tool("summary", "--json", file) == wanted, file


def test_a_long_file_that_is_no_recording(ours, tmp_path):
    path, _ = ours
    long = tmp_path / "long.parquet"
    tool("convert", path, long, "--layout", "long")
    table = pyarrow.parquet.read_table(long)
    pyarrow.parquet.write_table(table.drop_columns(["labels", "value_u64"]), long)
    result = rezolus("recording", "info", long)
    assert result.returncode == 1
    assert f"{long}: it is in the long layout, less `labels`, `value_u64`" in result.stderr
    long.write_bytes(long.read_bytes()[:-20])
    result = rezolus("recording", "convert", long, tmp_path / "out.rezlog")
    assert result.returncode == 1
    assert "cut off" in result.stderr
    assert not (tmp_path / "out.rezlog").exists()


def test_log_to_raw_to_log_keeps_values(ours, tmp_path):
    path, _ = ours
    tool("convert", path, tmp_path / "a.rezlog")
    tool("convert", tmp_path / "a.rezlog", tmp_path / "a.raw")
    tool("convert", tmp_path / "a.raw", tmp_path / "b.rezlog")
    (tmp_path / "a.raw.zst").write_bytes(
        pyarrow.compress((tmp_path / "a.raw").read_bytes(), codec="zstd", asbytes=True))
    rows = [{(row["metric"], str(row["labels"])): (row.get("increase"), row.get("count"),
                                                   row.get("p99"), row.get("mean"))
             for row in json.loads(tool("summary", "--json", file))["rows"]}
            for file in (path, tmp_path / "a.rezlog", tmp_path / "a.raw", tmp_path / "b.rezlog",
                         tmp_path / "a.raw.zst")]
    assert rows[0]
    assert rows[1] == rows[0]
    assert rows[2] == rows[0]
    assert rows[3] == rows[0]
    assert rows[4] == rows[0]


def test_convert_cuts_selects_and_thins_out(ours, tmp_path):
    path, table = ours
    stamps = table["timestamp"].to_pylist()
    output = tmp_path / "cut.parquet"
    tool("convert", path, output, "--from=+1s", "--to=-1s", "--metrics", "cpu_*", "--metadata",
         "note=mine", "--interval", "1s")
    cut = pyarrow.parquet.read_table(output)
    wanted = {}
    for stamp in stamps:
        if stamps[0] + 10**9 <= stamp <= stamps[-1] - 10**9:
            wanted.setdefault(stamp // 10**9, stamp)
    assert cut["timestamp"].to_pylist() == list(wanted.values())
    assert cut.num_columns > 2
    assert all(name.startswith("cpu_") for name in cut.column_names[2:])
    footer = pyarrow.parquet.read_metadata(output).metadata
    assert footer[b"note"] == b"mine"
    assert footer[b"sampling_interval_ms"] == b"1000"
    assert rezolus("recording", "convert", path, output, "--from", "soon").returncode == 2


def test_an_interval_shorter_than_the_recorded_one(ours, tmp_path):
    """The recorded one stays: else every second tick would be missed, and every delta null."""
    path, _ = ours
    for name in ("a.parquet", "a.rezlog", "a.raw"):
        source, output = tmp_path / name, tmp_path / "z.parquet"
        tool("convert", path, source)
        result = rezolus("recording", "convert", source, output, "-i", "50ms")
        assert result.returncode == 0
        assert "--interval 50ms is shorter than the recorded 200ms, which stays" in result.stderr
        facts = [json.loads(tool("info", "--json", file))[0] for file in (path, output)]
        for key in ("interval_ns", "ticks"):
            assert facts[1][key] == facts[0][key], key
        # A raw recording does not say what was missed.
        assert name == "a.raw" or facts[1]["missed"] == facts[0]["missed"]


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


def test_convert_joins(ours, tmp_path):
    path, table = ours
    tool("convert", path, path, tmp_path / "both.parquet")
    both = pyarrow.parquet.read_table(tmp_path / "both.parquet")
    assert both.num_rows == table.num_rows
    sources = {metadata(field).get("source") for field in both.schema} - {None}
    assert len(sources) == 2
    info = json.loads(tool("info", "--json", tmp_path / "both.parquet"))[0]
    assert set(info["sources"]) == sources


def test_a_folder_by_date_and_host(tmp_path):
    """Three hosts, of which one has two hours: the others are found as when their logs are joined."""
    fleet = tmp_path / "fleet"
    for host, hour, start in (("a", 0, 1767225600), ("a", 1, 1767225900), ("b", 0, 1767225600),
                              ("c", 0, 1767225602)):
        log = tmp_path / f"{host}.rezlog"
        home = fleet / "date=2026-01-01" / f"host={host}"
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run([BUILD / "rezolus-synthesize", log, "--ticks", "30", "--host", host, "--seed",
                        str(ord(host)), "--start", str(start)], check=True,
                       stdout=subprocess.DEVNULL)
        tool("convert", log, home / f"{hour:02}.parquet", "--layout", "long")
    info = json.loads(tool("info", "--json", fleet))[0]
    assert info["sources"] == ["a", "b", "c"]
    assert info["ticks"] == 60
    assert info["size_bytes"] == sum(file.stat().st_size for file in fleet.glob("*/*/*.parquet"))
    tool("convert", tmp_path / "b.rezlog", tmp_path / "c.rezlog", tmp_path / "both.rezlog")

    def by_source(path, names):
        rows = json.loads(tool("summary", "--json", "--by", "source", path))["rows"]
        return {(names[row["labels"]["source"]], row["metric"]):
                tuple(row.get(key) for key in ("increase", "count", "p99", "max", "last"))
                for row in rows if row["labels"]["source"] in names}

    wanted = by_source(tmp_path / "both.rezlog", {"rezolus": "b", "rezolus-2": "c"})
    assert len(wanted) > 10
    assert by_source(fleet, {"b": "b", "c": "c"}) == wanted
    tool("convert", fleet, tmp_path / "wide.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "wide.parquet")
    assert table.num_rows == 60
    assert {metadata(field).get("source") for field in table.schema} - {None} >= {"a", "b", "c"}


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


def test_raw_snapshots_have_no_fractions(tmp_path):
    times = [1_700_000_000_000_000_000 + k * 10**9 for k in range(3)]
    fields = [pyarrow.field(name, kind, metadata={"metric": name, "metric_type": metric_type})
              for name, kind, metric_type in (("half", pyarrow.float64(), "gauge"),
                                              ("whole", pyarrow.float64(), "gauge"))]
    table = pyarrow.table([pyarrow.array(times, pyarrow.uint64()), pyarrow.array([1.0, 2.0, 2.5]),
                           pyarrow.array([1.0, 2.0, 3.0])],
                          schema=pyarrow.schema([pyarrow.field("timestamp", pyarrow.uint64()), *fields]))
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    result = rezolus("recording", "convert", tmp_path / "a.parquet", tmp_path / "a.raw")
    assert result.returncode == 0
    assert result.stderr.count("the fractions of 1 gauges are cut off") == 1, result.stderr
    assert "fractions" not in rezolus("recording", "convert", tmp_path / "a.parquet",
                                      tmp_path / "a.rezlog").stderr


def test_a_cut_outside_of_the_recording(ours, tmp_path):
    path, table = ours
    output = tmp_path / "a.parquet"
    begin = datetime.datetime.fromtimestamp(table["timestamp"][0].as_py() // 10**9, datetime.UTC)
    for cut in ("--from=+20s", "--to=2020-01-01T00:00:00Z"):
        for layout in ("wide", "long"):
            result = rezolus("recording", "convert", path, output, cut, "--layout", layout)
            assert result.returncode == 1
            assert f"the recording has those from {begin:%Y-%m-%dT%H:%M:%S}" in result.stderr
    assert not output.exists()


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
