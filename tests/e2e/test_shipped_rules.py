# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The rules in config/: those of the flight recorder and those for a Prometheus are the same."""

import json
import re
import subprocess
import tomllib

import yaml

from conftest import ROOT, rezolus, tool

OURS = ROOT / "config/flight-recorder.d/rules.toml"
THEIRS = ROOT / "config/prometheus-rules.yaml"


def test_both_files_have_the_same_rules():
    ours = [(rule["name"], rule["expr"], rule.get("for"))
            for rule in tomllib.loads(OURS.read_text())["rule"]]
    (group,) = yaml.safe_load(THEIRS.read_text())["groups"]
    theirs = [(rule["alert"], rule["expr"], rule.get("for")) for rule in group["rules"]]
    assert ours == theirs and len(ours) == 7


def test_promtool_finds_them_right():
    result = subprocess.run([tool("promtool"), "check", "rules", THEIRS], text=True,
                            capture_output=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "7 rules found" in result.stdout


def test_they_select_what_the_agent_has(agent, tmp_path):
    page = agent.get("/metrics").decode()
    documented = (ROOT / "docs/metrics.md").read_text()
    for rule in tomllib.loads(OURS.read_text())["rule"]:
        for name in re.findall(r"rezolus_\w+", rule["expr"]):
            family = name.removesuffix("_bucket")
            assert f"`{family}`" in documented, "our tables know it"
            if not family.startswith("rezolus_cgroup_"):  # those come with a quota
                assert f"# TYPE {family} " in page, "the default page shows it"
    log = tmp_path / "run.rezlog"
    recorded = rezolus("record", agent.url, log, "--format", "log", "-d", "3s", "-i", "200ms")
    assert recorded.returncode == 0, recorded.stderr
    replayed = rezolus("check", OURS, "--replay", log, "--json")
    assert replayed.returncode == 0, replayed.stderr
    rules = json.loads(replayed.stdout)["rules"]
    # A cgroup with a quota is not everywhere.
    assert [rule["name"] for rule in rules if rule["problem"]] in ([], ["cpu_throttling"])
    assert len(rules) == 7 and not any(rule["errors"] for rule in rules)
