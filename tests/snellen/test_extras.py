"""What is not installed is named with the command that installs it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from snellen import extras

ROOT = Path(__file__).parents[2]
IN_THIS_CLONE = "in this clone run make install-training, then .venv-train/bin/snellen"


def without(*modules: str, command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in an environment that lacks these modules."""
    code = f"import sys; sys.modules |= dict.fromkeys({modules!r}); from snellen.__main__ import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *command.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_a_clone_has_targets_of_make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And an installed package has extras."""
    assert IN_THIS_CLONE in extras.missing_message(["torch"], "train")
    assert "in this clone run make serve" in extras.missing_message(["uvicorn"], "cpu")
    assert "-m pip install pyarrow fsspec" in extras.missing_message(["fsspec"], "bulk")
    monkeypatch.setattr(extras, "_ROOT", tmp_path)
    assert extras.missing_message(["torch", "timm"], "train") == (
        f"torch, timm not installed in {sys.prefix}; run pip install 'snellen[train]'"
    )


def test_every_package_of_the_service_is_known() -> None:
    """Unless another one of them brings it, or Pillow does its work where it is missing."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {re.split(r"[\[<>=~;]", each)[0].replace("-", "_") for each in project["service"] + project["cpu"]}
    assert names - {"snellen", "cykooz_resizer"} == set(extras.SERVING) - {"starlette"}
    assert "snellen[cpu]" in project["train"]
    modules = {"markdown_it_py": "markdown_it", "scikit_image": "skimage", "scikit_learn": "sklearn"}
    trained = {re.split(r"[\[<>=~;]", each)[0].replace("-", "_") for each in project["train"]}
    known = {modules.get(name, name) for name in trained if not name.startswith("efficientnet")} - {"snellen"}
    assert known | {"onnx", "onnxruntime"} == set(extras.TRAINING)
    assert {re.split(r"[<>=~;]", each)[0] for each in project["bulk"]} == {"pyarrow", "fsspec"}
    assert [extras.extra_of(name) for name in ("uvicorn.config", "onnx", "torch", "json")] == [
        "cpu",
        "cpu",
        "train",
        None,
    ]


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ("pydantic_settings", "serve --port 0"),
        ("onnxruntime", "serve --port 0"),
        ("onnxruntime", "verify models/fashion-mnist/3"),
        ("onnxruntime", "bench models/fashion-mnist/3"),
        ("pydantic_settings", "tune fashion-mnist"),
        ("onnx", "serve none.onnx"),
    ],
)
def test_a_command_without_its_packages_says_what_to_install(missing: str, command: str) -> None:
    """In one line, with status 1."""
    done = without(missing, command=command)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith(f"snellen: {missing} not installed in {sys.prefix}; in this clone run make serve")


def test_a_command_of_training_names_all_that_is_missing() -> None:
    """At once."""
    done = without("torch", "timm", command="summary resnet-18")
    assert (done.returncode, "timm, torch" in done.stderr, IN_THIS_CLONE in done.stderr) == (
        1,
        True,
        True,
    )


def pinned(name: str) -> set[str]:
    """Return the packages of a file in requirements/, as in `numpy==2.4.6`."""
    text = (ROOT / f"requirements/{name}.txt").read_text()
    return set(re.findall(r"^([a-z0-9._-]+==[^ ;]+)", text, re.MULTILINE))


def test_the_training_environment_pins_the_service_too() -> None:
    """In the versions of the service's own environment, but for packages that depend on the Python version."""
    assert pinned("cpu") - pinned("train") == set()


def test_the_image_with_openvino_pins_the_service_too() -> None:
    """In the same versions, and besides them OpenVINO and what it needs."""
    assert pinned("cpu") - pinned("openvino") == set()
    assert {pin.partition("==")[0] for pin in pinned("openvino") - pinned("cpu")} == {"openvino", "openvino-telemetry"}


def test_several_missing_modules_are_named_at_once() -> None:
    """Whichever of them is imported first."""
    done = without("uvicorn", "fastapi", "httptools", command="serve --port 0")
    assert done.stderr.startswith("snellen: fastapi, httptools, uvicorn not installed"), done.stderr


def test_another_missing_module_is_a_traceback() -> None:
    """Since it is a fault of Snellen."""
    done = without("service.settings", command="serve")
    assert "ModuleNotFoundError: import of service.settings halted" in done.stderr
