# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The exporter between an agent and Prometheus's clients."""

import json
import signal
import subprocess
import urllib.error
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text

from conftest import ROOT, free_port, rezolus, tool, wait_for


class Exporter:
    def __init__(self, start, folder, source, more="", interval="200ms", **options):
        self.url = f"http://127.0.0.1:{free_port()}"
        self.config = folder / "exporter.toml"
        self.config.write_text(
            f'[general]\nlisten = "{self.url.removeprefix("http://")}"\n'
            f'[exporter]\nsource = "{source}"\ninterval = "{interval}"\n{more}')
        self.process = start("exporter", self.config, **options)
        wait_for(self.answers, "the exporter to answer")

    def answers(self):
        if self.process.popen.poll() is not None:
            pytest.fail("the exporter ended: " + self.process.finish().stderr)
        try:
            return self.get("/healthz")
        except OSError:
            return False

    def get(self, path, accept="text/plain"):
        request = urllib.request.Request(self.url + path, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.read().decode()

    def families(self):
        return {family.name: family for family in text(self.get("/metrics"))}

    def up(self):
        return self.families()["rezolus_exporter_source_up"].samples[0].value


def check_with_promtool(page):
    result = subprocess.run([tool("promtool"), "check", "metrics"], input=page, text=True,
                            capture_output=True, timeout=20, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_agents_page_through_the_exporter(agent, start, tmp_path):
    exporter = Exporter(start, tmp_path, agent.url)
    wait_for(lambda: exporter.up() == 1, "the first answer")
    ours = exporter.families()
    theirs = {family.name for family in text(agent.get("/metrics").decode())}
    # What only the agent's process knows of itself is not in snapshots.
    missing = {name for name in theirs - ours.keys() if not name.startswith("rezolus_agent_")}
    assert not missing
    assert ours["rezolus_scheduler_runqueue_latency_seconds"].type == "histogram"
    check_with_promtool(exporter.get("/metrics"))
    modern = list(open_metrics(exporter.get("/metrics", "application/openmetrics-text")))
    assert len(modern) == len(ours)
    assert json.loads(exporter.get("/metrics/json"))["counters"]
    assert json.loads(exporter.get("/status"))["up"] is True
    assert exporter.get("/readyz") == "ready\n"
    exporter.process.signal(signal.SIGTERM)
    assert exporter.process.finish().returncode == 0


def test_summaries_describe_the_last_interval(agent, start, tmp_path):
    exporter = Exporter(start, tmp_path, agent.url,
                        '[metrics]\nquantiles = [0.5, 0.99]\n'
                        '[metrics.histograms]\n"*" = "none"\n"scheduler_runqueue*" = "summary"\n')
    name = "rezolus_scheduler_runqueue_latency_seconds"

    def quantiles():
        family = exporter.families().get(name)
        return family and [sample for sample in family.samples if "quantile" in sample.labels]

    wait_for(quantiles, "two answers in a row, with something between them")
    wait_for(quantiles, "a busy interval")
    page = exporter.get("/metrics")
    check_with_promtool(page)
    families = {family.name: family for family in text(page)}
    assert families[name].type == "summary"
    assert not any(family.type == "histogram" for family in families.values())
    values = {sample.labels["quantile"]: sample.value for sample in families[name].samples
              if "quantile" in sample.labels}
    assert list(values) == ["0.5", "0.99"]
    count = [sample.value for sample in families[name].samples if sample.name == name + "_count"]
    assert count[0] > 0
    types = {family.name: family.type for family in
             open_metrics(exporter.get("/metrics", "application/openmetrics-text"))}
    assert types[name] == "summary"


def test_a_source_that_is_gone_disappears(own_agent, start, tmp_path):
    agent = own_agent()
    exporter = Exporter(start, tmp_path, agent.url)
    wait_for(lambda: exporter.up() == 1, "the first answer")
    agent.stop()
    wait_for(lambda: exporter.up() == 0, "the exporter to notice")
    families = exporter.families()
    assert not any(name.startswith("rezolus_scheduler") for name in families)
    failures = families["rezolus_exporter_source_failures"].samples[0].value
    assert failures > 0
    with pytest.raises(urllib.error.HTTPError) as refused:
        exporter.get("/readyz")
    assert refused.value.code == 503
    assert "does not answer" in refused.value.read().decode()
    again = own_agent(agent.port)
    wait_for(lambda: exporter.up() == 1, "the exporter to find the new agent")
    exporter.process.signal(signal.SIGTERM)
    said = exporter.process.finish().stderr
    again.stop()
    assert said.count("does not answer") == 1, "once for an outage"
    assert "answers again" in said


def test_reload_and_wrong_configurations(agent, start, tmp_path):
    said = tmp_path / "stderr"
    with said.open("w") as log:
        exporter = Exporter(start, tmp_path, agent.url, stderr=log)
    wait_for(lambda: exporter.up() == 1, "the first answer")
    begun = exporter.families()["process_start_time_seconds"].samples[0].value
    good = exporter.config.read_text()

    def reload(text):
        exporter.config.write_text(text)
        exporter.process.signal(signal.SIGHUP)

    reload(good + "[metrics]\nnaming = 1\n")
    wait_for(lambda: "stays as it is" in said.read_text(), "the wrong file to be refused")
    assert exporter.up() == 1, "it was not restarted"
    # One that is right but cannot be listened on.
    reload(good.replace(exporter.url.removeprefix("http://"), agent.url.removeprefix("http://")))
    wait_for(lambda: "back to the configuration before" in said.read_text(), "the old one again")
    wait_for(exporter.answers, "the exporter on its old port")
    reload(good + '[metrics]\nnaming = "upstream"\n')

    def renamed():
        try:
            return "scheduler_runqueue_latency_distribution" in exporter.families()
        except OSError:
            return False

    wait_for(renamed, "the new names")
    assert exporter.families()["process_start_time_seconds"].samples[0].value == begun
    result = rezolus("exporter", tmp_path / "absent.toml")
    assert result.returncode == 2
    assert "absent.toml" in result.stderr


def test_the_shipped_configuration():
    result = rezolus("check", ROOT / "config/exporter.toml")
    assert result.returncode == 0, result.stderr
    assert "ok" in result.stdout
