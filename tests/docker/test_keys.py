"""API keys in containers: as the compose files start them, and with files that change as Kubernetes changes them."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
import yaml

from tests.conftest import ROOT
from tests.docker.test_image import PHOTO, Container, build, docker, engine_runs
from tests.snellen.command import in_process
from tests.support.api_keys import bearer
from tests.support.certificates import Authority

needs_an_engine = pytest.mark.skipif(not engine_runs(), reason="needs a Docker engine")
DOCUMENT = (ROOT / "docs" / "docker.md").read_text()
LIMIT_S = 60


@pytest.fixture(scope="module")
def built() -> str:
    return build()


def until(holds: Callable[[], bool], container: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < end, docker("logs", container)
        time.sleep(0.2)


def add(file: Path, name: str, *scopes: str) -> str:
    """Make a key as an operator does, and return it; the container's user can read the file."""
    key = in_process("keys", "add", name, "--scopes", ",".join(scopes), "--keys", file).stdout.strip()
    file.chmod(0o644)
    return key


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def composed(built: str, tmp_path: Path) -> Iterator[tuple[str, str, Path]]:
    """The service as the two compose files start it, from an image of this code: container, address, key file."""
    folder = tmp_path / "clone"
    (folder / "docker").mkdir(parents=True)
    (folder / "keys" / "service").mkdir(parents=True)
    for name in ("docker-compose.yml", "docker/compose.keys.yml"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "models" / "fashion-mnist", folder / "models" / "fashion-mnist")
    (folder / "image.yml").write_text(yaml.safe_dump({"services": {"snellen": {"image": built}}}))
    file, port = folder / "keys" / "service" / "keys.txt", free_port()
    file.touch()
    files = ("-f", "docker-compose.yml", "-f", "docker/compose.keys.yml", "-f", "image.yml")
    compose = ("docker-compose", "-p", f"keys{port}", *files)
    environment = os.environ | {"SNELLEN_PORT": str(port)}

    def run(*arguments: str) -> str:
        done = subprocess.run([*compose, *arguments], cwd=folder, env=environment, capture_output=True, text=True)  # noqa: PLW1510
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    try:
        run("up", "--detach", "--no-build", "snellen")
        yield run("ps", "--quiet", "snellen"), f"http://127.0.0.1:{port}", file
    finally:
        run("down", "--volumes")


def until_healthy(container: str) -> None:
    until(lambda: docker("inspect", "--format", "{{.State.Health.Status}}", container) == "healthy", container)


@pytest.mark.slow
@pytest.mark.timeout(900)
@needs_an_engine
@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="needs docker-compose")
def test_the_compose_files_let_in_only_clients_with_a_key(composed: tuple[str, str, Path]) -> None:
    """Healthy with keys; a key that is added or revoked is followed without a restart; `snellen models` needs none."""
    container, url, file = composed
    until_healthy(container)
    template = "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}"
    confined = docker("inspect", "--format", template, container)
    assert confined == "10001:10001 true [ALL] [no-new-privileges:true]"
    started = docker("inspect", "--format", "{{.State.StartedAt}} {{.RestartCount}}", container)
    assert "OPEN TO EVERYBODY" not in docker("logs", container)

    def status(key: str | None) -> int:
        headers = {} if key is None else bearer(key)
        return httpx.post(f"{url}/v1/classify", content=PHOTO.read_bytes(), headers=headers).status_code

    assert (status(None), httpx.get(f"{url}/v1/models").status_code) == (401, 401)
    shop = add(file, "shop", "classify", "read")
    until(lambda: status(shop) == 200, container)
    assert status(None) == 401
    assert httpx.get(f"{url}/metrics", headers=bearer(shop)).status_code == 403
    assert in_process("keys", "revoke", "shop", "--keys", file).returncode == 0
    until(lambda: status(shop) == 401, container)
    assert "fashion-mnist/" in docker("exec", container, "snellen", "models", "list")
    assert docker("inspect", "--format", "{{.State.StartedAt}} {{.RestartCount}}", container) == started
    assert docker("inspect", "--format", "{{.State.Health.Status}}", container) == "healthy"


