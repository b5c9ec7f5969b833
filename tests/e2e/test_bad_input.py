# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Bad input: a sentence that says what to do, and the right exit code."""

import os

import pytest

from conftest import free_port, rezolus

WRONG_COMMAND_LINES = [
    (["record", "--no-such-flag"], 2, "--help"),
    (["top", "--no-such-flag"], 2, "--help"),
    (["status", "--no-such-flag"], 2, "--help"),
    (["--no-such-flag"], 2, "--help"),
    (["recrod"], 2, "did you mean 'record'"),
    (["record", "--interval", "10us"], 2, "shortest is 1ms"),
    (["record", "--interval", "1900us"], 2, "not a whole number of milliseconds"),
    (["flight-recorder", "--interval", "1.5ms", "x.parquet"], 2, "not a whole number of milliseconds"),
    (["record", "--interval", "5"], 2, "not a duration"),
    (["record", "--duration", "soon"], 2, "not a duration"),
    (["record", "--url", "ftp://host"], 2, "write http://HOST:PORT"),
    (["record", "http://"], 2, "not an address"),
    (["record", "settings.toml"], 2, "cannot read the configuration"),
    (["record", "one.parquet", "two.parquet"], 2, "already given"),
    (["record", "http://127.0.0.1:1", "one.parquet", "true"], 2, "a command stands behind --"),
    (["record", "--node", "n1", "http://127.0.0.1:1", "one.parquet"], 2, "no option --node"),
    (["record", "--outptu=x", "one.parquet"], 2, "no option --outptu; did you mean --output?"),
    (["status", "--jsno"], 2, "no option --jsno; did you mean --json?"),
    (["status", "--", "http://127.0.0.1:1"], 1, "cannot reach http://127.0.0.1:1"),
    (["status", "localhost", "http://me:secret@host"], 2, "the last URL is more than it takes"),
    (["recording", "-i", "1s", "convert", "a", "b"], 2, "-i stands behind convert"),
    (["status", "localhost", "elsewhere"], 2, "'elsewhere' is more than it takes"),
    (["recording", "sumary", "x.parquet"], 2, "no command 'sumary'; did you mean 'summary'?"),
    (["recording", "info", "--jsn", "x.parquet"], 2, "no option --jsn; did you mean --json?"),
    (["record", "-m", "novalue"], 2, "key=value"),
    (["record", "-m", "ARROW:schema=x"], 2, "that the recording itself has"),
    (["recording", "convert", "-m", "parquet_part=2", "a", "b"], 2, "that the recording itself has"),
    (["record", "-f", "csv"], 2, "parquet, log or raw"),
    (["record", "-o", "/nonexistent/folder/run.parquet"], 1, "/nonexistent/folder/run.parquet"),
    (["record", "-o", "/tmp"], 1, "is a directory"),
    (["status", "--username", "me", "http://user:secret@host"], 2, "'http://host': its name"),
    (["status", "http://user:secret@127.0.0.1:1"], 1, "cannot reach http://127.0.0.1:1"),
    (["top", "--interval", "1ms"], 2, "shortest is"),
    (["/nonexistent/agent.toml"], 2, "/nonexistent/agent.toml"),
]


@pytest.mark.parametrize("arguments,code,sentence", WRONG_COMMAND_LINES,
                         ids=[" ".join(line[0]) for line in WRONG_COMMAND_LINES])
def test_command_line(arguments, code, sentence, tmp_path):
    result = rezolus(*arguments, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    assert "secret" not in result.stdout + result.stderr
    assert sentence in result.stderr
    assert list(tmp_path.iterdir()) == []  # nothing is left behind


WRONG_CONFIGURATIONS = [
    ("[general\n", "line 1"),
    ("[general]\n\nlisten = 7\n", "line 3"),
    ('[general]\nlissen = "127.0.0.1:1"\n', "listen"),
    ("[samplers.no_such_sampler]\nenabled = true\n", "no_such_sampler"),
]


@pytest.mark.parametrize("text,sentence", WRONG_CONFIGURATIONS)
def test_configuration(text, sentence, tmp_path):
    path = tmp_path / "agent.toml"
    path.write_text(text)
    result = rezolus(path)
    assert result.returncode == 2
    assert str(path) in result.stderr
    assert sentence.replace("line ", ":") in result.stderr or sentence in result.stderr


def test_no_agent_at_the_url(tmp_path):
    result = rezolus("record", "-d", "1s", f"http://127.0.0.1:{free_port()}", cwd=tmp_path)
    assert result.returncode == 1
    assert "is the agent running?" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_answers_is_no_agent(agent, tmp_path):
    result = rezolus("record", "-d", "1s", agent.url + "/status", cwd=tmp_path)
    assert result.returncode == 1
    assert "neither an agent's snapshot nor a Prometheus page" in result.stderr


def test_output_that_is_no_regular_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    result = rezolus("record", "-d", "1s", "-o", pipe, cwd=tmp_path)
    assert result.returncode == 1
    assert "not a regular file" in result.stderr
    assert pipe.is_fifo()  # a finished recording would have replaced it
