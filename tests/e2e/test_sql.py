# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Every example of docs/sql.md runs, and says what `rezolus recording summary` says."""

import json
import re

import pytest

from conftest import BUILD, ROOT, rezolus

duckdb = pytest.importorskip("duckdb")

EXAMPLES = re.findall(r"^## (.*?)$|```sql\n(.*?)```", (ROOT / "docs/sql.md").read_text(),
                      re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def answers(agent, tmp_path_factory):
    """The examples' rows by heading, and the summary's rows by metric and labels."""
    if not (BUILD / "rezolus-recording").exists():
        pytest.skip("rezolus-recording is not built: there is no Arrow")
    folder = tmp_path_factory.mktemp("sql")
    wide, long = folder / "wide.parquet", folder / "long.parquet"
    made = rezolus("record", agent.url, wide, "-i", "100ms", "-d", "4s", timeout=60)
    assert made.returncode == 0, made.stderr
    made = rezolus("recording", "convert", wide, long, "--layout", "long", timeout=60)
    assert made.returncode == 0, made.stderr
    said = json.loads(rezolus("recording", "summary", wide, "--json", timeout=60).stdout)
    summary = {(row["metric"], tuple(row["labels"].items())): row for row in said["rows"]}
    found = {}
    heading = ""
    database = duckdb.connect()
    for title, example in EXAMPLES:
        heading = title or heading
        if not example:
            continue
        text = example.replace("'wide.parquet'", f"'{wide}'").replace("'long.parquet'", f"'{long}'")
        result = database.sql(text)
        if not text.startswith("CREATE"):
            found.setdefault(heading, []).append((result.columns, result.fetchall()))
    return found, summary


def test_rates(answers):
    found, summary = answers
    (columns, rows), (_, by_kind) = found["Long: rates"]
    assert columns == ["op", "increase", "per_second"]
    assert len(rows) > 5
    for op, increase, per_second in rows:
        row = summary["syscall", (("op", op),)]
        assert increase == row["increase"]
        # Where ticks were missed the summary divides by all of the time, the rows by what they cover.
        assert per_second == pytest.approx(row["rate"], rel=0.2)
    assert any(increase > 0 for _, increase, _ in rows)
    for kind, increase, _ in by_kind:
        assert increase == summary["scheduler_context_switch", (("kind", kind),)]["increase"]
    assert {kind for kind, _, _ in by_kind} == {"voluntary", "involuntary"}


def test_quantiles(answers):
    found, summary = answers
    (_, [(p99,)]), (_, by_second), (_, [(mean,)]) = found["Long: quantiles"]
    row = summary["scheduler_runqueue_latency", ()]
    assert p99 == row["p99"]
    assert mean == pytest.approx(row["sum"] / row["count"])
    assert 4 <= len(by_second) <= 6
    assert max(p99 for _, p99 in by_second) >= p99 >= min(p99 for _, p99 in by_second)


def test_the_rest_has_rows(answers):
    found, _ = answers
    for heading in ("Long: gaps", "Long: before and after", "Wide"):
        for columns, rows in found[heading]:
            assert rows, (heading, columns)


def test_wide(answers):
    found, summary = answers
    (_, [(increase,)]), (_, steps), (_, [(count, total)]), (_, names), (_, facts) = found["Wide"]
    row = summary["syscall", (("op", "filesystem"),)]
    assert increase == row["increase"] == sum(step for _, step in steps if step is not None)
    histogram = summary["scheduler_runqueue_latency", ()]
    assert (count, total) == (histogram["count"], histogram["sum"])
    assert ("syscall{op=\"filesystem\"}",) in names
    assert ("source", "rezolus") in facts
