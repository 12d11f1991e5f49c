"""The files under docker/ that configure Prometheus and Grafana, read for the tests."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
DASHBOARD = ROOT / "docker" / "grafana" / "dashboards" / "snellen.json"
DATASOURCE = ROOT / "docker" / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
PROMETHEUS = ROOT / "docker" / "prometheus.yml"
ALERTS = ROOT / "docker" / "alerts.yml"
DRIFT = ROOT / "docker" / "drift.yml"


def dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return content


def dashboard_queries() -> Iterator[tuple[str, str]]:
    """(panel's title, PromQL with Grafana's variables in it) of every query."""
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def alert_queries() -> Iterator[tuple[str, str]]:
    """(alert's name, PromQL) of every rule."""
    for group in read_yaml(ALERTS)["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def recorded_queries() -> Iterator[tuple[str, str]]:
    """(name of the recorded series, PromQL) of every rule about drift."""
    for group in read_yaml(DRIFT)["groups"]:
        for rule in group["rules"]:
            yield rule["record"], rule["expr"]


def documented_queries() -> Iterator[tuple[str, str]]:
    """(name of the document, PromQL) of every query that docs/drift.md shows."""
    text = (ROOT / "docs" / "drift.md").read_text()
    for query in re.findall(r"```promql\n(.*?)```", text, re.DOTALL):
        yield "drift.md", query.strip()


def read_yaml(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content
