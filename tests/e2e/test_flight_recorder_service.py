# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The flight recorder as a service of systemd: its unit, and a signal for all of its processes."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time

from conftest import REZOLUS, ROOT, free_port, tool, wait_for
from test_flight_recorder import Flight, flight, times_of  # noqa: F401 (a fixture)

UNIT = ROOT / "packaging" / "systemd" / "rezolus-flight-recorder.service"


def test_the_unit_is_right(tmp_path):
    # systemd looks for the program, which is not installed here.
    text = UNIT.read_text()
    assert "/usr/bin/rezolus" in text
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("/usr/bin/rezolus", str(REZOLUS)))
    verified = subprocess.run([tool("systemd-analyze"), "verify", "--man=no", unit],
                              capture_output=True, text=True, check=False)
    assert verified.returncode == 0 and UNIT.name not in verified.stderr, verified.stderr


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def test_a_signal_for_all_of_its_processes_is_one_snapshot(flight, tmp_path):  # noqa: F811
    note = tmp_path / "note"
    recorder = flight(keep=5, exec=["sh", "-c", f"sleep 0.5; echo done >> {note}"])
    process = recorder.run()
    recorder.wait_until_written()
    process.signal(signal.SIGHUP)
    wait_for(lambda: children(process.popen.pid), "the converter")
    # As `systemctl kill -s HUP` does, again and again while converter and hook run.
    reached = set()
    deadline = time.monotonic() + 120
    while len(recorder.files()) < 1 or not note.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
        for child in children(process.popen.pid):
            reached.add(child)
            os.kill(child, signal.SIGHUP)
        assert process.popen.poll() is None
    assert len(reached) >= 2, "the converter and the hook"
    assert times_of(recorder.files()[0])
    ended = recorder.stop()
    assert ended.returncode == 0 and "signal 1" not in ended.stderr, ended.stderr


def test_what_it_starts_has_none_of_its_sockets(flight, tmp_path):  # noqa: F811
    """Else a port, or the agent's listener, would be in use for as long as a child runs."""
    note = tmp_path / "note"
    port = free_port()
    recorder = flight(keep=5, listen=[f"127.0.0.1:{port}"],
                      exec=["sh", "-c", f"ls -l /proc/$$/fd >{note}"])
    process = recorder.run()
    recorder.wait_until_written()
    process.signal(signal.SIGUSR2)
    looked = 0
    while not note.exists():
        for child in children(process.popen.pid):
            with contextlib.suppress(OSError):
                folder = pathlib.Path(f"/proc/{child}")
                if not os.readlink(folder / "exe").endswith("rezolus-recording"):
                    continue  # between fork and exec, or the hook
                opened = [os.readlink(link) for link in (folder / "fd").iterdir()]
                looked += 1
                assert not [name for name in opened if name.startswith("socket:")], opened
        time.sleep(0.01)
    recorder.stop()
    assert looked > 0 and "/dev/null" in note.read_text()
    assert "socket:" not in note.read_text(), note.read_text()


def test_it_tells_systemd_when_it_is_ready_and_stops(start, tmp_path, agent):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(30)
        recorder = Flight(start, tmp_path, agent.url)
        recorder.run(env=os.environ | {"NOTIFY_SOCKET": path})
        assert manager.recv(100) == b"READY=1"
        recorder.stop()
        assert manager.recv(100) == b"STOPPING=1"
