# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Upstream's recordings rewritten by us: pyarrow finds the same values in a much smaller file."""

import pyarrow.parquet
import pytest

from conftest import BUILD, rezolus
from recordings import UPSTREAM

RATIO_MAX = 0.60
NOT_IDENTITY = {"metric_type", "unit", "description", "sampler", "source", "endpoint",
                "PARQUET:field_id"}


def identity(field):
    """Metric and labels; where the file does not say, the column's name."""
    pairs = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
    pairs.setdefault("metric", field.name.removesuffix(":buckets"))
    return frozenset((k, v) for k, v in pairs.items() if k not in NOT_IDENTITY)


def same_values(a, b):
    a, b = a.combine_chunks(), b.combine_chunks()
    if a.null_count != b.null_count or not a.is_valid().equals(b.is_valid()):
        return False
    if not pyarrow.types.is_list(a.type):
        return a.equals(b)
    return (a.value_lengths().equals(b.value_lengths()) and a.flatten().equals(b.flatten()))


@pytest.mark.parametrize("name", ["demo", "AB_base", "vllm"])
def test_rewritten_it_is_smaller_and_the_same(name, tmp_path):
    if not (BUILD / "rezolus-recording").exists():
        pytest.skip("rezolus-recording is not built: there is no Arrow")
    before = UPSTREAM / f"{name}.parquet"
    if not before.exists():
        pytest.skip(f"{before} is not here; REZOLUS_UPSTREAM_RECORDINGS names its folder")
    after = tmp_path / "after.parquet"
    result = rezolus("recording", "convert", before, after, timeout=120)
    assert result.returncode == 0, result.stderr
    ratio = after.stat().st_size / before.stat().st_size
    print(f"{name}: {ratio:.3f}")
    assert ratio <= RATIO_MAX

    old, new = pyarrow.parquet.read_table(before), pyarrow.parquet.read_table(after)
    ours = {}
    for field in new.schema:
        pairs = frozenset(pair for pair in identity(field) if pair[0] != "column")
        ours.setdefault(pairs, []).append(field.name)
    compared = 0
    for field in old.schema:
        values = old.column(field.name)
        if values.null_count == len(values):
            continue  # what never had a value has no column
        candidates = ours.get(identity(field), [])
        assert any(same_values(values, new.column(one)) for one in candidates), field.name
        compared += 1
    assert compared > 200
