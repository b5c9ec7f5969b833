# SPDX-License-Identifier: Apache-2.0 OR MIT
"""pyarrow, DuckDB and Polars find in wide and long files what was recorded."""

import subprocess
import sys

import pytest

from conftest import BUILD, ROOT

sys.path.insert(0, str(ROOT / "tests" / "peers"))
import readers  # noqa: E402  beside the tests of other peers

READERS = [readers.PyArrow, readers.DuckDB, readers.Polars]


@pytest.fixture(scope="module", params=["whole", "with a gap"])
def recording(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("readers")
    log = folder / "host.rezlog"
    gap = ["--gap-at", "20"] if request.param == "with a gap" else []
    said = subprocess.run([BUILD / "rezolus-synthesize", log, "--ticks", "40", *gap], check=True,
                          text=True, capture_output=True).stdout
    for layout in ("wide", "long"):
        subprocess.run([BUILD / "rezolus-recording", "convert", log, folder / f"{layout}.parquet",
                        "--layout", layout], check=True, capture_output=True)
    return folder, *readers.expectations(said), bool(gap)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_wide(recording, reader):
    folder, said, expected, _ = recording
    answers = reader.wide(folder / "wide.parquet")
    assert len(answers) == 60
    assert answers == expected
    assert said["seconds"] == 390


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_long(recording, reader):
    folder, _, expected, gap = recording
    answers = reader.long(folder / "long.parquet")
    if not gap:
        assert answers == expected
        return
    # What grew over the gap belongs to no row; everything else is found, and the same by everyone.
    assert answers == readers.PyArrow.long(folder / "long.parquet")
    for key, answer in answers.items():
        if "growth" in answer:
            assert 0.85 * expected[key]["growth"] < answer["growth"] < expected[key]["growth"], key
        else:
            assert answer == expected[key]
