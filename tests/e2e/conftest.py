# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The processes together, with real clients. Needs root; REZOLUS_BUILD_DIR names the build folder."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("REZOLUS_BUILD_DIR", ROOT / "build" / "dev"))
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD
REZOLUS = BUILD / "rezolus"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tool(name):
    """A program that the set-up installs or unpacks; the test is skipped where it is missing."""
    found = shutil.which(name) or shutil.which(name, path=ROOT / ".deps/tools/usr/bin")
    if found is None:
        pytest.skip(f"{name} is not installed; scripts/setup fetches it")
    return found


def rezolus(*arguments, timeout=30, **options):
    """Runs a command to its end; output and exit code are in the result."""
    return subprocess.run([REZOLUS, *map(str, arguments)], text=True, capture_output=True,
                          timeout=timeout, check=False, **options)


# Before a command: it has its CPU when it wants it, whatever else this host does. What is tested then
# is the program and not the scheduler.
REALTIME = ["chrt", "--rr", "10"]


def need_realtime():
    if subprocess.run([*REALTIME, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("the real-time class is refused here (chrt --rr)")


class Process:
    """A command that runs beside the test; ended when the test is over."""

    def __init__(self, *arguments, through=(), **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        self.popen = subprocess.Popen([*through, REZOLUS, *map(str, arguments)], text=True,
                                      **options)

    def finish(self, timeout=30):
        out, err = self.popen.communicate(timeout=timeout)
        return subprocess.CompletedProcess(self.popen.args, self.popen.returncode, out, err)

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        if self.popen.poll() is None:
            self.popen.kill()
        with contextlib.suppress(ValueError):
            self.popen.communicate()


def wait_for(condition, what, timeout=15):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    pytest.fail(f"waited {timeout} s for {what}")


class Agent:
    def __init__(self, folder, instance, port=None, through=(), settings=""):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = folder / f"agent-{instance}.toml"
        self.config.write_text(
            f'[general]\nlisten = "127.0.0.1:{self.port}"\ninstance = "{instance}"\n{settings}')
        self.process = Process(self.config, through=through)
        wait_for(self.answers, "the agent to answer")

    def answers(self):
        if self.process.popen.poll() is not None:
            pytest.fail("the agent ended: " + self.process.finish().stderr)
        try:
            return self.get("/readyz") is not None
        except OSError:
            return False

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return answer.read()

    def json(self, path):
        return json.loads(self.get(path))

    def stop(self):
        self.process.signal(signal.SIGTERM)
        return self.process.finish()


@pytest.fixture(scope="session", autouse=True)
def preconditions():
    if os.geteuid() != 0:
        pytest.skip("e2e tests load BPF programs and need root")
    assert REZOLUS.exists(), f"{REZOLUS} is missing: build it, or set REZOLUS_BUILD_DIR"


@pytest.fixture(scope="session")
def agent(tmp_path_factory):
    """One agent that most tests share."""
    shared = Agent(tmp_path_factory.mktemp("agent"), f"e2e-{os.getpid()}")
    yield shared
    shared.process.kill()


@pytest.fixture
def start(request):
    """start("record", …): a command in the background."""
    def begin(*arguments, **options):
        process = Process(*arguments, **options)
        request.addfinalizer(process.kill)
        return process
    return begin


@pytest.fixture
def own_agent(tmp_path, request):
    """own_agent(): an agent that the test may end; settings are further lines of its file."""
    def begin(port=None, **options):
        made = Agent(tmp_path, f"e2e-own-{os.getpid()}", port, **options)
        request.addfinalizer(made.process.kill)
        return made
    return begin
