"""Alert rules and the dashboard: checked by promtool, by Grafana's own model, and against the service's metrics."""
import json
import re
import time
from urllib.parse import urlencode

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard

from programs import AUDIENCE, DEPLOY, LIMIT, PROMTOOL, ROOT, SERVICE, Issuer, Program, free_port, get, run

ALERTS = DEPLOY / "prometheus/alerts.yaml"
BOARD = DEPLOY / "grafana/dashboard.json"


def alerts():
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def expressions(of):
    """Every PromQL expression of the dashboard: of panels and annotations."""
    if isinstance(of, dict):
        if "expr" in of:
            yield of["expr"]
        for value in of.values():
            yield from expressions(value)
    elif isinstance(of, list):
        for value in of:
            yield from expressions(value)


def board():
    return json.loads(BOARD.read_text())


def test_the_rules_are_valid_and_fire():
    run(PROMTOOL, "check", "rules", ALERTS)
    run(PROMTOOL, "test", "rules", DEPLOY / "prometheus/alerts.test.yaml")


def test_each_alert_is_tested_and_documented():
    tests = yaml.safe_load((DEPLOY / "prometheus/alerts.test.yaml").read_text())["tests"]
    expected = [it for test in tests for it in test["alert_rule_test"]]
    names = {rule["alert"] for rule in alerts()}
    assert {it["alertname"] for it in expected if it.get("exp_alerts")} == names
    assert {it["alertname"] for it in expected if not it.get("exp_alerts")} == names
    section = (ROOT / "docs/operations.md").read_text().split("\n## Alerts\n")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", section, re.M)) == names


def with_variables(query):
    """The query as Grafana sends it."""
    for name, value in {"$__rate_interval": "5m", "$job": "actix-resource-server", "$instance": ".*"}.items():
        query = query.replace(name, value)
    return query


def test_the_queries_of_the_dashboard_are_valid(tmp_path):
    queries = list(expressions(board()))
    assert len(queries) > 30
    rules = [{"record": f"query:{number}", "expr": with_variables(query)} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    run(PROMTOOL, "check", "rules", file)


def test_grafana_knows_every_key_of_the_dashboard():
    register_default_plugins()
    parsed = dashboard.Dashboard.from_json(board())
    lost = list(differences(board(), json.loads(JSONEncoder().encode(parsed))))
    assert lost == []
    panels = board()["panels"]
    assert len({it["id"] for it in panels}) == len(panels)
    taken = [(x, y) for it in panels for x, y in cells(it["gridPos"])]
    assert len(set(taken)) == len(taken)


def differences(ours, theirs, path=""):
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key in theirs:
                yield from differences(value, theirs[key], f"{path}/{key}")
            else:
                yield f"{path}/{key}"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs)):
            yield from differences(one, other, f"{path}/{number}")
    elif ours != theirs:
        yield path


def cells(position):
    for x in range(position["x"], position["x"] + position["w"]):
        for y in range(position["y"], position["y"] + position["h"]):
            yield x, y


def queries():
    return [rule["expr"] for rule in alerts()] + list(expressions(board()))


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service with TLS that has answered requests; the address of its operations listener."""
    folder = tmp_path_factory.mktemp("service")
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost",
        "-keyout", folder / "key.pem", "-out", folder / "certificate.pem")
    api, operations = free_port(), free_port()
    with Issuer() as issuer:
        variables = {
            "ISSUER_BASE_URL": issuer.url,
            "AUDIENCE": AUDIENCE,
            "APP__AUTH__MAX_TOKEN_AGE": "1h",
            "APP__REVOCATION__ENABLED": "true",
            "PORT": str(api),
            "APP__OPERATIONS__PORT": str(operations),
            "APP__SERVER__TLS__CERTIFICATE": str(folder / "certificate.pem"),
            "APP__SERVER__TLS__KEY": str(folder / "key.pem"),
        }
        with Program(SERVICE, variables=variables) as program:
            program.wait(f"http://127.0.0.1:{operations}/readyz")
            bearer = {"Authorization": f"Bearer {issuer.token()}"}
            assert get(f"https://127.0.0.1:{api}/api/private", bearer)[0] == 200
            assert get(f"https://127.0.0.1:{api}/api/private")[0] == 401
            yield f"127.0.0.1:{operations}"


def test_the_service_has_every_metric_and_label(service):
    _, text = get(f"http://{service}/metrics")
    samples = re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", text, re.M)
    served = {}
    for name, labels in samples:
        served.setdefault(name, []).append(dict(re.findall(r'(\w+)="([^"]*)"', labels)))
    used = {name for query in queries() for name in re.findall(r"\bars_\w+", query)}
    assert used <= served.keys(), used - served.keys()
    for name, labels in {it for query in queries() for it in re.findall(r"\b(ars_\w+)\{(.*?)\}", query)}:
        # Prometheus adds job and instance.
        matchers = [it for it in re.findall(r'(\w+)=~?"(.*?)"', labels) if it[0] not in ("job", "instance")]
        for label, value in matchers:
            if label == "status":
                # Only classes that were answered have a sample.
                assert re.fullmatch("[1-5]xx", value) and all(label in it for it in served[name])
            else:
                assert any(re.fullmatch(value, it.get(label, "")) for it in served[name]), (name, label, value)


def test_prometheus_scrapes_the_service_and_answers_every_query(service, tmp_path):
    target = {"job_name": "actix-resource-server", "static_configs": [{"targets": [service]}]}
    configuration = {"global": {"scrape_interval": "1s"}, "rule_files": [str(ALERTS)], "scrape_configs": [target]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    address = f"127.0.0.1:{free_port()}"
    command = [PROMTOOL.parent / "prometheus", f"--config.file={tmp_path}/prometheus.yml",
               f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address={address}"]
    with Program(*command, cwd=tmp_path) as prometheus:
        prometheus.wait(f"http://{address}/-/ready")

        def query(expression):
            status, text = get(f"http://{address}/api/v1/query?{urlencode({'query': expression})}")
            assert status == 200, text
            return json.loads(text)["data"]["result"]

        deadline = time.monotonic() + LIMIT
        while not query('up{job="actix-resource-server"} == 1'):
            assert time.monotonic() < deadline, get(f"http://{address}/api/v1/targets")[1]
            time.sleep(0.2)
        for expression in queries():
            query(with_variables(expression))
