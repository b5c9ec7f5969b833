# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Spark finds in wide and long files what was recorded, and what the other readers find."""

import pytest

import readers
from conftest import convert, synthesize


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spark")
    log = folder / "host.rezlog"
    _, expected = readers.expectations(synthesize(log, "--ticks", 40))
    for layout in ("wide", "long"):
        convert(log, folder / f"{layout}.parquet", layout)
    return folder, expected


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_same_answers(recording, spark, layout):
    folder, expected = recording
    path = folder / f"{layout}.parquet"
    answers = getattr(readers.Spark(spark), layout)(path)
    assert len(answers) == 60
    assert answers == expected
    assert answers == getattr(readers.DuckDB, layout)(path)
