# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Rules of the flight recorder: an expression comes true, and one snapshot has before and after."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet
import pytest

from conftest import ROOT, rezolus, wait_for
from recordings import UPSTREAM
from test_flight_recorder import times_of
from test_flight_recorder_http import door  # noqa: F401 (a fixture)

NS = 1_000_000_000
CPUS = os.cpu_count()
# Seconds that tasks wait for a CPU, per second: so many spinners make it fifteen times the CPUs.
SPINNERS = 16 * CPUS
THRESHOLD = 8 * CPUS
EXPRESSION = f"sum(rate(rezolus_scheduler_runqueue_wait_seconds_total[2s])) > {THRESHOLD}"


def write_rules(folder, text):
    """Where a configuration in this folder finds them."""
    path = folder / "flight-recorder.d" / "rules.toml"
    path.parent.mkdir()
    path.write_text(text)
    return path


@contextlib.contextmanager
def stress():
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
                for _ in range(SPINNERS)]
    try:
        yield
    finally:
        for process in spinners:
            process.kill()
        for process in spinners:
            process.wait()


def test_stress_starts_and_one_snapshot_has_before_and_after(door, tmp_path):  # noqa: F811
    note = tmp_path / "note"
    write_rules(tmp_path, f"""
[[rule]]
name = "cpu_wait"
expr = "{EXPRESSION}"
for = "1s"
pre = "5s"
post = "2s"
cooldown = "1h"
exec = ["sh", "-c", 'echo "$1" > {note}', "hook"]

[[rule]]
name = "never"
expr = "rezolus_cpu_cores > 1e9"
""")
    it = door(interval="100ms", rule_interval="500ms")

    def metric(name, rule="cpu_wait", **labels):
        wanted = ",".join(f'{key}="{value}"' for key, value in {**labels, "rule": rule}.items())
        return it.metric("rule_")[f"rezolus_flight_recorder_rule_{name}{{{wanted}}}"]
    time.sleep(4)
    assert not it.recorder.files() and metric("state") == 0
    began_ns = time.time_ns()
    with stress():
        wait_for(lambda: metric("state") == 2, "the rule to fire", timeout=30)
        fired_ns = time.time_ns()
    wait_for(it.recorder.files, "its snapshot", timeout=60)
    (made,) = it.recorder.files()
    assert "-cpu-wait" in made.name
    times = times_of(made)
    assert times[0] < began_ns - 2 * NS and times[-1] > fired_ns, "from before and after"
    why = json.loads(made.with_name(made.name + ".json").read_text())
    assert why["trigger"] == "rule" and why["reason"] == "cpu_wait"
    details = why["details"]
    assert details["rule"] == "cpu_wait" and details["expression"] == EXPRESSION
    assert details["for"] == "1s" and details["since"] < details["fired"]
    (value,) = details["values"]
    assert value["labels"] == {} and THRESHOLD < value["value"] < 4 * SPINNERS
    metadata = pyarrow.parquet.read_metadata(made).metadata
    assert metadata[b"snapshot_trigger"] == b"rule"
    assert json.loads(metadata[b"snapshot"])["details"] == details
    wait_for(note.exists, "the hook")
    wait_for(lambda: note.read_text() == f"{made}\n", "the path in it")
    # Again, within the cooldown.
    wait_for(lambda: metric("state") == 0, "calm")
    with stress():
        wait_for(lambda: metric("suppressed_total", by="cooldown") == 1, "it to fire again",
                 timeout=30)
        assert metric("firings_total") == 2
        time.sleep(2)
    assert it.recorder.files() == [made]
    totals = it.metric("rule_")
    assert totals["rezolus_flight_recorder_rule_evaluations_total"] > 20
    assert totals["rezolus_flight_recorder_rule_window_series"] > CPUS
    assert metric("firings_total", "never") == 0 and metric("errors_total", "never") == 0
    status = it.json("GET", "/status")[1]["rules"]
    assert [rule["name"] for rule in status["rules"]] == ["cpu_wait", "never"]
    assert status["rules"][0]["last_snapshot"] and status["skipped_ticks"] == 0
    it.recorder.stop()


def test_what_fired_is_kept_when_the_recorder_ends(door, tmp_path):  # noqa: F811
    write_rules(tmp_path, """
[[rule]]
name = "always"
expr = "rezolus_cpu_cores > 0"
post = "50s"
""")
    it = door(interval="100ms")
    wait_for(lambda: it.json("GET", "/status")[1]["snapshots_waiting"] == 1, "the rule to fire")
    ended = it.recorder.stop()
    assert ended.returncode == 0 and "the rule always fires" in ended.stderr
    reasons = {}
    for path in it.recorder.files():
        why = json.loads(path.with_name(path.name + ".json").read_text())
        reasons[why["trigger"]] = why
        assert times_of(path)
    assert reasons.keys() == {"rule", "exit"}
    assert reasons["rule"]["details"]["rule"] == "always"


