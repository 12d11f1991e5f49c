"""The bill of materials of an image: what it lists, and that CycloneDX's own schema accepts it."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scripts.sbom import BASE_NAME, PROBE, bill, main
from tests.conftest import ROOT
from tests.docker.test_image import build, docker, engine_runs

IMAGE = {
    "Id": f"sha256:{'a' * 64}",
    "Created": "2026-11-29T12:35:31.356290946Z",
    "Architecture": "amd64",
    "Config": {"Labels": {"org.opencontainers.image.title": "snellen", "org.opencontainers.image.version": "0.1.0"}},
}


def found_here() -> dict[str, Any]:
    """What PROBE finds on this machine."""
    done = subprocess.run([sys.executable, "-I", "-c", PROBE], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_kind_of_component_has_its_name_for_machines() -> None:
    """Package URLs of PyPI and of Debian; each component once, and the image depends on all."""
    package = {"name": "Ruamel_yaml", "version": "1.0+cpu", "folder": "/opt/a/lib/python3.11/site-packages"}
    found = found_here() | {
        "packages": [
            package | {"license": "MIT"},
            package | {"license": "MIT"},
            package | {"name": "b", "license": ""},
        ],
        "debian": [{"Package": "libc6", "Version": "2.36-9+deb12u10", "Architecture": "amd64"}],
        "system": {"ID": "debian", "VERSION_ID": "12"},
        "models": [{"name": "flowers", "version": "2", "sha256": "b" * 64}],
    }
    written = bill(found, IMAGE, {"type": "container", "name": "docker.io/library/python"})
    assert [each.get("purl", each["name"]) for each in written["components"]] == [
        "debian",
        f"pkg:generic/python@{found['python']}",
        "pkg:pypi/b@1.0%2Bcpu",
        "pkg:pypi/ruamel-yaml@1.0%2Bcpu",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12",
        "flowers",
    ]
    assert written["components"][3]["licenses"] == [{"expression": "MIT"}]
    (edges,) = written["dependencies"]
    assert edges["ref"] == IMAGE["Id"]
    assert edges["dependsOn"] == [each["bom-ref"] for each in written["components"]]
    assert written["metadata"]["component"]["pedigree"]["ancestors"][0]["name"] == "docker.io/library/python"
    assert written == bill(found, IMAGE, {"type": "container", "name": "docker.io/library/python"})


@pytest.mark.skipif(not engine_runs(), reason="needs a Docker engine")
def test_an_image_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is written."""
    assert main("snellen:no-such-image", tmp_path / "sbom.json") == 2
    assert "build it first" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not engine_runs(), reason="needs a Docker engine")
def test_make_sbom_lists_what_is_in_the_image(tmp_path: Path) -> None:
    """All that the lock file pins for the image, all of dpkg, the base image by digest; valid by the schema."""
    image, file = build(), tmp_path / "sbom.json"
    command = ["make", "--silent", "sbom", f"IMAGE={image}", f"SBOM={file}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    written = json.loads(file.read_text())
    urls = {each["purl"] for each in written["components"] if "purl" in each}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    installed = json.loads(docker("run", "--rm", "--entrypoint", "python", image, "-c", PIP_LIST))
    assert {f"pkg:pypi/{name}@{number}" for name, number in installed} <= urls
    assert f"pkg:pypi/snellen@{version}" in urls
    packages = docker("run", "--rm", "--entrypoint", "dpkg-query", image, "-W", "-f", "${Package} ${Version}\n")
    listed = {(each["name"], each["version"]) for each in written["components"] if "pkg:deb" in each.get("purl", "")}
    assert listed == {tuple(line.split()) for line in packages.splitlines()}
    (base,) = written["metadata"]["component"]["pedigree"]["ancestors"]
    label = docker("image", "inspect", "--format", f'{{{{index .Config.Labels "{BASE_NAME}"}}}}', image)
    assert f"{base['name']}:{base['version']}" == label
    assert len(base["hashes"][0]["content"]) == 64
    check = "import sys; from scripts.sbom import problems_of; print(problems_of(sys.stdin.read()))"
    program = [str(ROOT / "build" / "audit" / "bin" / "python"), "-c", check]
    for text, valid in ((file.read_text(), True), (file.read_text().replace('"library"', '"rubbish"'), False)):
        judged = subprocess.run(program, cwd=ROOT, input=text, capture_output=True, text=True, check=True).stdout
        assert (judged.strip() == "None") is valid


PIP_LIST = """
import importlib.metadata, json
names = [(each.metadata["Name"].lower().replace("_", "-"), each.version) for each in importlib.metadata.distributions()]
print(json.dumps(names))
"""
