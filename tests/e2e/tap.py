# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Stands between a recorder and its agent, and keeps what was sent to the recorder.

usage: tap.py PORT-OF-THE-AGENT

Prints its own port. Then it takes commands on stdin, one a line, and answers each with a line:
kill PID (and waits until it is dead), forget (what was sent until now), sent (a JSON list with the
bytes of each connection in base64)."""

import base64
import json
import os
import select
import signal
import socket
import sys


class Connections:
    def __init__(self, agent):
        self.agent = agent
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.other = {}  # the other end of each end
        self.kept = {}   # what came from an agent's end
        self.sent = []

    def accept(self):
        recorder, _ = self.listener.accept()
        agent = socket.create_connection(("127.0.0.1", self.agent))
        for end in (recorder, agent):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.other[recorder], self.other[agent] = agent, recorder
        self.kept[agent] = bytearray()
        self.sent.append(self.kept[agent])

    def forward(self, source):
        target = self.other.get(source)
        if target is None:
            return  # closed a moment ago
        try:
            data = source.recv(1 << 20)
            target.sendall(data)
        except OSError:
            data = b""
        if data and source in self.kept:
            self.kept[source] += data
        if not data:
            for end in (source, target):
                self.other.pop(end, None)
                self.kept.pop(end, None)
                end.close()


def kill(pid):
    """Nothing is forwarded until it is dead: what it is sent while it dies is not its loss."""
    process = os.pidfd_open(pid)
    signal.pidfd_send_signal(process, signal.SIGKILL)
    select.select([process], [], [])
    os.close(process)


def main():
    connections = Connections(int(sys.argv[1]))
    print(connections.listener.getsockname()[1], flush=True)
    while True:
        sources = [sys.stdin, connections.listener, *connections.other]
        for source in select.select(sources, [], [])[0]:
            if source is connections.listener:
                connections.accept()
            elif source is not sys.stdin:
                connections.forward(source)
        if sys.stdin not in select.select([sys.stdin], [], [], 0)[0]:
            continue
        command = sys.stdin.readline().split()
        if not command:
            return
        said = "done"
        if command[0] == "kill":
            kill(int(command[1]))
        elif command[0] == "forget":
            del connections.sent[:]
        else:
            said = json.dumps([base64.b64encode(kept).decode() for kept in connections.sent])
        print(said, flush=True)


if __name__ == "__main__":
    main()
