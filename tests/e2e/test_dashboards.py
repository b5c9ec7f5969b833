# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Grafana dashboards and recording rules: as their program makes them, and a Prometheus that scrapes an
agent has an answer to each of their queries."""

import itertools
import json
import re
import subprocess
import sys
import urllib.parse
import urllib.request

import pytest
import yaml

from conftest import ROOT, tool, wait_for
from test_prometheus_formats import Prometheus

CONFIG = ROOT / "config"
RULES = CONFIG / "prometheus-recording-rules.yaml"
DASHBOARDS = sorted(path.stem for path in (CONFIG / "grafana").glob("*.json"))


def load(name):
    return json.loads((CONFIG / "grafana" / f"{name}.json").read_text())


def panels(name):
    return [panel for panel in load(name)["panels"] if panel["type"] != "row"]


def queries(name):
    for panel in panels(name):
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_they_are_what_their_program_makes(tmp_path):
    subprocess.run([sys.executable, ROOT / "tools/dashboards", tmp_path], check=True)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(made) == 7
    for path in made:
        assert (tmp_path / path).read_text() == (CONFIG / path).read_text(), \
            f"config/{path} is old: run make dashboards"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_well_formed(name):
    board = load(name)
    assert board["uid"] == f"rezolus-{name}"
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers))
    taken = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = set(itertools.product(range(at["x"], at["x"] + at["w"]),
                                      range(at["y"], at["y"] + at["h"])))
        assert not cells & taken, f"{panel['title']} covers another"
        taken |= cells
    documented = (ROOT / "docs/metrics.md").read_text()
    for panel in panels(name):
        assert panel["description"] and panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            assert "$instance" in target["expr"] and target["legendFormat"]
            for metric in re.findall(r"rezolus_\w+", target["expr"]):
                assert f"`{metric.removesuffix('_bucket')}`" in documented, metric


@pytest.fixture(scope="module")
def server(request, tmp_path_factory, agent):
    made = Prometheus(tmp_path_factory.mktemp("dashboards"), agent)
    request.addfinalizer(made.popen.wait)
    request.addfinalizer(made.popen.kill)
    # A rate needs two samples.
    wait_for(lambda: made.query("count_over_time(rezolus_cpu_cores[1m]) > 3"), "a few scrapes",
             timeout=60)
    return made


@pytest.fixture(scope="module")
def families(agent):
    page = agent.get("/metrics").decode()
    return {line.partition("{")[0].partition(" ")[0] for line in page.splitlines()
            if not line.startswith("#")}


def ask(server, expression):
    """A query that is wrong is an error here, not an empty answer."""
    url = f"http://127.0.0.1:{server.port}/api/v1/query?"
    with urllib.request.urlopen(url + urllib.parse.urlencode({"query": expression})) as answer:
        said = json.load(answer)
    assert said["status"] == "success" and not said.get("warnings"), expression
    return said["data"]["result"]


def answers(server, families, expression):
    """What the server says; nothing is asked for where a metric has no series on this host."""
    names = set(re.findall(r"rezolus_\w+", expression))
    found = ask(server, expression)
    if names <= families and " == 0" not in expression:
        assert found, f"nothing for {expression}"
    return found


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_prometheus_answers_a_dashboard(server, families, name):
    found = 0
    for title, expression in queries(name):
        asked = expression.replace("$__rate_interval", "30s").replace("$instance", ".*")
        assert "$" not in asked, title
        found += len(answers(server, families, asked))
    assert found >= len(panels(name)) / 2


def test_shares_of_all_processors_add_up_to_no_more_than_one(server):
    (expression,) = [expression for title, expression in queries("host")
                     if title == "CPU, of all"]
    shares = [float(element["value"][1]) for element in ask(
        server, expression.replace("$__rate_interval", "30s").replace("$instance", ".*"))]
    assert 0 < sum(shares) < 1.1


def test_a_prometheus_answers_the_recording_rules(server, families):
    checked = subprocess.run([tool("promtool"), "check", "rules", RULES], text=True,
                             capture_output=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    assert len(group["rules"]) > 20
    for rule in group["rules"]:
        assert re.fullmatch(r"instance:rezolus_\w+:p(50|99)_5m", rule["record"])
        assert answers(server, families, rule["expr"].replace("[5m]", "[30s]"))
