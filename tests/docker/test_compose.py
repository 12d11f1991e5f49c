"""docker-compose.yml keeps what docs/docker.md promises."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.access.keyring import Keyring
from service.settings import Settings
from tests.docker.monitoring import PROMETHEUS, ROOT, read_yaml

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


def test_api_keys_are_one_file_more() -> None:
    """Both services read them from a folder that Prometheus does not see, and Prometheus has a key of its own."""
    services = read_yaml(ROOT / "docker" / "compose.keys.yml")["services"]
    for name in OURS:
        assert services[name]["environment"] == {"SNELLEN_KEYS": "/keys/keys.txt"}
        assert services[name]["volumes"] == ["./keys/service:/keys:ro"]
    assert "./keys/prometheus:/keys:ro" in services["prometheus"]["volumes"]


def test_the_commands_that_make_the_keys_run(tmp_path: Path) -> None:
    """Prometheus gets a key that the file has, and containers of other users can read both."""
    section = (ROOT / "docs" / "docker.md").read_text().partition("### API keys")[2]
    block, compose = section.partition("```sh\n")[2].partition("```")[0].rstrip().rsplit("\n", 1)
    assert compose == "docker compose -f docker-compose.yml -f docker/compose.keys.yml up"
    shell = f'set -e\nsnellen() {{ "{sys.executable}" -m snellen "$@"; }}\n'
    subprocess.run(["sh", "-c", shell + block], cwd=tmp_path, check=True, capture_output=True)
    file, key = tmp_path / "keys" / "service" / "keys.txt", tmp_path / "keys" / "prometheus" / "key"
    found = Keyring(file).find(key.read_bytes().strip())
    assert found is not None
    assert found.scopes == {"metrics"}
    assert file.stat().st_mode & key.stat().st_mode & 0o044 == 0o044


def test_prometheus_with_a_key_differs_in_the_key_only() -> None:
    """Whatever is changed in one file is changed in the other."""
    with_key, without = read_yaml(PROMETHEUS.with_name("prometheus.keys.yml")), read_yaml(PROMETHEUS)
    authorization = with_key["scrape_configs"][0].pop("authorization")
    assert authorization == {"credentials_file": "/keys/key"}
    assert with_key == without


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="needs docker-compose")
def test_docker_compose_accepts_it() -> None:
    """Every profile, by the real tool."""
    for files in ([], ["-f", "docker-compose.yml", "-f", "docker/compose.keys.yml"]):
        command = ["docker-compose", *files, "--profile", "gpu", "--profile", "load", "config", "--quiet"]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
