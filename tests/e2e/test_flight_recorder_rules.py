# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Rules of the flight recorder: an expression comes true, and one snapshot has before and after."""

import contextlib
import json
import os
import subprocess
import sys
import time

import pyarrow.parquet

from conftest import rezolus, wait_for
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
