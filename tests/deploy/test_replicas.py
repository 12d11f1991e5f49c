"""docker/compose.replicas.yml: replicas behind nginx, restarted one after the other as docs/docker.md says."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
import yaml

from tests.conftest import ROOT
from tests.docker.monitoring import read_yaml
from tests.docker.test_image import BASE, build, docker, engine_runs
from tests.support.proxies import NGINX_FILE, free_port
from tests.support.steady_load import SteadyLoad

COMPOSE = read_yaml(ROOT / "docker" / "compose.replicas.yml")
REPLICAS = ROOT / "deploy" / "nginx" / "replicas.conf"
LIMIT_S = 120
DEBIANS_NGINX = f"""FROM {BASE}
RUN apt-get update -q && apt-get install -y -q --no-install-recommends nginx-light && rm -rf /etc/nginx/sites-enabled
RUN echo 'error_log /dev/stderr; pid /tmp/nginx.pid; events {{}} http {{ access_log off; \\
    client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi; \\
    uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi; include /etc/nginx/conf.d/*.conf; }}' > /etc/nginx/nginx.conf
USER 101
ENTRYPOINT ["nginx", "-g", "daemon off;"]
"""
"""Debian's nginx, set up as the unprivileged image of compose is: no root, and all that it writes is below /tmp."""


def test_nginx_is_as_confined_as_the_others() -> None:
    """Its image has a version, and it listens on the loopback address unless asked otherwise."""
    nginx = COMPOSE["services"]["nginx"]
    assert (nginx["read_only"], nginx["cap_drop"], nginx["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert nginx["mem_limit"]
    assert re.search(r":\d+\.\d+\.\d+$", nginx["image"])
    assert nginx["ports"] == ["${SNELLEN_BIND:-127.0.0.1}:${NGINX_PORT:-8080}:8080"]


def test_both_files_for_nginx_say_the_same() -> None:
    """Limits, retries and nginx's own problems, with a prefix and without."""

    def directives(file: Path) -> set[str]:
        found = re.findall(
            r"^\s*((?:client|proxy|map|error_page|add_header|default|return)\b.*?);", file.read_text(), re.M
        )
        ours = {re.sub(r"\s+", " ", each).replace("/vision", "").replace("no server", "no replica") for each in found}
        return {each for each in ours if not each.startswith(("proxy_pass", "proxy_next_upstream_tries"))}

    assert directives(REPLICAS) == directives(NGINX_FILE)


def commands(heading: str) -> list[str]:
    """The shell blocks of a section of docs/docker.md."""
    section = (ROOT / "docs" / "docker.md").read_text().partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


class Site:
    """The compose project of the document: its address, its folder, and a shell in which its commands run."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.url = f"http://127.0.0.1:{port}"
        files = "-f docker-compose.yml -f docker/compose.replicas.yml -f image.yml"
        self._shell = (
            f'docker() {{ if [ "$1" = compose ]; then shift; docker-compose -p replicas{port} {files} "$@"; '
            'else command docker "$@"; fi; }\n'
        )
        self._environment = os.environ | {"NGINX_PORT": str(port), "SNELLEN_PORT": "0"}

    def run(self, script: str, timeout_s: float = 400) -> str:
        done = subprocess.run(
            ["bash", "-euc", self._shell + script],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def until_ready(self) -> None:
        end = time.monotonic() + LIMIT_S
        while httpx.get(f"{self.url}/readyz").status_code != 200:
            assert time.monotonic() < end, self.run("docker compose logs --tail 20")
            time.sleep(0.5)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    image = build()
    (tmp_path / "nginx").mkdir()
    (tmp_path / "nginx" / "Dockerfile").write_text(DEBIANS_NGINX)
    docker("build", "--network", "host", "--tag", "snellen-nginx:test", str(tmp_path / "nginx"), timeout_s=300)
    folder = tmp_path / "clone"
    for name in ("docker-compose.yml", "docker/compose.replicas.yml", "deploy/nginx/replicas.conf"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "models" / "fashion-mnist", folder / "models" / "fashion-mnist")
    one_process = {"SNELLEN_FRONTENDS": "1"}  # three replicas share the cores of the test machine
    services = {"snellen": {"image": image, "environment": one_process}, "nginx": {"image": "snellen-nginx:test"}}
    (folder / "image.yml").write_text(yaml.safe_dump({"services": services}))
    started = Site(folder, free_port())
    try:
        yield started
    finally:
        started.run("docker compose down --volumes")


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.skipif(
    not engine_runs() or shutil.which("docker-compose") is None, reason="needs a Docker engine and docker-compose"
)
def test_a_rolling_restart_of_the_replicas_loses_no_request(site: Site) -> None:
    """Then four replicas instead of three, and all are used."""
    up, restart, more = commands("Replicas")
    assert up.startswith("SNELLEN_PORT=0 docker compose -f docker-compose.yml -f docker/compose.replicas.yml up")
    site.run("docker compose up --detach --no-build --scale snellen=3 snellen nginx")
    site.until_ready()
    before = site.run("docker inspect --format '{{.State.StartedAt}}' $(docker compose ps -q snellen)").split()
    site.run(HEALTHY)
    with SteadyLoad(f"127.0.0.1:{site.port}", "/v1/classify") as load:
        time.sleep(1)
        site.run(restart)
        site.run(more.replace("up --detach", "up --detach --no-build"))
        site.run(HEALTHY)
        time.sleep(3)
    assert load.failed == []
    assert load.answered > 100
    assert not set(before) & set(
        site.run("docker inspect --format '{{.State.StartedAt}}' $(docker compose ps -q snellen)").split()
    )
    addresses = site.run("for each in $(docker compose ps -q snellen); do docker port $each 8000; done").split()
    assert len(addresses) == 4
    for address in addresses:
        assert 'status="200"' in httpx.get(f"http://{address}/metrics").text


HEALTHY = """for each in $(docker compose ps -q snellen); do
  until [ "$(docker inspect --format '{{.State.Health.Status}}' $each)" = healthy ]; do sleep 0.5; done
done"""
