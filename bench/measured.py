# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What the benchmarks of the recorder and of the flight recorder share: processes that are watched, an
agent, and how figures are printed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Watched:
    """A process whose CPU time and resident memory are sampled by a thread."""

    def __init__(self, command, period_s=0.5, **options):
        self.process = subprocess.Popen([str(part) for part in command], **options)
        self.rss = []      # bytes
        self.cpu_s = 0.0
        self.peak = 0      # VmHWM
        self.children_peak = 0
        self.period_s = period_s
        self.started = time.monotonic()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while self.process.poll() is None:
            self.look()
            time.sleep(self.period_s)

    def look(self):
        folder = Path(f"/proc/{self.process.pid}")
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            self.cpu_s = (int(fields[11]) + int(fields[12])) / CLOCK_TICKS
            status = (folder / "status").read_text()
            rss, peak = kib(status, "VmRSS"), kib(status, "VmHWM")
            if rss:
                self.rss.append(rss)
                self.peak = max(self.peak, peak)
            for children in folder.glob("task/*/children"):  # each thread has its own
                for child in children.read_text().split():
                    text = Path(f"/proc/{child}/status").read_text()
                    self.children_peak = max(self.children_peak, kib(text, "VmHWM"))
        except (OSError, IndexError):
            pass  # it has ended

    def cpu_share(self):
        return self.cpu_s / max(0.001, time.monotonic() - self.started)

    def wait(self, timeout_s):
        code = self.process.wait(timeout_s)
        self.thread.join()
        return code

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)


def kib(status, key):
    for line in status.splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) << 10
    return 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def agent(options, folder):
    url = f"http://127.0.0.1:{free_port()}"
    config = folder / "agent.toml"
    config.write_text(f'[general]\nlisten = ["{url[7:]}"]\ninstance = "bench-{os.getpid()}"\n'
                      '[logging]\nlevel = "warn"\n')
    watched = Watched([options.build / "rezolus", "agent", config], options.period_s)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(url + "/status", timeout=5).read()
                break
            if watched.process.poll() is not None:
                sys.exit("the agent ended; see above")
            time.sleep(0.1)
        yield watched, url
    finally:
        watched.stop()


def quantile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0


def milliseconds(ns):
    return f"{ns / 1e6:.2f} ms"


def mib(size):
    return f"{size / (1 << 20):.1f} MiB"


def target(what, measured, limit, met):
    verdict = "met" if met else "MISSED"
    print(f"  {what:40} {measured:>14}   target {limit:12} {verdict}", flush=True)


def load():
    return os.getloadavg()[0] / os.cpu_count()