class Projected:
    """A folder whose files Kubernetes writes: links through `..data`, which is exchanged in one step."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._count = folder, 0
        folder.mkdir()

    def publish(self, files: dict[str, bytes]) -> None:
        self._count += 1
        content, link = self.folder / f"..version_{self._count}", self.folder / "..data_tmp"
        content.mkdir()
        for name, data in files.items():
            (content / name).write_bytes(data)
        link.symlink_to(content.name)
        link.rename(self.folder / "..data")
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        for old in self.folder.glob("..version_*"):
            if old != content:
                shutil.rmtree(old)


@pytest.mark.slow
@pytest.mark.timeout(900)
@needs_an_engine
def test_secrets_that_kubernetes_exchanges_are_followed(built: str, tmp_path: Path) -> None:
    """Keys and certificates, also at the admin port; healthy with TLS; the process is the same all the time."""
    authority = Authority(tmp_path / "ca")
    keys, tls = Projected(tmp_path / "keys"), Projected(tmp_path / "tls")
    file, pair = tmp_path / "keys.txt", (tmp_path / "tls.crt", tmp_path / "tls.key")

    def publish() -> int:
        """Publish the key file and a new certificate, and return the serial number of the certificate."""
        authority.sign(*pair)
        keys.publish({"keys.txt": file.read_bytes()})
        tls.publish({each.name: each.read_bytes() for each in pair})
        shown = subprocess.run(
            ["openssl", "x509", "-noout", "-serial", "-in", str(pair[0])], capture_output=True, text=True, check=True
        )
        return int(shown.stdout.strip().removeprefix("serial="), 16)

    old, operator = add(file, "shop", "read"), add(file, "operator", "admin")
    publish()
    variables = {
        "KEYS": "/keys/keys.txt",
        "TLS_CERTIFICATE": "/tls/tls.crt",
        "TLS_KEY": "/tls/tls.key",
        "ADMIN_PORT": "9000",
        "ADMIN_HOST": "0.0.0.0",
    }
    options = [part for name, value in variables.items() for part in ("--env", f"SNELLEN_{name}={value}")]
    mounts = ("--volume", f"{keys.folder}:/keys:ro", "--volume", f"{tls.folder}:/tls:ro", "--tmpfs", "/tmp")
    container = Container(built, (*options, *mounts, "--publish", "127.0.0.1::9000"))
    try:
        container.until_healthy()
        url = container.url.replace("http://", "https://")
        admin = "https://" + docker("port", container.id, "9000").splitlines()[0]
        trusting = authority.context()

        def status(address: str, key: str) -> int:
            return httpx.get(address, headers=bearer(key), verify=trusting).status_code

        def serial(address: str) -> int:
            host, port = address.removeprefix("https://").split(":")
            with (
                socket.create_connection((host, int(port)), timeout=30) as plain,
                trusting.wrap_socket(plain, server_hostname=host) as encrypted,
            ):
                return int(str((encrypted.getpeercert() or {})["serialNumber"]), 16)

        assert (status(f"{url}/v1/models", old), status(f"{admin}/models", operator)) == (200, 200)
        assert (status(f"{admin}/models", old), status(f"{url}/v1/models", "none")) == (403, 401)
        assert "imagenet/" in docker("exec", container.id, "snellen", "models", "list")
        running = docker("inspect", "--format", "{{.State.Pid}} {{.State.StartedAt}}", container.id)
        file.unlink()
        new, successor = add(file, "shop", "read"), add(file, "operator", "admin")
        expected = publish()
        until(lambda: status(f"{url}/v1/models", new) == 200, container.id)
        until(lambda: status(f"{admin}/models", successor) == 200, container.id)
        assert (status(f"{url}/v1/models", old), status(f"{admin}/models", operator)) == (401, 401)
        until(lambda: {serial(url), serial(admin)} == {expected}, container.id)
        assert docker("inspect", "--format", "{{.State.Pid}} {{.State.StartedAt}}", container.id) == running
        container.until_healthy()
    finally:
        docker("rm", "--force", container.id)


@pytest.mark.slow
@pytest.mark.timeout(900)
@needs_an_engine
def test_keys_are_made_in_a_container(built: str, tmp_path: Path) -> None:
    """By the command of the document, where `snellen` is not installed."""
    (command,) = re.findall(r"`(docker run --rm --user [^`]+ keys add [^`]+)`", DOCUMENT)
    folder = tmp_path / "keys" / "service"
    folder.mkdir(parents=True)
    replaced = command.replace("snellen:cpu", built).replace("$PWD", str(tmp_path))
    replaced = replaced.replace("$(id -u):$(id -g)", f"{os.getuid()}:{os.getgid()}")
    done = docker(*shlex.split(replaced)[1:])
    assert done.startswith("snl_")
    assert "sha256=" in (folder / "keys.txt").read_text()
