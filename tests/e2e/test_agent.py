# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The agent with the clients that people point at it: promtool, curl's ways, `status`, `top`."""

import json
import re
import signal
import subprocess
import time

import pytest

from conftest import Process, free_port, rezolus, tool


def test_promtool_finds_nothing(agent):
    promtool = tool("promtool")
    page = agent.get("/metrics")
    result = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True,
                            timeout=20, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert not result.stdout + result.stderr
    assert b"rezolus_" in page


def test_a_second_agent_names_the_first(agent):
    other = agent.config.with_name("second.toml")
    other.write_text(agent.config.read_text().replace(str(agent.port), str(free_port())))
    result = rezolus(other)
    assert result.returncode == 1
    assert str(agent.process.popen.pid) in result.stderr
    assert "another agent" in result.stderr


def test_port_in_use(agent, tmp_path):
    config = tmp_path / "port.toml"
    config.write_text(f'[general]\nlisten = "127.0.0.1:{agent.port}"\ninstance = "e2e-port"\n')
    result = rezolus(config)
    assert result.returncode == 1
    assert str(agent.port) in result.stderr
    assert re.search("in use", result.stderr, re.IGNORECASE)


def test_status(agent):
    result = rezolus("status", agent.url)
    samplers = agent.json("/samplers")
    unwell = [s for s in samplers if s["state"] == "failed"
              or s.get("health") in ("failed", "degraded")]
    assert result.returncode == (1 if unwell else 0), result.stdout + result.stderr
    for sampler in samplers:
        assert re.search(rf"^{sampler['name']} ", result.stdout, re.MULTILINE)
    assert re.search(r"handle_switch +\w+ sched_switch", result.stdout)
    assert re.search(r"map memory: [\d.]+ [KM]iB in \d+ maps", result.stdout)
    assert "memory: " in result.stdout

    as_json = rezolus("status", agent.url, "--json")
    assert {s["name"] for s in json.loads(as_json.stdout)["samplers"]} == {
        s["name"] for s in samplers}


def test_status_without_agent():
    result = rezolus("status", f"127.0.0.1:{free_port()}")
    assert result.returncode == 1
    assert "is the agent running?" in result.stderr


def test_top(agent):
    result = rezolus("top", agent.url, "--count", "2", "--interval", "500ms")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("rezolus top · the agent at " + agent.url) == 2
    assert len(re.findall(r"context switches +[\d,.]+ /s", result.stdout)) == 2
    assert "\033[" not in result.stdout  # no terminal: plain text


def test_top_ends_at_ctrl_c(agent, start):
    top = start("top", agent.url)
    time.sleep(0.5)
    top.signal(signal.SIGINT)
    assert top.finish(timeout=3).returncode == 0
