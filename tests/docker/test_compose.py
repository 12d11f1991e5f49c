"""docker-compose.yml keeps what docs/docker.md promises."""

import re
import shutil
import subprocess

import pytest

from service.settings import Settings
from tests.docker.monitoring import ROOT, read_yaml

SERVICES = read_yaml(ROOT / "docker-compose.yml")["services"]
OURS = ("snellen", "snellen-gpu")


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_do_no_more_than_it_needs(name: str) -> None:
    """Read-only, no capabilities, no new privileges, bounded memory, on the loopback address unless asked otherwise."""
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert all(port.startswith("${SNELLEN_BIND:-127.0.0.1}:") for port in service["ports"])


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_has_a_version_or_is_built_here(name: str) -> None:
    """`latest` is somebody else's choice of the day."""
    service = SERVICES[name]
    assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"])


@pytest.mark.parametrize("name", OURS)
def test_the_service_has_time_to_drain(name: str) -> None:
    """Docker kills after the grace period; the service needs its delay, its limit and a moment to end."""
    settings = Settings()
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > settings.drain_delay_s + settings.drain_limit_s


def test_a_plain_up_needs_neither_a_gpu_nor_a_choice() -> None:
    """Only the CPU service and the two that watch it start without a profile, and no variable is required."""
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {
        "snellen",
        "prometheus",
        "grafana",
    }
    assert ":?" not in (ROOT / "docker-compose.yml").read_text()


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="needs docker-compose")
def test_docker_compose_accepts_it() -> None:
    """Every profile, by the real tool."""
    command = ["docker-compose", "--profile", "gpu", "--profile", "load", "config", "--quiet"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
