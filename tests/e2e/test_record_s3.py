# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`rezolus record -o s3://…` to a real S3 server, moto's, and what it says when that does not work."""

import os
import re
import subprocess
import sys
import pathlib
import urllib.error
import urllib.request

import pyarrow.fs
import pyarrow.parquet
import pytest

from conftest import BUILD, free_port, rezolus, wait_for

FAST = ("-i", "50ms", "-d", "400ms", "--metrics", "syscall*")
ACCOUNT = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
           "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}


class Store:
    def __init__(self, **environment):
        self.where = f"127.0.0.1:{free_port()}"
        self.popen = subprocess.Popen(
            [pathlib.Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1",
             "-p", self.where.rpartition(":")[2]],
            env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.answers, "the S3 server", timeout=60)

    def answers(self):
        try:
            urllib.request.urlopen(f"http://{self.where}/moto-api/", timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def create(self, bucket):
        request = urllib.request.Request(f"http://{self.where}/{bucket}", method="PUT")
        urllib.request.urlopen(request, timeout=10).close()

    def url(self, key):
        return f"s3://{key}?scheme=http&endpoint_override={self.where}"

    def files(self):
        return pyarrow.fs.S3FileSystem(access_key="testing", secret_key="testing", scheme="http",
                                       endpoint_override=self.where, region="us-east-1")

    def read(self, key):
        return pyarrow.parquet.read_table(key, filesystem=self.files())

    def stop(self):
        self.popen.kill()
        self.popen.wait()


@pytest.fixture
def begin_store(request):
    def begin(**environment):
        made = Store(**environment)
        request.addfinalizer(made.stop)
        return made
    return begin


@pytest.fixture(scope="module")
def store():
    made = Store()
    yield made
    made.stop()


def record(agent, spool, url, *arguments):
    return rezolus("record", *FAST, *arguments, "--spool", spool, agent.url, "-o", url, timeout=120,
                   env=os.environ | ACCOUNT)


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_what_was_recorded_is_in_the_bucket(tmp_path, agent, store, layout):
    store.create("runs")
    key = f"runs/date=2026-11-26/host=a/{layout}.parquet"
    result = record(agent, tmp_path, store.url(key), "--layout", layout)
    assert result.returncode == 0, result.stderr
    table = store.read(key)
    ticks = int(re.search(r": (\d+) rows", result.stdout)[1])
    assert ticks >= 5
    times = table["timestamp"].to_pylist()
    assert len(set(times)) == ticks
    assert len(times) == ticks if layout == "wide" else len(times) > ticks
    assert not list(tmp_path.iterdir()), "the spool is empty again"


def test_no_such_bucket(tmp_path, agent, store):
    url = store.url("later/run.parquet")
    result = record(agent, tmp_path, url)
    assert result.returncode == 1
    assert "NO_SUCH_BUCKET" in result.stderr
    assert "The specified bucket does not exist" in result.stderr
    log = tmp_path / "s3_later_run.parquet.rezlog"
    assert list(tmp_path.iterdir()) == [log], "what was recorded stays, under a plain name"
    # The command that it names does the rest, as typed into a shell.
    store.create("later")
    command = result.stderr.partition("to convert it: ")[2].strip()
    subprocess.run(["sh", "-c", command], check=True, timeout=60,
                   env=os.environ | ACCOUNT | {"PATH": f"{BUILD}:{os.environ['PATH']}"})
    assert store.read("later/run.parquet").num_rows >= 5


def test_credentials_that_are_refused(tmp_path, agent, begin_store):
    strict = begin_store(INITIAL_NO_AUTH_ACTION_COUNT="1")
    strict.create("runs")
    result = record(agent, tmp_path, strict.url("runs/run.parquet"))
    assert result.returncode == 1
    assert "INVALID_ACCESS_KEY_ID" in result.stderr, result.stderr
    assert (tmp_path / "s3_runs_run.parquet.rezlog").stat().st_size > 0


def test_no_message_has_the_secret(tmp_path, agent, store):
    url = store.url("nowhere/run.parquet").replace("s3://", "s3://testing:geheim@")
    result = record(agent, tmp_path, url)
    assert result.returncode == 1
    assert "geheim" not in result.stdout + result.stderr
    assert "NO_SUCH_BUCKET" in result.stderr
    assert "(and put the URL's credentials back)" in result.stderr


def test_a_server_that_is_down(tmp_path, agent, begin_store):
    gone = begin_store()
    gone.create("runs")
    gone.stop()
    result = record(agent, tmp_path, gone.url("runs/run.parquet"))
    assert result.returncode == 1
    assert "Could not connect to server" in result.stderr, result.stderr
    assert f"What was recorded is in {tmp_path}/s3_runs_run.parquet.rezlog" in result.stderr


def test_a_large_file_is_not_in_memory(tmp_path, store):
    """The store takes it more slowly than the disk gives it."""
    store.create("large")
    file = tmp_path / "large.parquet"
    with open(file, "wb") as out:
        out.truncate(256 << 20)
    sent = subprocess.run(
        ["prlimit", f"--data={160 << 20}", BUILD / "rezolus-recording", "upload", file,
         store.url("large/large.parquet")], capture_output=True, text=True, check=False, timeout=120,
        env=os.environ | ACCOUNT | {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"})
    assert sent.returncode == 0, sent.stderr


def test_a_shorter_recording_over_a_longer_one(tmp_path, store):
    """Parts that the longer one left would be read with the shorter one."""
    store.create("again")
    files = [tmp_path / name for name in ("run.parquet", "run.part2.parquet", "run.part3.parquet")]

    def upload():
        subprocess.run([BUILD / "rezolus-recording", "upload", files[0],
                        store.url("again/hosts/run.parquet")], check=True, timeout=120,
                       env=os.environ | ACCOUNT, stdout=subprocess.DEVNULL)
        found = store.files().get_file_info(pyarrow.fs.FileSelector("again", recursive=True))
        return sorted(file.base_name for file in found if file.is_file)

    for file in files:
        file.write_bytes(file.name.encode() * 100)
    assert upload() == ["run.parquet", "run.part2.parquet", "run.part3.parquet"]
    files[1].unlink()
    files[2].unlink()
    assert upload() == ["run.parquet"]


def test_parts_without_the_first_do_not_stay(tmp_path, store):
    store.create("torn")
    for name in ("run.parquet", "run.part2.parquet"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "run.part3.parquet").symlink_to("gone")
    sent = subprocess.run([BUILD / "rezolus-recording", "upload", tmp_path / "run.parquet",
                           store.url("torn/run.parquet")], check=False, timeout=120,
                          env=os.environ | ACCOUNT, capture_output=True, text=True)
    assert sent.returncode == 1
    assert "run.part3.parquet" in sent.stderr
    assert not store.files().get_file_info(pyarrow.fs.FileSelector("torn", recursive=True))


def test_no_secret_is_in_a_file_name(tmp_path, agent, begin_store):
    gone = begin_store()
    gone.stop()
    url = gone.url("KEY:SECRET@runs/run.parquet")
    result = record(agent, tmp_path, url)
    assert result.returncode == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["s3_runs_run.parquet.rezlog"]
