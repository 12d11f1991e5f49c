"""Who imports whom, as STYLE has it; a new arrow in the wrong direction fails here."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("service", "models", "training", "snellen")


def imports(path: Path) -> set[str]:
    """Modules that a file names, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


FILES = {
    path.relative_to(ROOT).as_posix(): imports(path) for package in OURS for path in (ROOT / package).rglob("*.py")
}


def importers(module: str) -> set[str]:
    """Files that import a module or a part of it."""
    return {file for file, names in FILES.items() if any(n == module or n.startswith(f"{module}.") for n in names)}


def in_package(files: set[str], package: str) -> set[str]:
    return {file for file in files if file.startswith(f"{package}/")}


@pytest.mark.parametrize(("package", "other"), [("service", "training"), ("training", "service")])
def test_service_and_training_do_not_know_each_other(package: str, other: str) -> None:
    """They meet in the contract."""
    assert not in_package(importers(other), package)


@pytest.mark.parametrize("package", ["service", "training", "snellen"])
def test_the_contract_is_the_only_door_to_models(package: str) -> None:
    """Nothing reaches behind models.contract."""
    names = set().union(*(names for file, names in FILES.items() if file.startswith(f"{package}/")))
    assert {name.split(".")[1] for name in names if name.startswith("models.")} <= {"contract"}


def test_models_depends_on_nothing_of_ours() -> None:
    """The contract is the bottom."""
    for package in ("service", "training", "snellen"):
        assert not in_package(importers(package), "models")


def test_nobody_imports_the_command() -> None:
    """It is the top."""
    assert all(file.startswith("snellen/") for file in importers("snellen"))


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("onnxruntime", {"service/engine/onnx_engine.py", "service/engine/session.py", "service/engine/io_binding.py"}),
        ("onnx", {"service/engine/class_map_graph.py", "service/engine/external_data.py"}),
        ("uvicorn", {"service/server/http/server.py", "service/server/http/connection.py"}),
        (
            "prometheus_client",
            {
                "service/telemetry/metrics.py",
                "service/telemetry/histogram.py",
                "service/api/health.py",
                "service/telemetry/snapshot.py",
            },
        ),
        ("pydantic_settings", {"service/settings.py", "service/__main__.py"}),
        ("python_multipart", {"service/api/v1/body_parser.py"}),
        ("PIL", {"service/decoding/decode.py", "service/decoding/plain_png.py", "models/image.py"}),
    ],
)
def test_a_foreign_library_has_its_place(library: str, allowed: set[str]) -> None:
    """In the service and the contract, so that it can be exchanged."""
    assert {file for file in importers(library) if not file.startswith("training/")} == allowed


def test_http_stays_at_the_edge() -> None:
    """The use case and what lies below know neither FastAPI nor Starlette."""
    inner = {"classifier", "answers", "batching", "engine", "decoding", "admission", "bodies", "registry", "rendering"}
    inner |= {"json_body", "steps"}
    inner |= {
        "dense",
        "dense_lane",
        "graph",
        "class_map_branch",
        "observers",
        "session",
        "device_binding",
        "buckets",
        "batch_profile",
    }
    knowing = importers("fastapi") | importers("starlette")
    assert not knowing & {f"service/{name}.py" for name in inner}


def test_torch_stays_in_training() -> None:
    """Nobody needs PyTorch to serve."""
    assert in_package(importers("torch"), "training") == importers("torch")


def test_there_are_no_circles() -> None:
    """Modules of the service can be put in an order."""
    graph = {
        file.removesuffix(".py").replace("/", "."): {name for name in names if name.startswith("service.")}
        for file, names in FILES.items()
        if file.startswith("service/")
    }
    remaining = {module: needs & graph.keys() for module, needs in graph.items()}
    while free := [module for module, needs in remaining.items() if not needs]:
        for module in free:
            del remaining[module]
        for needs in remaining.values():
            needs.difference_update(free)
    assert not remaining


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [("service.app", ("torch", "onnx", "training")), ("service.__main__", ("onnxruntime", "fastapi", "uvicorn"))],
)
def test_what_is_not_needed_is_not_loaded(module: str, unneeded: tuple[str, ...]) -> None:
    """Serving needs no PyTorch, starting fronts nothing of what they do. Checked in a fresh interpreter."""
    code = f"import {module}, sys; sys.exit(repr(found) if (found := sys.modules.keys() & {unneeded!r}) else 0)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
