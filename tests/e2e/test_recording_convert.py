# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`rezolus recording convert`: from every format to every other and back, cuts, joins and folders."""

import datetime
import json
import subprocess

import duckdb
import polars
import pyarrow
import pyarrow.parquet
import pytest

from conftest import BUILD, rezolus
from recordings import columns_of, companion, metadata, ours, tool, upstream  # noqa: F401, fixtures

pytestmark = pytest.mark.usefixtures("companion")


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
    facts = json.loads(footer[b"per_source_metadata"])["rezolus"]
    assert facts["first_sample_ns"] == cut["timestamp"][0].as_py()
    assert facts["last_sample_ns"] == cut["timestamp"][-1].as_py()
    assert "missed_ticks" not in facts
    whole = json.loads(pyarrow.parquet.read_metadata(path).metadata[b"per_source_metadata"])
    tool("convert", path, output, "--metrics", "cpu_*")
    again = json.loads(pyarrow.parquet.read_metadata(output).metadata[b"per_source_metadata"])
    assert again == whole
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
