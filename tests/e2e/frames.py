# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A second reader of frames and logs, from docs/formats alone: which tick has which time. And a tap
on a connection, which keeps what an agent sent."""

import base64
import http.client
import io
import json
import pathlib
import struct
import subprocess
import sys

TAP = pathlib.Path(__file__).with_name("tap.py")

MAGIC = b"\x89RZLOG\r\n"
METADATA, SCHEMA, KEY, DELTA, GAP, END = range(1, 7)


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC = _crc_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = _CRC[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def unzigzag(value):
    return (value >> 1) ^ -(value & 1)


def frames(data):
    """(type, payload) of each whole frame, segment headers passed over; then the bytes left at the
    end, which must be the beginning of a frame."""
    found, at = [], 0
    while at < len(data):
        rest = data[at:at + 32]
        if rest.startswith(MAGIC) and len(rest) == 32:
            assert struct.unpack("<I", rest[28:])[0] == crc32c(rest[:28])
            at += 32
            continue
        if len(rest) < 9:
            break
        size = struct.unpack_from("<I", data, at + 1)[0]
        end = at + 5 + size + 4
        if end > len(data):
            break
        assert crc32c(data[at:end - 4]) == struct.unpack_from("<I", data, end - 4)[0]
        found.append((data[at], data[at + 5:end - 4]))
        at = end
    return found, data[at:]


def ticks(found):
    """(number, realtime_ns) of each snapshot, and how many ticks gap frames say are missing."""
    times, realtime_ns, missed = [], 0, 0
    for kind, payload in found:
        if kind in (KEY, DELTA):
            number, at = varint(payload, 0)
            step, _ = varint(payload, at)
            realtime_ns = unzigzag(step) + (realtime_ns if kind == DELTA else 0)
            times.append((number, realtime_ns))
        elif kind == GAP:
            _, at = varint(payload, 0)
            missed += varint(payload, at)[0]
    return times, missed


class _Bytes(io.BytesIO):
    """As a socket for http.client, which closes what it reads after each answer."""

    def makefile(self, _mode):
        return self

    def close(self):
        pass


def answers(data):
    """The bodies of HTTP answers one behind the other; the last may be cut off."""
    stream, bodies = _Bytes(data), []
    while stream.tell() < len(data):
        answer = http.client.HTTPResponse(stream)
        try:
            answer.begin()
            bodies.append((answer.headers.get_content_type(), answer.read()))
        except http.client.IncompleteRead as cut:
            bodies.append((answer.headers.get_content_type(), cut.partial))
            break
        except (http.client.HTTPException, ValueError):
            break
    return bodies


class Tap:
    """tap.py between a recorder and its agent, a process of its own. through: a command before it."""

    def __init__(self, port, through=()):
        self._process = subprocess.Popen(
            [*through, sys.executable, TAP, str(port)], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def _ask(self, command):
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def kill(self, process):
        """Kills the recorder at a moment at which no bytes are under way through here."""
        self._ask(f"kill {process.popen.pid}")
        process.finish()

    def forget(self):
        self._ask("forget")

    def snapshot_times(self):
        """realtime_ns of each snapshot in the order in which they were sent, one connection behind
        the other. An agent that is asked too often answers twice with the same."""
        times = []
        for kept in json.loads(self._ask("sent")):
            for kind, body in answers(base64.b64decode(kept)):
                if kind == "application/vnd.rezolus.frame":
                    times += [time_ns for _, time_ns in ticks(frames(body)[0])[0]]
        return times

    def close(self):
        self._process.kill()
        self._process.communicate()
