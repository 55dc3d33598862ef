"""Alert rules and the dashboard: checked by promtool, by Grafana's own model, and against the service's metrics."""
import json
import re

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard

from programs import AUDIENCE, DEPLOY, PROMTOOL, ROOT, SERVICE, Issuer, Program, free_port, get, run

ALERTS = DEPLOY / "prometheus/alerts.yaml"
BOARD = DEPLOY / "grafana/dashboard.json"
# Only served where TLS or a replay store is in use.
CONDITIONAL = {"ars_tls_certificate_expiry_seconds", "ars_replay_store_duration_seconds_bucket"}


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


def test_the_queries_of_the_dashboard_are_valid(tmp_path):
    queries = list(expressions(board()))
    assert len(queries) > 30
    variables = {"$__rate_interval": "5m", "$job": "actix-resource-server", "$instance": ".*"}
    rules = []
    for number, query in enumerate(queries):
        for name, value in variables.items():
            query = query.replace(name, value)
        rules.append({"record": f"query:{number}", "expr": query})
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


def test_the_service_has_every_metric():
    texts = [rule["expr"] for rule in alerts()] + list(expressions(board()))
    used = {name for text in texts for name in re.findall(r"\bars_\w+", text)}
    port = free_port()
    with Issuer() as issuer:
        variables = {"ISSUER_BASE_URL": issuer.url, "AUDIENCE": AUDIENCE, "PORT": str(port)}
        with Program(SERVICE, variables=variables) as service:
            service.wait(f"http://127.0.0.1:{port}/readyz")
            bearer = {"Authorization": f"Bearer {issuer.token()}"}
            assert get(f"http://127.0.0.1:{port}/api/private", bearer)[0] == 200
            _, text = get(f"http://127.0.0.1:{port}/metrics")
    served = set(re.findall(r"^(\w+)[ {]", text, re.M))
    if not any(name.startswith("ars_") for name in served):
        pytest.skip("the service has no metrics of these names")
    assert used - served <= CONDITIONAL, used - served - CONDITIONAL
