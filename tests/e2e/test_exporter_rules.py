# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The rules about Rezolus itself: right, about metrics that are there, and they fire when they should."""

import re
import ssl
import subprocess
import urllib.request

import yaml

from certificates import TLS, Authority
from conftest import ROOT, free_port, tool, wait_for
from test_exporter import Exporter

RULES = ROOT / "config/prometheus-exporter-rules.yaml"


def promtool(*arguments):
    result = subprocess.run([tool("promtool"), *map(str, arguments)], text=True,
                            capture_output=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_promtool_finds_them_right():
    assert "8 rules found" in promtool("check", "rules", RULES)


def test_they_select_what_the_exporter_has(agent, start, tmp_path):
    web = Authority(tmp_path / "web", tool).web(TLS)
    port = free_port()
    start("exporter", with_tls(tmp_path / "with_tls.toml", port, agent.url, web))
    exporter = Exporter(start, tmp_path, agent.url,
                        f'[[push]]\nurl = "http://127.0.0.1:{free_port()}/write"\n'
                        f'[push_queue]\nfolder = "{tmp_path}/queue"\n')
    wait_for(lambda: exporter.up() == 1, "the first answer")
    wait_for(lambda: guarded_page(port, web.parent / "ca.pem"), "the one with TLS")
    pages = (exporter.get("/metrics") + agent.get("/metrics").decode() +
             guarded_page(port, web.parent / "ca.pem"))
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    # An agent that pushes has the same under its own name.
    names = {name for rule in group["rules"] for name in re.findall(
        r"rezolus_\w+", re.sub(r"\([a-z|_]+\)", "exporter", rule["expr"]))}
    assert len(names) == 9
    for name in names:
        assert f"# TYPE {name} " in pages


def with_tls(path, port, source, web):
    path.write_text(f'[general]\nlisten = "127.0.0.1:{port}"\n[exporter]\nsource = "{source}"\n'
                    f'[web]\nconfig_file = "{web}"\n')
    return path


def guarded_page(port, authority):
    try:
        context = ssl.create_default_context(cafile=authority)
        with urllib.request.urlopen(f"https://localhost:{port}/metrics", timeout=10,
                                    context=context) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def test_they_fire_when_they_should(tmp_path):
    labels = '{instance="a", job="rezolus", target="db"}'
    firing = {
        "rezolus_lost_events": ('rezolus_agent_lost_events_total{instance="a", job="rezolus"}',
                                "0+6000x30", "20m"),
        "rezolus_source_down": ('rezolus_exporter_source_up{instance="a", source="s"}', "0x30",
                                "20m"),
        "rezolus_exporter_is_late": ('rezolus_exporter_missed_ticks_total{instance="a"}',
                                     "0+5x30", "20m"),
        "rezolus_web_files_refused": (
            'rezolus_exporter_http_web_files_refused{instance="a", job="rezolus"}', "1x30", "20m"),
        "rezolus_certificate_expires": (
            'rezolus_agent_http_certificate_expiry_timestamp_seconds{instance="a"}',
            "604000x30", "10m"),
        "rezolus_push_outage": ("rezolus_exporter_push_oldest_seconds" + labels, "0+60x30", "10m"),
        "rezolus_push_refused": ("rezolus_exporter_push_refused_samples_total" + labels,
                                 "0x10 1x20", "15m"),
        "rezolus_push_lost": ("rezolus_exporter_push_lost_ticks_total" + labels, "0x10 1x20",
                              "15m"),
    }
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    assert list(firing) == [rule["alert"] for rule in group["rules"]]
    # What each is when all is well.
    quiet = {"rezolus_source_down": "1x30", "rezolus_web_files_refused": "0x30",
             "rezolus_certificate_expires": "9999999x30"}
    tests = []
    for name, (series, values, at) in firing.items():
        expression = f'count(ALERTS{{alertname="{name}", alertstate="firing"}})'
        for shown, samples in ((values, [{"labels": "{}", "value": 1}]),
                               (quiet.get(name, "5x30"), [])):
            tests.append({"interval": "1m", "input_series": [{"series": series, "values": shown}],
                          "promql_expr_test": [{"expr": expression, "eval_time": at,
                                                "exp_samples": samples}]})
    unit = tmp_path / "rules_test.yaml"
    unit.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m",
                                    "tests": tests}))
    assert "SUCCESS" in promtool("test", "rules", unit)
