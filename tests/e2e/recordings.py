# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Recordings for tests of the tools that read them: upstream's, and one of ours."""

import os
import pathlib

import pyarrow.parquet
import pytest

from conftest import BUILD, ROOT, rezolus

UPSTREAM = pathlib.Path(os.environ.get("REZOLUS_UPSTREAM_RECORDINGS",
                                       ROOT.parent / "shared" / "testdata" / "upstream"))
NAMES = ["demo", "AB_base", "vllm", "simple_capture"]


@pytest.fixture(scope="module")
def companion():
    """The tools are in a program of their own."""
    if not (BUILD / "rezolus-recording").exists():
        pytest.skip("rezolus-recording is not built: there is no Arrow")


@pytest.fixture(scope="module", params=NAMES)
def upstream(request):
    """Upstream's recordings, each with its table."""
    path = UPSTREAM / f"{request.param}.parquet"
    if not path.exists():
        pytest.skip(f"{path} is not here; REZOLUS_UPSTREAM_RECORDINGS names its folder")
    return path, pyarrow.parquet.read_table(path)


@pytest.fixture(scope="module")
def ours(agent, tmp_path_factory):
    """A recording of four seconds: its path, and its table."""
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
