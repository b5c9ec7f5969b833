# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Our own commands with an agent that wants TLS, a certificate and a password."""

import json
import os
import time
import urllib.parse
import urllib.request

import pyarrow.parquet
import pytest

from certificates import MUTUAL, PASSWORD, USERS, Authority
from conftest import Process, free_port, rezolus, tool, wait_for


class GuardedAgent:
    def __init__(self, folder):
        self.authority = Authority(folder / "web", tool)
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.password = folder / "password"
        self.password.write_text(PASSWORD + "\n")
        config = folder / "agent.toml"
        config.write_text(f'[general]\nlisten = "127.0.0.1:{self.port}"\n'
                          f'instance = "guarded-{os.getpid()}"\n'
                          f'[web]\nconfig_file = "{self.authority.web(MUTUAL + USERS)}"\n'
                          'stream_loopback_cpu_percent_max = 1\n')
        self.process = Process(config, stderr=(folder / "stderr").open("w"))
        files = self.authority.folder
        self.keys = {"ca_file": self.authority.ca, "cert_file": files / "client.pem",
                     "key_file": files / "client.key", "username": "alice",
                     "password_file": self.password}

    @property
    def options(self):
        return [text for key, value in self.keys.items()
                for text in (f"--{key.replace('_', '-')}", value)]

    @property
    def toml(self):
        return "".join(f'{key} = "{value}"\n' for key, value in self.keys.items())


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    agent = GuardedAgent(tmp_path_factory.mktemp("guarded"))
    wait_for(lambda: "agent" in rezolus("status", *agent.options, agent.url).stdout,
             "the agent to answer", timeout=40)
    yield agent
    agent.process.kill()


def test_status_and_top(guarded):
    page = json.loads(rezolus("status", "--json", *guarded.options, guarded.url).stdout)
    assert page["listen"] == [f"127.0.0.1:{guarded.port}"]
    # https by itself, where files for TLS are named.
    bare = rezolus("status", "--json", *guarded.options, f"localhost:{guarded.port}")
    assert json.loads(bare.stdout)["version"] == page["version"]
    table = rezolus("top", "-n", 1, "-i", "200ms", *guarded.options, guarded.url)
    assert table.returncode == 0, table.stderr
    assert f"at {guarded.url}" in table.stdout
    secret = urllib.parse.quote(PASSWORD)
    files = [text for text in guarded.options if "password" not in str(text)]
    files = files[:files.index("--username")]
    named = rezolus("status", *files, f"https://alice:{secret}@localhost:{guarded.port}")
    assert f"at {guarded.url}," in named.stdout, named.stderr
    wrong = rezolus("status", *files, f"https://alice:wrong-one@localhost:{guarded.port}")
    assert wrong.returncode == 1
    assert "does not take these credentials (401)" in wrong.stderr
    assert "wrong-one" not in wrong.stderr + wrong.stdout
    nothing = rezolus("status", "--ca-file", guarded.authority.ca, guarded.url)
    assert nothing.returncode == 1 and "certificate" in nothing.stderr
    stranger = rezolus("status", guarded.url)
    assert "its certificate is not trusted" in stranger.stderr
    assert rezolus("status", "--cert-file", "x", guarded.url).returncode == 2


def rows(path):
    return pyarrow.parquet.read_table(path).num_rows


def test_record(guarded, tmp_path):
    output = tmp_path / "a.parquet"
    result = rezolus("record", "-i", "20ms", "-d", "2s", *guarded.options, guarded.url, output,
                     timeout=60)
    assert result.returncode == 0, result.stderr
    assert rows(output) > 50
    # As a file says, and in the options of an endpoint.
    config = tmp_path / "record.toml"
    config.write_text(f'[record]\nurl = "{guarded.url}"\ninterval = "100ms"\nduration = "1s"\n'
                      f'output = "{tmp_path}/b.parquet"\n{guarded.toml}')
    assert rezolus("check", config).returncode == 0
    result = rezolus("record", config, timeout=60)
    assert result.returncode == 0, result.stderr
    assert rows(tmp_path / "b.parquet") >= 5
    config.write_text(f'[record]\ninterval = "100ms"\nduration = "1s"\n'
                      f'output = "{tmp_path}/c.parquet"\n'
                      f'[[endpoints]]\nurl = "{guarded.url}"\nsource = "guarded"\n{guarded.toml}')
    result = rezolus("record", config, timeout=60)
    assert result.returncode == 0, result.stderr
    assert rows(tmp_path / "c.parquet") >= 5
    result = rezolus("record", "-d", "1s", "--endpoint", guarded.url, *guarded.options)
    assert result.returncode == 2 and "stand behind each URL" in result.stderr


def test_who_is_known_listens_without_a_limit(guarded, tmp_path):
    """At 1 % of a core nobody else gets a tick of 1 ms (test_stream.py)."""
    result = rezolus("record", "-i", "1ms", "-d", "5s", "-f", "log", *guarded.options, guarded.url,
                     tmp_path / "known.rezlog", timeout=60)
    assert result.returncode == 0, result.stderr
    assert "grants a tick" not in result.stderr


def test_the_exporter(guarded, start, tmp_path):
    port = free_port()
    config = tmp_path / "exporter.toml"
    config.write_text(f'[general]\nlisten = "127.0.0.1:{port}"\n[exporter]\ninterval = "200ms"\n'
                      f'source = "{guarded.url}"\n{guarded.toml}')
    assert rezolus("check", config).returncode == 0
    start("exporter", config)

    def page():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    up = f'rezolus_exporter_source_up{{source="{guarded.url}"}}'
    wait_for(lambda: f"{up} 1" in page(), "the source to be up")
    # The password is read with each request.
    guarded.password.write_text("another\n")
    wait_for(lambda: f"{up} 0" in page(), "the wrong password to be refused")
    guarded.password.write_text(PASSWORD + "\n")
    wait_for(lambda: f"{up} 1" in page(), "the right one")


def test_the_flight_recorder(guarded, start, tmp_path):
    output = tmp_path / "flight.parquet"
    config = tmp_path / "flight.toml"
    config.write_text(f'[flight_recorder]\nurl = "{guarded.url}"\noutput = "{output}"\n'
                      f'interval = "50ms"\n{guarded.toml}')
    assert rezolus("check", config).returncode == 0
    process = start("flight-recorder", config, stderr=(tmp_path / "stderr").open("w"))
    wait_for(lambda: rezolus("flight-recorder", "snapshot", config).returncode == 0,
             "a snapshot", timeout=40)
    time.sleep(1)
    assert rezolus("flight-recorder", "snapshot", config).returncode == 0
    assert rows(output) > 10
    assert process.popen.poll() is None
    said = (tmp_path / "stderr").read_text()
    assert PASSWORD not in said and guarded.url in said
