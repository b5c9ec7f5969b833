# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`rezolus record -- COMMAND` at a terminal: the command reads from it, and Ctrl-C is the command's."""

import os
import pathlib
import shlex
import signal
import time

import pyarrow.parquet
import pytest

from conftest import REZOLUS, wait_for
from terminal import terminal  # noqa: F401


def record(agent, output, command):
    return shlex.join([str(REZOLUS), "record", "-i", "50ms", agent.url, str(output), "--",
                       "sh", "-c", command])


def rows(path):
    return pyarrow.parquet.read_metadata(path).num_rows


def test_the_command_reads_and_ctrl_c_ends_it(tmp_path, agent, terminal):
    output = tmp_path / "run.parquet"
    at = terminal(record(agent, output, "read line; echo got $line; sleep 60; echo too late")
                  + "; echo code $?; read line; echo after $line")
    time.sleep(0.5)
    at.type("a word\n")
    at.expect("got a word")
    time.sleep(0.5)  # dash loses an interrupt between two commands
    at.type("\x03")
    at.expect("code 130")
    assert "too late" not in at.text
    assert rows(output) >= 5
    # The terminal is the shell's again.
    at.type("all\n")
    at.expect("after all")


def test_a_command_that_handles_ctrl_c_goes_on(tmp_path, agent, terminal):
    output = tmp_path / "run.parquet"
    at = terminal(record(agent, output, "trap 'echo caught' INT; echo ready; sleep 60; echo on; "
                                        "sleep 0.3; exit 7") + "; echo code $?")
    at.expect("ready\r\n")
    time.sleep(0.5)
    at.type("\x03")
    at.expect("caught")
    at.expect("on")
    at.expect("code 7")
    assert rows(output) >= 5


def test_the_terminal_is_back_when_the_command_cannot_start(tmp_path, agent, terminal):
    at = terminal(shlex.join([str(REZOLUS), "record", agent.url, str(tmp_path / "run.parquet"), "--",
                              "no-such-program"]) + "; echo code $?; read line; echo after $line")
    at.expect("code 127")
    at.type("all\n")
    at.expect("after all")


def test_ctrl_z_stops_both_until_they_are_continued(tmp_path, agent, terminal):
    output = tmp_path / "run.parquet"
    at = terminal(record(agent, output, "echo ready; read line; echo got $line")
                  + "; echo stopped $?; sleep 0.5; fg; echo code $?", ("bash", "-mc"))
    at.expect("ready\r\n")
    time.sleep(0.5)
    at.type("\x1a")
    at.expect("stopped")
    time.sleep(1)
    at.type("a word\n")
    at.expect("got a word")
    at.expect("code 0")
    assert rows(output) >= 5


@pytest.mark.parametrize("shell_says", ["exec ", "trap '' HUP; exec ", ""])
def test_a_terminal_that_is_closed_is_no_loss(tmp_path, agent, terminal, shell_says):
    """With the signal of it, which finishes the recording; without; and with a second one, as from an
    interactive shell and from the kernel."""
    output = tmp_path / "run.parquet"
    log = tmp_path / "run.parquet.rezlog"
    pid = tmp_path / "pid"
    at = terminal(f"echo $$ > {pid}; " + shell_says
                  + shlex.join([str(REZOLUS), "record", "-i", "50ms", "-d", "3s", agent.url,
                                str(output)]))
    wait_for(lambda: log.exists() and log.stat().st_size > 40_000, "samples in the log")
    at.expect("samples")  # the line of progress
    if not shell_says:
        children = f"/proc/{pid.read_text().strip()}/task/{pid.read_text().strip()}/children"
        child = int(pathlib.Path(children).read_text().split()[0])
        os.kill(child, signal.SIGHUP)
    at.hang_up()
    wait_for(lambda: list(tmp_path.glob("run*")) == [output], "the recording alone", timeout=30)
    assert rows(output) >= (30 if "trap" in shell_says else 1)
