# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The same questions put to different readers of our Parquet files.

Each reader is a class with two methods that take a path and return, by series, a dictionary of
answers: growth of counters and histograms, their p50 and p99, the last value of gauges. A series'
key is (metric, labels as sorted pairs)."""

import json


def key_of(metric, labels):
    return metric, tuple(sorted(labels.items()))


def upper_bound(index, grouping_power, max_value_power):
    """The largest value of an H2 bucket."""
    def lower(bucket):
        q = bucket >> grouping_power
        r = bucket - (q << grouping_power)
        return r if q == 0 else (1 << (grouping_power + q - 1)) + (r << (q - 1))

    count = (max_value_power - grouping_power + 1) << grouping_power
    return (1 << max_value_power) - 1 if index + 1 == count else lower(index + 1) - 1


def quantile(buckets, fraction, powers):
    """buckets: {index: count}; powers: (grouping power, max value power)."""
    total = sum(buckets.values())
    rank = max(1, -(-int(fraction * 100) * total // 100))
    seen = 0
    for index in sorted(buckets):
        seen += buckets[index]
        if seen >= rank:
            return upper_bound(index, *powers)
    return None


def histogram_answers(buckets, powers):
    return {"growth": sum(buckets.values()), "p50": quantile(buckets, 0.50, powers),
            "p99": quantile(buckets, 0.99, powers)}


def expectations(text):
    """What rezolus-synthesize says, in the same form."""
    said = json.loads(text)
    return said, {key_of(one["metric"], one["labels"]):
                  {name: one[name] for name in ("growth", "last", "p50", "p99") if name in one}
                  for one in said["series"]}


NOT_LABELS = {"metric", "metric_type", "unit", "sampler", "source", "endpoint", "grouping_power",
              "max_value_power"}


def wide_answers(path, first_and_last):
    """first_and_last(path, names): the first and the last value of each column. The names and labels
    are in the fields' metadata, which is Arrow's to read, whoever reads the values."""
    import pyarrow.parquet

    schema = pyarrow.parquet.read_schema(path)
    names = [field.name for field in schema]
    values = first_and_last(path, names)
    answers = {}
    for field in schema:
        metadata = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
        kind = metadata.get("metric_type")
        if kind not in ("counter", "gauge", "histogram") or metadata["metric"].endswith("_sum"):
            continue
        labels = {k: v for k, v in metadata.items()
                  if k not in NOT_LABELS and not k.startswith("PARQUET:")}
        first, last = values[field.name]
        key = key_of(metadata["metric"], labels)
        if kind == "gauge":
            answers[key] = {"last": last}
        elif kind == "counter":
            answers[key] = {"growth": last - first}
        else:
            powers = int(metadata["grouping_power"]), int(metadata["max_value_power"])
            grown = {i: b - a for i, (a, b) in enumerate(zip(first, last)) if b != a}
            answers[key] = histogram_answers(grown, powers)
    return answers


def long_answers(rows):
    """rows: metric, type, labels (dict), deltas summed, last gauge, {bucket: sum of deltas}, powers."""
    answers = {}
    for metric, kind, labels, growth, last, buckets, powers in rows:
        key = key_of(metric, labels)
        if kind == "gauge":
            answers[key] = {"last": last}
        elif kind == "counter":
            answers[key] = {"growth": growth}
        else:
            answers[key] = histogram_answers(buckets, powers)
            assert answers[key]["growth"] == growth
    return answers


class PyArrow:
    name = "pyarrow"

    @staticmethod
    def wide(path):
        import pyarrow.parquet

        def first_and_last(path, names):
            table = pyarrow.parquet.read_table(path)
            return {name: (table[name][0].as_py(), table[name][-1].as_py()) for name in names}

        return wide_answers(path, first_and_last)

    @staticmethod
    def long(path):
        import pyarrow.parquet

        series = {}
        rows = pyarrow.parquet.ParquetFile(path).read().to_pylist()
        for row in sorted(rows, key=lambda row: row["timestamp_ns"]):
            key = row["metric"], row["type"], tuple(row["labels"])
            growth, _, buckets, _ = series.get(key, (0, None, {}, None))
            for index, delta in zip(row["bucket_indices"] or (), row["bucket_deltas"] or ()):
                buckets[index] = buckets.get(index, 0) + delta
            last = row["value_f64"] if row["value_i64"] is None else row["value_i64"]
            series[key] = (growth + (row["delta"] or 0), last, buckets,
                           (row["grouping_power"], row["max_value_power"]))
        return long_answers([(metric, kind, dict(labels), *rest)
                             for (metric, kind, labels), rest in series.items()])


# DuckDB and Spark speak nearly the same SQL; {} is where a file is named.
SCALARS = """
    SELECT metric, type, labels, sum(delta) AS growth, max(grouping_power), max(max_value_power),
           {last}
    FROM {rows} GROUP BY metric, type, labels"""


class DuckDB:
    name = "DuckDB"

    @staticmethod
    def wide(path):
        import duckdb

        def first_and_last(path, names):
            ordered = f"SELECT * FROM '{path}' ORDER BY timestamp"
            first = duckdb.sql(f"{ordered} LIMIT 1").fetchall()[0]
            last = duckdb.sql(f"{ordered} DESC LIMIT 1").fetchall()[0]
            return {name: values for name, *values in zip(names, first, last)}

        return wide_answers(path, first_and_last)

    @staticmethod
    def long(path):
        import duckdb

        query = SCALARS.format(rows=f"'{path}'", last="""
            arg_max(coalesce(value_f64, value_i64), timestamp_ns)""")
        scalars = duckdb.sql(query).fetchall()
        grown = duckdb.sql(f"""
            SELECT metric, labels, bucket, sum(delta) FROM
              (SELECT metric, labels, unnest(bucket_indices) AS bucket, unnest(bucket_deltas) AS delta
               FROM '{path}' WHERE bucket_deltas IS NOT NULL)
            GROUP BY metric, labels, bucket HAVING sum(delta) > 0""").fetchall()
        return collect(scalars, grown)


def collect(scalars, grown):
    buckets = {}
    for metric, labels, bucket, count in grown:
        buckets.setdefault(key_of(metric, dict(labels)), {})[bucket] = int(count)
    return long_answers([
        (metric, kind, dict(labels), None if growth is None else int(growth), last,
         buckets.get(key_of(metric, dict(labels)), {}), (grouping, max_value))
        for metric, kind, labels, growth, grouping, max_value, last in scalars])


class Polars:
    name = "Polars"

    @staticmethod
    def wide(path):
        import polars

        def first_and_last(path, names):
            table = polars.read_parquet(path).sort("timestamp")
            first, last = table.row(0), table.row(-1)
            return {name: values for name, *values in zip(names, first, last)}

        return wide_answers(path, first_and_last)

    @staticmethod
    def long(path):
        import polars as pl

        # As text, a map can be grouped by.
        rows = pl.scan_parquet(path, hive_partitioning=False).with_columns(
            labels=pl.col("labels").map.entries().list.eval(
                pl.element().struct.field("key") + "=" + pl.element().struct.field("value"))
            .list.join("\n"))
        series = ["metric", "type", "labels"]
        scalars = rows.sort("timestamp_ns").group_by(series).agg(
            pl.col("delta").sum(), pl.col("grouping_power").max(), pl.col("max_value_power").max(),
            pl.coalesce("value_f64", "value_i64").last().alias("last")).collect()
        grown = rows.filter(pl.col("bucket_deltas").is_not_null()).explode(
            ["bucket_indices", "bucket_deltas"]).group_by(
            ["metric", "labels", "bucket_indices"]).agg(pl.col("bucket_deltas").sum()).filter(
            pl.col("bucket_deltas") > 0).collect()

        def labels_of(text):
            return dict(one.split("=", 1) for one in text.split("\n") if one)

        return collect([(m, t, labels_of(l), *rest) for m, t, l, *rest in scalars.rows()],
                       [(m, labels_of(l), *rest) for m, l, *rest in grown.rows()])


class Spark:
    name = "Spark"

    def __init__(self, session):
        self.session = session

    def wide(self, path):
        def first_and_last(path, names):
            # Column names have dots and quotes; by position they need no escaping.
            rows = self.session.read.parquet(str(path)).toDF(
                *(f"c{i}" for i in range(len(names)))).orderBy("c0").collect()
            return {name: (plain(rows[0][i]), plain(rows[-1][i]))
                    for i, name in enumerate(names)}

        return wide_answers(path, first_and_last)

    def long(self, path):
        self.session.read.parquet(str(path)).selectExpr(
            "metric", "type", "map_entries(labels) AS labels", "delta", "grouping_power",
            "max_value_power", "value_i64", "value_f64", "timestamp_ns", "bucket_indices",
            "bucket_deltas").createOrReplaceTempView("rows")
        scalars = self.session.sql(SCALARS.format(rows="rows", last="""
            max_by(coalesce(value_f64, value_i64), timestamp_ns)""")).collect()
        grown = self.session.sql("""
            SELECT metric, labels, pair.bucket_indices, sum(pair.bucket_deltas) FROM
              (SELECT metric, labels, explode(arrays_zip(bucket_indices, bucket_deltas)) AS pair
               FROM rows WHERE bucket_deltas IS NOT NULL)
            GROUP BY metric, labels, pair.bucket_indices HAVING sum(pair.bucket_deltas) > 0
            """).collect()
        return collect(scalars, grown)


def plain(value):
    """Spark has no unsigned integers of 64 bits: it makes decimals of them."""
    if isinstance(value, list):
        return [int(one) for one in value]
    return value if value is None or isinstance(value, float) else int(value)
