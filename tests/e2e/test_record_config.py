# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`rezolus record FILE.toml` and `rezolus check` of such a file."""

import pyarrow.parquet
import pytest

from conftest import rezolus


def test_a_file_says_it_all(tmp_path, agent):
    output = tmp_path / "run.parquet"
    config = tmp_path / "run.toml"
    config.write_text(f"""
[record]
interval = "50ms"
duration = "400ms"
url = "{agent.url}"
output = "{output}"
samplers = ["cpu_usage"]
[record.labels]
build = "7"
[record.metadata]
purpose = "file"
""")
    assert rezolus("check", config).stdout == f"{config}: ok\n"
    result = rezolus("record", config, "-m", "by=hand")
    assert result.returncode == 0, result.stderr
    metadata = pyarrow.parquet.read_metadata(output).metadata
    assert (metadata[b"purpose"], metadata[b"by"]) == (b"file", b"hand")
    assert metadata[b"sampling_interval_ms"] == b"50"
    builds = {(field.metadata or {}).get(b"build") for field in pyarrow.parquet.read_schema(output)
              if (field.metadata or {}).get(b"metric") == b"cpu_usage"}
    assert builds == {b"7"}

    other = tmp_path / "other.parquet"
    result = rezolus("record", "--config", config, "-i", "100ms", "-o", other)
    assert result.returncode == 0, result.stderr
    assert pyarrow.parquet.read_metadata(other).metadata[b"sampling_interval_ms"] == b"100"


@pytest.mark.parametrize("text, message", [
    ('[record]\nintervall = "1s"\n', "did you mean 'record.interval'?"),
    ('[record]\ninterval = "1us"\n', "the shortest is 1ms"),
    ('[record]\nsamplers = ["cpu_usag"]\n', "did you mean 'cpu_usage'?"),
    ('[[endpoints]]\nurl = "localhost:1"\nprotocol = "x"\n', "is not known; it is rezolus"),
])
def test_check_and_record_find_the_same(tmp_path, text, message):
    config = tmp_path / "run.toml"
    config.write_text(text)
    for command in ("check", "record"):
        result = rezolus(command, config)
        assert result.returncode == 2
        assert message in result.stderr
