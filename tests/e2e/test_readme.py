"""The commands at the top of README.md, each as it stands there; that of the container is in tests/docker."""

import os
import shlex
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.bundles import write_bundle
from tests.support.pictures import GREEN, picture
from tests.support.readme import ROOT, commands
from tests.support.server import ServerProcess, running_command

PHOTO = (ROOT / "models/imagenet/1/golden/espresso.jpg").read_bytes()
OURS = ("PYTHONPATH", "SNELLEN_MODELS", "SNELLEN_FRONTENDS")
"""Variables of this environment that a new user does not have."""

pytestmark = pytest.mark.timeout(900)


def assert_espresso(server: ServerProcess) -> None:
    """The model imagenet answers."""
    answer = httpx.post(f"{server.url}/v1/classify", content=PHOTO).json()
    assert (answer["model"], answer["results"][0]["predictions"][0]["label"]) == ("imagenet", "espresso")


def test_make_serves_the_clone() -> None:
    """With the environment of this test as the one that make has made."""
    (serve,) = commands("From this clone")
    made = [f"VENV={sys.prefix}", "--old-file", f"{sys.prefix}/.service"]
    with running_command(*shlex.split(serve), *made, "PORT=0", environment=os.environ, folder=ROOT) as server:
        assert_espresso(server)
        assert f"models: fashion-mnist/3, imagenet/1 from {ROOT / 'models'}" in server.log
        server.terminate()
        server.process.wait(30)


@dataclass
class Installed:
    """A virtual environment with the wheel, and the variables of a shell in which it is active."""

    folder: Path
    variables: Mapping[str, str]

    @property
    def serve(self) -> list[str]:
        """The command of README.md, on a free port."""
        return [str(self.folder / "bin/snellen"), *shlex.split(commands("With pip")[-1])[1:], "--port", "0"]

    def run(self, *arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
        """Run `snellen` to its end."""
        command = [str(self.folder / "bin/snellen"), *arguments]
        return subprocess.run(
            command, cwd=folder, env=self.variables, capture_output=True, text=True, timeout=60, check=False
        )


@pytest.fixture(
    scope="module", params=["packages of this environment", pytest.param("all of pip", marks=pytest.mark.slow)]
)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """A new virtual environment in which the commands of README.md have made and installed the wheel.

    It sees the packages of this environment, but for Snellen; in the slow variant pip installs all of them.
    """
    folder, dist = tmp_path_factory.mktemp("environment"), tmp_path_factory.mktemp("dist")
    venv.create(folder, with_pip=True)
    variables = {name: value for name, value in os.environ.items() if name not in OURS} | {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "MAKEFLAGS": f"VENV={sys.prefix} DIST={dist}",
    }
    make, pip, _ = commands("With pip")
    pip = pip.replace("dist/", f"{dist}/")
    if request.param != "all of pip":
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
        pip += " --no-deps"
    for command in (make, pip):
        done = subprocess.run(
            ["sh", "-c", command], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = dist.iterdir()
    assert 17e6 < wheel.stat().st_size < 19e6, "README.md says 18 MB"
    return Installed(folder, variables)


def test_the_wheel_serves_a_photo_in_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    """The log says which model answers, where it lies, and how to serve another one; nothing is written."""
    with running_command(*installed.serve, environment=installed.variables, folder=tmp_path) as server:
        assert_espresso(server)
        line = next(line for line in server.lines if "models: " in line)
    assert f"models: imagenet/1, built in ({installed.folder}" in line
    assert "for your own: snellen serve FILE.onnx --labels labels.txt, or --models FOLDER" in line
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_other_models_is_passed_over(installed: Installed, tmp_path: Path) -> None:
    """And named; where the user names it, it is not."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "notes.txt").touch()
    with running_command(*installed.serve, environment=installed.variables, folder=tmp_path) as server:
        assert_espresso(server)
        assert f"the folder {tmp_path / 'models'} is passed over" in server.log
    refused = installed.run("serve", "--port", "0", "--models", "models", folder=tmp_path)
    assert (refused.returncode, "no bundle <name>/<version>/manifest.json" in refused.stderr) == (2, True)


def test_bundles_in_the_working_folder_are_served(installed: Installed, tmp_path: Path) -> None:
    """In the place of the built-in one."""
    write_bundle(tmp_path / "models")
    with running_command(*installed.serve, environment=installed.variables, folder=tmp_path) as server:
        assert httpx.post(f"{server.url}/v1/classify", content=picture(GREEN)).json()["model"] == "colours"
        assert f"models: colours/1 from {tmp_path / 'models'}" in server.log


def test_the_other_commands_work_without_a_clone(installed: Installed, tmp_path: Path) -> None:
    """Those of training say which extra has their packages."""
    verified = installed.run("verify", "imagenet", folder=tmp_path)
    assert (verified.returncode, "ok imagenet/1" in verified.stdout) == (0, True), verified.stderr
    refused = installed.run("summary", "resnet-18", folder=tmp_path)
    assert (refused.returncode, "run pip install 'snellen[train]'" in refused.stderr) == (1, True)


def test_the_wheel_of_the_readme_is_that_of_this_version() -> None:
    """And holds the newest version of imagenet."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert f"snellen-{project['project']['version']}-py3-none-any.whl" in commands("With pip")[1]
    newest = max(int(path.parent.name) for path in ROOT.glob("models/imagenet/*/manifest.json"))
    for target in ("wheel", "sdist"):
        assert f"!models/imagenet/{newest}" in project["tool"]["hatch"]["build"]["targets"][target]["exclude"]
