# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A program at a terminal of its own."""

import os
import pty
import select
import signal
import time

import pytest


class Terminal:
    """A shell script at a terminal of its own."""

    def __init__(self, script, shell=("sh", "-c")):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where the tests are a background job
            os.execvp(shell[0], [*shell, script])

    def expect(self, what, timeout=20):
        """Waits for a text, and forgets what came up to it."""
        deadline = time.monotonic() + timeout
        while what not in self.text:
            if not select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
                pytest.fail(f"no {what!r} in {self.text!r}")
            try:
                read = os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                pytest.fail(f"it ended without {what!r}: {self.text!r}")
            self.text += read
        self.text = self.text.partition(what)[2]

    def type(self, text):
        os.write(self.fd, text.encode())

    def hang_up(self):
        if self.fd is not None:
            os.close(self.fd)
        self.fd = None

    def close(self):
        self.hang_up()
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)


@pytest.fixture
def terminal(request):
    def begin(*arguments):
        made = Terminal(*arguments)
        request.addfinalizer(made.close)
        return made
    return begin
