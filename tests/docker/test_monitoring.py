"""Dashboard and alerts ask for what the service exposes; the configuration is what its tools accept."""

import re
import shutil
import subprocess
from itertools import combinations

import pytest

from scripts.reference import metrics_table
from service.telemetry.metrics import Metrics
from tests.docker.monitoring import (
    ALERTS,
    DATASOURCE,
    DRIFT,
    PROMETHEUS,
    ROOT,
    alert_queries,
    dashboard,
    dashboard_queries,
    documented_queries,
    read_yaml,
    recorded_queries,
)

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
_QUERIES = [*dashboard_queries(), *alert_queries(), *recorded_queries(), *documented_queries()]
_RECORDED = {name for name, _ in recorded_queries()}
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")


def exposed_names() -> set[str]:
    return {
        family.name + suffix for family in Metrics().registry.collect() for suffix in _SUFFIXES.get(family.type, ())
    }


@pytest.mark.parametrize(("name", "query"), _QUERIES)
def test_a_query_asks_for_metrics_that_exist(name: str, query: str) -> None:
    """The service exposes them, or a rule records them. A renamed one would leave a panel empty and an alert silent."""
    asked = set(re.findall(r"\b(?:model:)?snellen_\w+", query)) or {"up"}
    assert asked <= exposed_names() | _RECORDED | {"up"}, name


def test_panels_use_the_provisioned_data_source() -> None:
    """Grafana finds a data source by its uid."""
    (source,) = read_yaml(DATASOURCE)["datasources"]
    used = {panel["datasource"]["uid"] for panel in dashboard()["panels"]}
    used |= {target["datasource"]["uid"] for panel in dashboard()["panels"] for target in panel["targets"]}
    assert used == {source["uid"]}


def test_panels_have_their_own_place_and_number() -> None:
    """No panel lies on another one or leaves the grid of 24 columns."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for a, b in combinations(places, 2):
        apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert apart or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", str(PROMETHEUS)),
        ("check", "config", "--syntax-only", str(PROMETHEUS.with_name("prometheus.keys.yml"))),
        ("check", "rules", str(ALERTS), str(DRIFT)),
        ("test", "rules", str(ALERTS.with_name("alerts.test.yml"))),
    ],
    ids=" ".join,
)
def test_promtool_accepts(arguments: tuple[str, ...]) -> None:
    """Prometheus's own checks, and the unit tests of the alerts."""
    result = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_table_of_metrics_is_current() -> None:
    """`make docs` writes it."""
    assert (ROOT / "docs" / "metrics.md").read_text() == metrics_table()