def test_a_cooldown_goes_on_after_a_restart_and_after_a_crash(door, tmp_path):  # noqa: F811
    write_rules(tmp_path, """
[[rule]]
name = "always"
expr = "rezolus_cpu_cores > 0"
post = "0s"
cooldown = "1h"
""")
    it = door(interval="100ms", snapshot_on_exit=False)
    wait_for(lambda: len(it.recorder.files()) == 1, "its snapshot", timeout=60)
    history = it.recorder.buffer / "history.json"
    wait_for(history.exists, "when it was, on disk")

    def rule():
        return it.json("GET", "/status")[1]["rules"]["rules"][0]
    for number in (signal.SIGTERM, signal.SIGKILL):
        it.recorder.process.signal(number)
        it.recorder.process.finish()
        it.recorder.run()
        wait_for(it.answers, "it to answer again")
        wait_for(lambda: rule()["suppressed_by_cooldown"] == 1, "the rule to fire again")
        assert rule()["state"] == "firing" and len(it.recorder.files()) == 1
    # Damaged, it is begun anew.
    it.recorder.process.signal(signal.SIGKILL)
    it.recorder.process.finish()
    history.write_text("{")
    it.recorder.run()
    wait_for(lambda: len(it.recorder.files()) == 2, "a second snapshot", timeout=60)
    assert "history.json is damaged; cooldowns begin anew" in it.recorder.stop().stderr


def test_a_wrong_expression_names_the_column(tmp_path):
    config = tmp_path / "flight.toml"
    config.write_text(f'[flight_recorder]\noutput = "{tmp_path}/x.parquet"\n')
    rules = write_rules(tmp_path, '[[rule]]\nname = "a"\nexpr = "sum(rate(x)) > 1"\n')
    for command in (["check", config], ["check", rules], ["flight-recorder", config]):
        refused = rezolus(*command)
        assert refused.returncode == 2
        assert f"{rules}:3: rule.expr: column 10: rate() expects a range" in refused.stderr
    rules.write_text('[[rule]]\nname = "a"\nexpr = "sum(rate(x[10s])) > 1"\n')
    for file in (config, rules):
        checked = rezolus("check", file)
        assert checked.returncode == 0, checked.stderr


RULES = """
[[rule]]
name = "busy"
expr = "sum(rate({prefix}cpu_usage{suffix}[2s])) > 0"
cooldown = "1h"

[[rule]]
name = "never"
expr = "sum(rate({prefix}cpu_usage{suffix}[2s])) < 0"
"""


def replayed(config, recording):
    result = rezolus("check", config, "--replay", recording, "--json", timeout=120)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_when_a_rule_would_have_fired(agent, tmp_path):
    log = tmp_path / "run.rezlog"
    recorded = rezolus("record", agent.url, log, "--format", "log", "-d", "3s", "-i", "200ms")
    assert recorded.returncode == 0, recorded.stderr
    parquet = tmp_path / "run.parquet"
    assert rezolus("recording", "convert", log, parquet).returncode == 0
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES.format(prefix="rezolus_", suffix="_seconds_total"))
    of_log = replayed(rules, log)
    assert of_log["ticks"] == 16
    (snapshot,) = of_log["snapshots"]
    assert snapshot["rule"] == "busy" and 0 < snapshot["values"][0]["value"] <= CPUS * 1.3
    assert [rule["firings"] for rule in of_log["rules"]] == [1, 0]
    assert not any(rule["errors"] or rule["problem"] for rule in of_log["rules"])
    # Parquet knows no Prometheus names: they come from our tables.
    of_parquet = replayed(rules, parquet)
    assert of_parquet["snapshots"][0]["fired"] == snapshot["fired"]
    assert of_parquet["snapshots"][0]["values"][0]["value"] == pytest.approx(
        snapshot["values"][0]["value"], rel=1e-6)
    people = rezolus("check", rules, "--replay", log)
    value = snapshot["values"][0]["value"]
    assert f"{snapshot['fired']}  busy: {{}} {value}\n" in people.stdout
    assert "never                    did not fire" in people.stdout


def test_a_recording_of_the_original(tmp_path):
    recording = UPSTREAM / "demo.parquet"
    if not recording.exists():
        pytest.skip(f"{recording} is not here; REZOLUS_UPSTREAM_RECORDINGS names its folder")
    rules = tmp_path / "rules.toml"
    for names in ({"prefix": "", "suffix": ""},
                  {"prefix": "rezolus_", "suffix": "_seconds_total"}):
        rules.write_text(RULES.format(**names))
        seen = replayed(rules, recording)
        assert [snapshot["rule"] for snapshot in seen["snapshots"]] == ["busy"], names
        rows = pyarrow.parquet.read_metadata(recording).num_rows
        assert seen["ticks"] == rows


def test_replay_says_what_is_wrong(agent, tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES.format(prefix="", suffix=""))
    gone = rezolus("check", rules, "--replay", tmp_path / "gone.parquet")
    assert gone.returncode == 2 and "there is no recording" in gone.stderr
    garbage = tmp_path / "garbage.parquet"
    garbage.write_bytes(b"PAR1nonsense")
    assert rezolus("check", rules, "--replay", garbage).returncode == 1
    none = tmp_path / "none.toml"
    none.write_text('[flight_recorder]\noutput = "x"\n')
    empty = rezolus("check", none, "--replay", garbage)
    assert empty.returncode == 2 and "no [[rule]]" in empty.stderr
    assert rezolus("check", ROOT / "config/agent.toml", "--replay", garbage).returncode == 2
    assert rezolus("check", rules, "--json").returncode == 2
    log = tmp_path / "run.rezlog"
    recorded = rezolus("record", agent.url, log, "--format", "log", "-d", "500ms", "-i", "100ms")
    assert recorded.returncode == 0, recorded.stderr
    rules.write_text('[[rule]]\nname = "misspelt"\nexpr = "cpu_usge > 1"\n')
    assert "none of the series" in replayed(rules, log)["rules"][0]["problem"]
