# SPDX-License-Identifier: Apache-2.0 OR MIT
"""TLS, client certificates and passwords, with the clients that people use: curl, Python, Prometheus."""

import json
import os
import re
import signal
import ssl
import subprocess
import textwrap
import urllib.error
import urllib.parse
import urllib.request

import pyarrow.parquet
import pytest

from certificates import HASH, MUTUAL, PASSWORD, TLS, USERS, Authority
from conftest import Process, free_port, rezolus, tool, wait_for
from test_exporter import Exporter


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "web", tool)


class Https:
    """Asks over https, with a client certificate and a password where they are given."""

    def __init__(self, authority, port, certificate=None, password=None):
        context = ssl.create_default_context(cafile=authority.ca)
        if certificate:
            context.load_cert_chain(authority.folder / f"{certificate}.pem",
                                    authority.folder / f"{certificate}.key")
        handlers = [urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({})]
        if password:
            manager = urllib.request.HTTPPasswordMgrWithPriorAuth()
            manager.add_password(None, f"https://localhost:{port}/", "alice", password,
                                 is_authenticated=True)
            handlers.append(urllib.request.HTTPBasicAuthHandler(manager))
        self.opener = urllib.request.build_opener(*handlers)
        self.url = f"https://localhost:{port}"

    def get(self, path):
        with self.opener.open(self.url + path, timeout=10) as answer:
            return answer.read().decode()

    def works(self, path="/healthz"):
        try:
            return bool(self.get(path))
        except OSError:
            return False


@pytest.fixture
def served(start, tmp_path, agent, authority):
    """served(web, …): an exporter with that web configuration, of the shared agent; its port."""
    def begin(web, more="", **options):
        port = free_port()
        config = tmp_path / "exporter.toml"
        config.write_text(f'[general]\nlisten = "127.0.0.1:{port}"\n[exporter]\n'
                          f'source = "{agent.url}"\ninterval = "200ms"\n'
                          f'[web]\nconfig_file = "{authority.web(web)}"\n{more}')
        process = start("exporter", config, **options)
        process.port, process.config = port, config
        return process
    return begin


def curl(*arguments):
    return subprocess.run([tool("curl"), "--silent", "--show-error", "--noproxy", "*", "--max-time",
                           "120", *map(str, arguments)], text=True, capture_output=True, check=False,
                          timeout=150)


def test_tls_and_passwords_with_curl_and_python(served, authority):
    port = served(TLS + USERS, 'auth_excluded_paths = ["/healthz"]\n').port
    url = f"https://localhost:{port}"
    anybody = Https(authority, port)
    wait_for(anybody.works, "the exporter to answer")
    with pytest.raises(urllib.error.HTTPError) as refused:
        anybody.get("/metrics")
    assert refused.value.code == 401
    alice = Https(authority, port, password=PASSWORD)
    wait_for(lambda: "rezolus_exporter_source_up{" in alice.get("/metrics"), "a page")
    assert json.loads(alice.get("/status"))["http"]["requests"] > 0
    with pytest.raises(urllib.error.HTTPError) as refused:
        Https(authority, port, password="wrong").get("/metrics")
    assert refused.value.code == 401
    for version in ("1.2", "1.3"):
        asked = curl("--cacert", authority.ca, "--tls-max", version, f"--tlsv{version}", "--user",
                     f"alice:{PASSWORD}", "--compressed", f"{url}/metrics")
        assert asked.returncode == 0, asked.stderr
        assert "rezolus_build_info" in asked.stdout
    assert curl("--cacert", authority.ca, "--tls-max", "1.1", f"{url}/healthz").returncode != 0
    # Who does not trust the authority, and who does not encrypt.
    assert "certificate" in curl(f"{url}/healthz").stderr
    plain = curl("--write-out", "%{http_code}", f"http://localhost:{port}/healthz")
    assert plain.stdout.endswith("400") and "https://" in plain.stdout


def test_nothing_is_read_without_a_client_certificate(served, authority):
    served_by = served(MUTUAL + "  client_allowed_sans: [prometheus.example]\n")
    port = served_by.port
    known = Https(authority, port, certificate="client")
    wait_for(known.works, "the exporter to answer")
    assert not Https(authority, port).works()
    assert not Https(authority, port, certificate="server").works(), "it has another name"
    stranger = Authority(authority.folder / "other", tool, "other")
    context = ssl.create_default_context(cafile=authority.ca)
    context.load_cert_chain(stranger.folder / "client.pem", stranger.folder / "client.key")
    with pytest.raises(OSError):
        urllib.request.urlopen(f"https://localhost:{port}/healthz", timeout=10, context=context)
    assert json.loads(known.get("/status"))["http"]["handshakes_failed"] >= 3


