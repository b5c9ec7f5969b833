# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Peers that are too large for `make check`: Spark in local mode, a Prometheus 3, an
OpenTelemetry Collector."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("REZOLUS_BUILD_DIR", ROOT / "build" / "dev"))
BUILD = BUILD if BUILD.is_absolute() else ROOT / BUILD
sys.path.insert(0, str(ROOT / ".deps" / "spark"))


@pytest.fixture(scope="session")
def spark():
    from pyspark.sql import SparkSession

    session = (SparkSession.builder.master("local[2]").appName("rezolus")
               .config("spark.driver.memory", "1g").config("spark.ui.enabled", "false")
               .config("spark.driver.bindAddress", "127.0.0.1")
               .config("spark.driver.host", "127.0.0.1")
               .config("spark.sql.shuffle.partitions", "4")
               .config("spark.sql.session.timeZone", "UTC").getOrCreate())
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def synthesize(log, *arguments):
    return subprocess.run([BUILD / "rezolus-synthesize", log, *map(str, arguments)], check=True,
                          text=True, capture_output=True).stdout


def convert(log, output, layout):
    subprocess.run([BUILD / "rezolus-recording", "convert", log, output, "--layout", layout],
                   check=True, capture_output=True)
