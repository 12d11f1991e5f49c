"""The containers' health check asks the address that is served, whether flags or variables say so."""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.bundles import write_bundle
from tests.support.certificates import Authority
from tests.support.server import running

SCRIPT = ROOT / "docker" / "ready.py"
specification = importlib.util.spec_from_file_location("ready", SCRIPT)
assert specification is not None
assert specification.loader is not None
ready = importlib.util.module_from_spec(specification)
specification.loader.exec_module(ready)


@pytest.mark.parametrize(
    ("command", "environment", "address"),
    [
        ([], {}, ("127.0.0.1", 8000)),
        ([], {"SNELLEN_HOST": "0.0.0.0", "SNELLEN_PORT": "9000"}, ("127.0.0.1", 9000)),
        ([], {"SNELLEN_HOST": "::", "SNELLEN_PORT": "tcp://10.0.0.1:8000"}, ("127.0.0.1", 8000)),
        ([], {"snellen_host": "::1", "snellen_port": "81"}, ("::1", 81)),
        (["snellen", "serve", "--port", "9000", "--host=172.17.0.2", ""], {"SNELLEN_PORT": "1"}, ("172.17.0.2", 9000)),
        (["/sbin/docker-init", "--", "snellen", "serve", "--port=9000"], {}, ("127.0.0.1", 9000)),
        (["snellen", "serve", "--port", "1", "--port", "2"], {}, ("127.0.0.1", 2)),
    ],
)
def test_the_address_is_that_of_the_service(
    command: Sequence[str], environment: dict[str, str], address: tuple[str, int]
) -> None:
    """The last flag wins, then a variable, then the default; loopback stands for all addresses."""
    assert ready.served_address(ready.given(command, environment)) == address


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::1", "127.0.0.9"])
def test_it_reaches_a_service_on_any_address(tmp_path: Path, host: str) -> None:
    """Run as the container runs it; a port on which nothing listens gives status 1 and one line."""
    write_bundle(tmp_path)
    command = [sys.executable, "-IS", str(SCRIPT)]
    with running(tmp_path, "--host", host, "--allowed-hosts", "photos.example", wait=False) as server:
        shown = f"[{host}]" if ":" in host else host
        assert server.url == f"http://{shown}:{server.port}"
        environment = os.environ | {"SNELLEN_HOST": host, "SNELLEN_PORT": str(server.port)}
        while subprocess.run(command, env=environment, capture_output=True, check=False).returncode:
            assert server.process.poll() is None
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("clients", [False, True])
def test_it_speaks_tls_to_a_service_that_does(tmp_path: Path, clients: bool) -> None:
    """Whatever name the certificate has; where clients need one, with the service's own."""
    authority = Authority(tmp_path / "ca")
    authority.sign(tmp_path / "tls.crt", tmp_path / "tls.key")
    write_bundle(tmp_path / "models")
    files = {"SNELLEN_TLS_CERTIFICATE": "tls.crt", "SNELLEN_TLS_KEY": "tls.key"}
    files |= {"SNELLEN_TLS_CLIENT_CA": "ca/ca.crt"} if clients else {}
    files = {name: str(tmp_path / file) for name, file in files.items()}
    with running(tmp_path / "models", wait=False, **files) as server:
        environment = os.environ | files | {"SNELLEN_PORT": str(server.port)}
        command = [sys.executable, "-IS", str(SCRIPT)]
        end = time.monotonic() + 60
        while (done := subprocess.run(command, env=environment, capture_output=True, check=False)).returncode:
            assert time.monotonic() < end, done
        if clients:
            del environment["SNELLEN_TLS_CLIENT_CA"]
            assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 1