@pytest.fixture
def prometheus(tmp_path, request):
    """prometheus(scrape configuration): Debian's; a function that asks it."""
    def begin(scrape):
        folder = tmp_path / "prometheus"
        folder.mkdir()
        (folder / "prometheus.yml").write_text(
            "scrape_configs:\n- job_name: rezolus\n  scrape_interval: 500ms\n"
            "  scrape_timeout: 500ms\n" + scrape)
        port = free_port()
        program = subprocess.Popen(
            [tool("prometheus"), f"--config.file={folder}/prometheus.yml",
             f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        request.addfinalizer(program.wait)
        request.addfinalizer(program.kill)

        def ask(path, **query):
            url = f"http://127.0.0.1:{port}/api/v1/{path}?" + urllib.parse.urlencode(query)
            try:
                with urllib.request.urlopen(url, timeout=20) as answer:
                    return json.load(answer)["data"]
            except OSError:
                return None
        return ask
    return begin


def test_prometheus_scrapes_with_a_certificate_and_a_password(served, authority, prometheus):
    port = served(MUTUAL + USERS).port
    wait_for(Https(authority, port, "client", PASSWORD).works, "the exporter to answer")
    (authority.folder / "password").write_text(PASSWORD)
    ask = prometheus(f"""
  scheme: https
  basic_auth: {{username: alice, password_file: {authority.folder}/password}}
  tls_config:
    ca_file: {authority.ca}
    cert_file: {authority.folder}/client.pem
    key_file: {authority.folder}/client.key
  static_configs: [{{targets: ["localhost:{port}"]}}]
""")

    def scraped():
        data = ask("query", query="rezolus_exporter_source_up == 1")
        return data and data["result"]

    wait_for(scraped, "Prometheus to have the page", timeout=60)
    targets = ask("targets")["activeTargets"]
    assert [target["health"] for target in targets] == ["up"], targets


def test_a_bearer_token(served, authority):
    token = authority.folder / "token"
    token.write_text("0123456789abcdef0123456789abcdef\n")
    token.chmod(0o600)
    port = served(TLS, f'bearer_token_file = "{token}"\n').port

    def status(value):
        return curl("--cacert", authority.ca, "--oauth2-bearer", value, "--output", os.devnull,
                    "--write-out", "%{http_code}", f"https://localhost:{port}/metrics").stdout

    wait_for(lambda: status("0123456789abcdef0123456789abcdef") == "200", "the right token")
    assert status("0123456789abcdef0123456789abcdee") == "401"
    token.write_text("another token, of the same file\n")
    wait_for(lambda: status("another token, of the same file") == "200", "the new token")
    assert status("0123456789abcdef0123456789abcdef") == "401"


def test_what_changes_is_read_again(served, authority, tmp_path):
    said = tmp_path / "stderr"
    with said.open("w") as log:
        exporter = served(TLS, stderr=log)
    port = exporter.port
    old = Https(authority, port)
    wait_for(old.works, "the exporter to answer")
    # A certificate of another authority, key and all.
    other = Authority(authority.folder / "other", tool, "other")
    for name in ("server.pem", "server.key"):
        (other.folder / name).replace(authority.folder / name)
    wait_for(Https(other, port).works, "the new certificate")
    assert not old.works()
    # A wrong one changes nothing, with and without a signal, and is said.
    authority.web(TLS + "  min_verson: TLS13\n")
    wait_for(lambda: "what was read before stays" in said.read_text(), "the wrong file to be told")
    assert "did you mean 'tls_server_config.min_version'?" in said.read_text()
    exporter.signal(signal.SIGHUP)
    wait_for(lambda: "the configuration stays as it is" in said.read_text(), "a word on the reload")
    assert Https(other, port).works()
    # No TLS at all any more: only when somebody says so.
    authority.web(USERS)
    wait_for(lambda: "TLS would be switched off" in said.read_text(), "the change to be refused")
    assert Https(other, port).works()
    exporter.signal(signal.SIGHUP)

    def plain():
        return curl("--user", f"alice:{PASSWORD}", f"http://localhost:{port}/healthz").stdout

    wait_for(lambda: plain() == "ok\n", "plain HTTP")


def test_check_reads_what_is_named(authority, tmp_path):
    config = tmp_path / "agent.toml"
    web = authority.web(MUTUAL + USERS)
    config.write_text(f'[web]\nconfig_file = "{web}"\n')
    for file in (config, web):
        assert rezolus("check", file).returncode == 0
    authority.web(TLS.replace("server.key", "client.key"))
    for file in (config, web):
        result = rezolus("check", file)
        assert result.returncode == 2
        assert "is not the key of cert_file" in result.stderr
    authority.web("basic_auth_users:\n  alice: open sesame\n")
    result = rezolus("check", config)
    assert "web.yml:2: basic_auth_users.alice: not a hash of bcrypt" in result.stderr
    config.write_text('[web]\nconfig_fil = "x"\n')
    assert "did you mean 'web.config_file'?" in rezolus("check", config).stderr
    # Of the flight recorder.
    flight = tmp_path / "flight.toml"
    flight.write_text(f'[flight_recorder]\noutput = "x.parquet"\n[web]\nconfig_file = "{web}"\n')
    assert "not a hash of bcrypt" in rezolus("check", flight).stderr
    authority.web(USERS)
    assert rezolus("check", flight).returncode == 0


def test_the_agent_without_capabilities_reads_its_key(authority, tmp_path, request):
    """A key that only its owner can read; renewed while nothing but that is left to the agent."""
    port = free_port()
    config = tmp_path / "agent.toml"
    config.write_text(f'[general]\nlisten = "127.0.0.1:{port}"\ninstance = "web-{os.getpid()}"\n'
                      f'[web]\nconfig_file = "{authority.web(TLS + USERS)}"\n')
    (authority.folder / "server.key").chmod(0o400)
    process = Process(config, stderr=(tmp_path / "stderr").open("w"))
    request.addfinalizer(process.kill)
    alice = Https(authority, port, password=PASSWORD)
    wait_for(lambda: alice.works("/readyz"), "the agent to answer", timeout=30)
    assert "rezolus_scheduler_runqueue_latency_seconds" in alice.get("/metrics")
    other = Authority(authority.folder / "other", tool, "other")
    (other.folder / "server.key").chmod(0o400)
    for name in ("server.pem", "server.key"):
        (other.folder / name).replace(authority.folder / name)
    process.signal(signal.SIGHUP)
    wait_for(Https(other, port, password=PASSWORD).works, "the new certificate")
    process.signal(signal.SIGTERM)
    assert process.finish().returncode == 0


def test_wrong_files_keep_it_from_starting(served, authority):
    process = served("tls_server_config:\n  cert_file: absent.pem\n  key_file: server.key\n")
    ended = process.finish()
    assert ended.returncode == 2
    assert f"{authority.folder}/absent.pem" in ended.stderr
    assert HASH not in ended.stderr


def test_the_flight_recorder_with_users_and_its_token(agent, authority, start, tmp_path):
    port = free_port()
    token = authority.folder / "token"
    token.write_text("0123456789abcdef0123456789abcdef\n")
    token.chmod(0o600)
    output = tmp_path / "flight.parquet"
    start("flight-recorder", write(tmp_path / "flight.toml", f"""
        [flight_recorder]
        url = "{agent.url}"
        output = "{output}"
        interval = "50ms"
        listen = "127.0.0.1:{port}"
        token_file = "{token}"
        [web]
        config_file = "{authority.web(TLS + USERS)}"
    """))
    url = f"https://localhost:{port}"
    alert = json.dumps({"version": "4", "alerts": [
        {"status": "firing", "fingerprint": "a", "labels": {"alertname": "x"}}]})

    def status(path, *options):
        return curl("--cacert", authority.ca, "--output", tmp_path / "body", "--write-out",
                    "%{http_code}", *options, url + path).stdout

    alice = ("--user", f"alice:{PASSWORD}")
    bearer = ("--oauth2-bearer", "0123456789abcdef0123456789abcdef")
    post = ("--header", "Content-Type: application/json", "--data", alert)
    wait_for(lambda: status("/readyz", *alice) == "200", "the flight recorder to record")
    assert status("/status") == "401"
    assert status("/status", *bearer) == "200", "who may have the recording may have this"
    assert status("/alertmanager?last=1s", *post) == "401"
    for who in (alice, bearer):
        assert status("/alertmanager?last=1s", *who, *post) == "200"
        # A file as the answer, with its size said before, to its end.
        assert status("/snapshot?last=2s", *who) == "200"
        assert pyarrow.parquet.read_table(tmp_path / "body").num_rows > 0
    # What a browser sends by itself is not enough.
    assert status("/snapshot?last=2s", *alice, "--header", "Origin: https://evil.example") == "403"
    # The Unix socket has its own permissions.
    result = rezolus("flight-recorder", "snapshot", tmp_path / "flight.toml")
    assert result.returncode == 0, result.stderr


def links_of(url):
    """The landing page as a browser gets it: path and status of each link."""
    ask = urllib.request.Request(url + "/", headers={"Accept": "text/html,*/*;q=0.8"})
    with urllib.request.urlopen(ask, timeout=10) as answer:
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        paths = re.findall(r'<a href="([^"]+)">', answer.read().decode())
    return {path: urllib.request.urlopen(url + path, timeout=10).status for path in paths}


def test_landing_pages(agent, start, tmp_path):
    exporter = Exporter(start, tmp_path, agent.url)
    wait_for(lambda: exporter.up() == 1, "the first answer")
    port = free_port()
    start("flight-recorder", write(tmp_path / "flight.toml", f"""
        [flight_recorder]
        url = "{agent.url}"
        output = "{tmp_path}/flight.parquet"
        interval = "100ms"
        listen = "127.0.0.1:{port}"
    """))
    recorder = f"http://127.0.0.1:{port}"

    def ready():
        try:
            with urllib.request.urlopen(f"{recorder}/readyz", timeout=10) as answer:
                return answer.read() == b"ready\n"
        except OSError:
            return False

    wait_for(ready, "the flight recorder to record")
    for url in (agent.url, exporter.url, recorder):
        links = links_of(url)
        assert {"/metrics", "/status", "/healthz", "/readyz"} <= links.keys()
        assert set(links.values()) == {200}, links
        with urllib.request.urlopen(url + "/", timeout=10) as answer:
            assert answer.read().startswith(b"Rezolus ")


def write(path, text):
    path.write_text(textwrap.dedent(text))
    return path
