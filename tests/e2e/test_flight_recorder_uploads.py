# SPDX-License-Identifier: Apache-2.0 OR MIT
"""OUTPUT in an object store: a snapshot is kept in the spool until it is there, across restarts."""

import json
import os
import re
import signal
import socket
import subprocess
import urllib.request

import pyarrow
import pyarrow.fs
import pyarrow.parquet
import pytest

from conftest import BUILD, free_port, rezolus, wait_for
from test_flight_recorder import Flight, times_of
from test_record_s3 import ACCOUNT, Store


class Uploader(Flight):
    def __init__(self, start, folder, url, target, **keys):
        self.port = free_port()
        super().__init__(start, folder, url, output=target, format="log", snapshot_on_exit=False,
                         listen=[f"127.0.0.1:{self.port}"], **keys)
        self.spool = self.buffer / "spool"

    def run(self, **options):
        process = super().run(**options)
        wait_for(self.answers, "the recorder to answer")
        return process

    def answers(self):
        try:
            return bool(self.status())
        except OSError:
            return False

    def status(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=5) as answer:
            return json.load(answer)

    def uploads(self, key):
        return self.status()["uploads"][key]

    def ask(self, *more):
        asked = rezolus("flight-recorder", "snapshot", self.config, *more, timeout=60)
        assert asked.returncode == 0, asked.stderr
        return asked.stdout.strip()


def converted(log):
    output = log.with_suffix(".check.parquet")
    subprocess.run([BUILD / "rezolus-recording", "convert", log, output], check=True,
                   stdout=subprocess.DEVNULL)
    return times_of(output)


def test_a_target_that_fails_at_first(start, tmp_path, agent):
    # A file where a folder is needed: no user, root included, can write below it.
    store = tmp_path / "store"
    store.write_text("not a folder")
    recorder = Uploader(start, tmp_path, agent.url,
                        f"file://{store}/{{host}}/{{date}}/{{time}}-{{reason}}.rezlog")
    recorder.run()
    recorder.wait_until_written()
    shown = recorder.ask("--reason", "../Slow Disk")
    assert shown.startswith(f"file://{store}/{socket.gethostname()}/")
    assert shown.endswith("Z-slow-disk.rezlog")
    wait_for(lambda: recorder.uploads("failed") >= 2, "attempts that fail")
    status = recorder.status()["uploads"]
    assert status["waiting"] == 1 and status["bytes"] > 0 and status["done"] == 0
    assert str(store) in status["problem"] and "Not a directory" in status["problem"]
    # Neither the recording nor further snapshots wait for it.
    recorder.wait_until_written()
    recorder.ask("--reason", "two")
    assert len(list(recorder.spool.iterdir())) == 4
    # As a crash leaves it.
    recorder.process.signal(signal.SIGKILL)
    recorder.process.finish()
    (recorder.spool / "20200101T000000Z.rezlog").write_text("its JSON is missing")
    recorder.run()
    wait_for(lambda: recorder.uploads("failed") >= 1, "the next life's attempts")
    assert recorder.uploads("waiting") == 2
    assert len(list(recorder.spool.iterdir())) == 4
    store.unlink()
    wait_for(lambda: recorder.uploads("waiting") == 0, "the uploads", timeout=30)
    assert recorder.uploads("done") == 2 and recorder.uploads("problem") == ""
    assert not list(recorder.spool.iterdir())
    assert recorder.stop().returncode == 0
    files = list(store.rglob("*.rezlog"))
    # The second of one second has a number: TIMEZ-2-two.
    reasons = {re.sub(r"^\w+Z-(\d+-)?", "", path.name) for path in files}
    assert len(files) == 2 and reasons == {"slow-disk.rezlog", "two.rezlog"}
    for path in files:
        assert path.parent.parent.name == socket.gethostname()
        why = json.loads(path.with_name(path.name + ".json").read_text())
        assert why["path"] == f"file://{path}" and why["bytes"] == path.stat().st_size
        assert converted(path)


def test_all_parts_of_a_snapshot(start, tmp_path, agent):
    """As a crash left it: complete, but not yet uploaded."""
    store = tmp_path / "store"
    recorder = Uploader(start, tmp_path, agent.url, f"file://{store}/{{time}}.parquet")
    recorder.spool.mkdir(parents=True)
    first, second = (recorder.spool / f"20251126T132000Z{part}.parquet" for part in ("", ".part2"))
    table = pyarrow.table({"timestamp": pyarrow.array([1, 2], pyarrow.uint64())})
    for path, notes in (first, {"parquet_next_part": "2"}), (second, {"parquet_part": "2"}):
        pyarrow.parquet.write_table(table.replace_schema_metadata(notes), path)
    first.with_name(first.name + ".json").write_text("{}")
    wanted = {path.name: path.read_bytes() for path in (first, second)}
    recorder.run()
    wait_for(lambda: recorder.uploads("done") == 1, "the upload", timeout=30)
    assert {path.name: path.read_bytes() for path in store.glob("*.parquet")} == wanted
    assert not list(recorder.spool.iterdir())
    assert recorder.stop().returncode == 0


