# SPDX-License-Identifier: Apache-2.0 OR MIT
"""More series than a wide file has columns: what is folded is said, and nothing is thrown away."""

import pyarrow.parquet
import pytest

from conftest import BUILD, rezolus
from site_of_pages import Site

SERIES = 20_500


@pytest.fixture
def large_page():
    lines = ["# TYPE requests_total counter"]
    lines += [f'requests_total{{id="{i}"}} {i}' for i in range(SERIES)]
    body = ("\n".join(lines) + "\n").encode()
    site = Site({"/metrics": ("text/plain; version=0.0.4", lambda: body)})
    yield f"http://127.0.0.1:{site.port}/metrics"
    site.stop()


def test_the_log_is_kept_when_series_were_folded(tmp_path, large_page):
    if not (BUILD / "rezolus-recording").exists():
        pytest.skip("rezolus-recording is not built: there is no Arrow")
    output = tmp_path / "run.parquet"
    result = rezolus("record", "--endpoint", f"{large_page},source=web", "-i", "1s", "-d", "3s",
                     "-o", output, timeout=300)
    log = tmp_path / "run.parquet.rezlog"
    assert result.returncode == 1
    assert log.exists()
    assert f"Every series is in {log}" in result.stderr
    assert "--layout long" in result.stderr
    metadata = pyarrow.parquet.read_metadata(output).metadata
    folded = int(metadata[b"folded_series"])
    assert folded > 0
    assert metadata[b"left_out_series"] == b"0"
    # Nothing is missing from the sum of all columns, and the log still has each series.
    row = pyarrow.parquet.read_table(output).slice(0, 1).to_pylist()[0]
    names = [name for name in row if name.startswith("requests_total")]
    assert len(names) == SERIES - folded + 1
    assert sum(row[name] for name in names) == SERIES * (SERIES - 1) // 2
    whole = tmp_path / "whole.parquet"
    result = rezolus("recording", "convert", "--layout", "long", log, whole, timeout=300)
    assert result.returncode == 0, result.stderr
    table = pyarrow.parquet.read_table(whole, columns=["timestamp_ns"])
    assert table.num_rows % SERIES == 0
    # The converter says it by its exit code, too.
    result = rezolus("recording", "convert", log, tmp_path / "again.parquet", timeout=300)
    assert result.returncode == 3
    assert f"{folded} are summed" in result.stderr
    # recover does not call a log superfluous that alone has every series.
    result = rezolus("recording", "recover", log, "--output", tmp_path / "third.parquet",
                     timeout=300)
    assert result.returncode == 3
    assert f"{log} is kept" in result.stdout