def test_into_a_bucket_that_is_made_later(start, tmp_path, agent):
    store = Store()
    try:
        recorder = Uploader(start, tmp_path, agent.url,
                            store.url("incidents/{host}/{time}-{trigger}.rezlog"))
        recorder.run(env=os.environ | ACCOUNT)
        recorder.wait_until_written()
        shown = recorder.ask()
        assert shown.startswith("s3://incidents/") and "?" not in shown
        wait_for(lambda: recorder.uploads("failed") >= 1, "an attempt", timeout=30)
        assert "NO_SUCH_BUCKET" in recorder.uploads("problem")
        store.create("incidents")
        wait_for(lambda: recorder.uploads("done") == 1, "the upload", timeout=60)
        recorder.stop()
        files = pyarrow.fs.S3FileSystem(access_key="testing", secret_key="testing", scheme="http",
                                        endpoint_override=store.where, region="us-east-1")
        key = shown.removeprefix("s3://")
        local = tmp_path / "fetched.rezlog"
        with files.open_input_stream(key) as there:
            local.write_bytes(there.read())
        assert converted(local)
        with files.open_input_stream(key + ".json") as there:
            assert json.loads(there.read())["path"] == shown
    finally:
        store.stop()


def test_what_is_too_much_goes(start, tmp_path, agent):
    store = tmp_path / "store"
    store.write_text("not a folder")
    recorder = Uploader(start, tmp_path, agent.url, f"file://{store}/{{time}}.rezlog",
                        spool_max_count=2)
    recorder.run()
    recorder.wait_until_written()
    for _ in range(4):
        recorder.ask()
    wait_for(lambda: recorder.uploads("dropped") == 2, "the oldest two to go")
    assert recorder.uploads("waiting") == 2 and recorder.uploads("dropped_bytes") > 0
    store.unlink()
    wait_for(lambda: recorder.uploads("waiting") == 0, "the uploads", timeout=30)
    recorder.stop()
    # Within one second, and yet none replaced another.
    assert len(list(store.glob("*.rezlog"))) == 2


def test_the_last_snapshot_is_uploaded_before_the_end(start, tmp_path, agent):
    store = tmp_path / "store"
    recorder = Flight(start, tmp_path, agent.url, output=f"file://{store}/{{reason}}.parquet",
                      exec=["sh", "-c", f'cp "$0" {tmp_path}/hooked'])
    recorder.run()
    recorder.wait_until_written()
    ended = recorder.stop()
    assert ended.returncode == 0, ended.stderr
    assert times_of(store / "sigterm.parquet") == times_of(tmp_path / "hooked")
    assert json.loads((store / "sigterm.parquet.json").read_text())["reason"] == "sigterm"
    assert not list((recorder.buffer / "spool").iterdir())


@pytest.mark.parametrize("output,says", [("s3://b/{hots}", "{hots}"), ("s3://b", "no object"),
                                         ("https://b/x", "no object store")])
def test_an_output_that_cannot_be(tmp_path, output, says):
    refused = rezolus("flight-recorder", "--buffer", tmp_path / "b", "http://localhost:1", output)
    assert refused.returncode == 2 and says in refused.stderr
    assert not (tmp_path / "b").exists()


def test_a_url_does_not_name_a_recorder():
    asked = rezolus("flight-recorder", "snapshot", "s3://bucket/{time}.parquet")
    assert asked.returncode == 2 and "--socket" in asked.stderr


def test_by_hand(tmp_path):
    file = tmp_path / "a.parquet"
    file.write_text("content")
    (tmp_path / "a.parquet.json").write_text("{}")
    done = rezolus("recording", "upload", file, f"file://{tmp_path}/new/b.parquet")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new" / "b.parquet").read_text() == "content"
    assert (tmp_path / "new" / "b.parquet.json").read_text() == "{}"
    assert rezolus("recording", "upload", file, "nowhere").returncode == 2
    missing = rezolus("recording", "upload", tmp_path / "none", f"file://{tmp_path}/x")
    assert missing.returncode == 1 and "none" in missing.stderr
    assert not (tmp_path / "x").exists()
    secret = rezolus("recording", "upload", file, "s3://KEY:SECRET@b/k?no_such_option=1")
    assert secret.returncode == 1 and "SECRET" not in secret.stderr, secret.stderr
