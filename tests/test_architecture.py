"""Who may import whom: one table for the rooms of the service, one for the packages of others, and no circles."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("service", "models", "training", "snellen")

GROUND = {"errors", "heap", "settings", "setting_texts", "tasks", "types", "memfd"}
"""Files beside the rooms that every room may read."""
ROOF = {"app", "build", "command_line", "__main__", "check_process", "frontend", "engine_process"}
"""Files beside the rooms that compose them, and may import everything."""
MAY_IMPORT: dict[str, set[str]] = {
    "ground": set(),
    "telemetry": {"ground"},
    "decoding": {"ground"},
    "engine": {"ground"},
    "batching": {"ground"},
    "repository": {"batching", "engine", "telemetry", "ground"},
    "inference": {"repository", "batching", "decoding", "engine", "ground"},
    "access": {"ground"},
    "api": {
        "inference",
        "repository",
        "telemetry",
        "access",
        "ground",
        "service.engine.profile",
        "service.batching.admission",
    },
    "server": {"repository", "batching", "telemetry", "access", "ground", "service.engine.profile"},
}
"""Room -> what it may import besides itself: rooms, and single modules of other rooms."""
LIBRARIES: dict[str, set[str]] = {
    "fastapi": {"api", "roof"},
    "fastapi_offline": {"roof"},
    "starlette": {"api", "server"},
    "uvicorn": {"server"},
    "uvloop": {"roof"},
    "httptools": {"server"},
    "python_multipart": {"api"},
    "onnxruntime": {"engine"},
    "onnx": {"engine"},
    "openvino": {"models"},
    "PIL": {"decoding", "models"},
    "pillow_heif": {"decoding"},
    "prometheus_client": {"telemetry", "api"},
    "opentelemetry": {"telemetry"},
    "pydantic_settings": {"ground"},
    "torch": set(),
    "training": set(),
}
"""Package -> the rooms that import it, `models` and the service's among them; all of them do."""
WITHOUT_PYTORCH = ("training.evaluation", "training.importing", "training.model_card")
"""Rooms of training that make and judge bundles, with all that they import; the containers carry them."""
THEIR_LIBRARIES = {"numpy", "onnx", "onnxruntime", "PIL", "yaml", "pillow_heif"}
"""pillow_heif only where it is installed."""
LARGE_LIBRARIES = ("torch", "torchvision", "timm", "kornia", "sklearn", "scipy", "skimage", "matplotlib", "pyarrow")
CONTAINERS = ("docker/Dockerfile", "docker/Dockerfile.gpu")
TESTED_ROOMS = (
    *("access", "batching", "decoding", "engine", "inference", "repository", "api", "server", "telemetry"),
    *("app", "build", "check_process", "command_line", "engine_process", "errors", "frontend", "heap", "memfd"),
    *("setting_texts", "settings", "tasks", "types"),
)
"""Rooms, and files beside them, whose modules have a test file of their name."""
DATA_ONLY = {"service.api.v1.schemas", "service.inference.request", "service.telemetry.health"}
"""Modules without a test file: they define only data, without logic that could be wrong."""


def imports(path: Path) -> set[str]:
    """Modules that a file names, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): imports(path)
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
}


def room_of(module: str) -> str:
    """`decoding` of service.decoding.decode, `models` of models.bundle."""
    package, _, rest = module.partition(".")
    first = rest.partition(".")[0]
    if package != "service":
        return package
    if first in MAY_IMPORT:
        return first
    return "roof" if first in ROOF else "ground"


def importers(name: str) -> set[str]:
    """Modules that import a module or a part of it."""
    return {module for module, names in MODULES.items() if any(n == name or n.startswith(f"{name}.") for n in names)}


def test_every_file_beside_the_rooms_is_known() -> None:
    """A new file goes into a room."""
    beside = {module.split(".")[1] for module in MODULES if module.startswith("service.")} - MAY_IMPORT.keys()
    assert beside == GROUND | ROOF


@pytest.mark.parametrize("room", TESTED_ROOMS)
def test_every_module_with_logic_has_a_test_file_of_its_name(room: str) -> None:
    """`service/batching/queue.py` is tested by `tests/service/batching/test_queue.py`, also in deeper folders."""
    tested = {
        ".".join((*path.parent.relative_to(ROOT / "tests").parts, path.stem.removeprefix("test_")))
        for path in (ROOT / "tests/service").rglob("test_*.py")
    }
    folder = ROOT / "service" / room
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (folder.rglob("*.py") if folder.is_dir() else [folder.with_suffix(".py")])
        if path.stem != "__init__"
    }
    assert modules
    assert modules - tested - DATA_ONLY == set()


@pytest.mark.parametrize("module", sorted(DATA_ONLY))
def test_a_module_without_a_test_file_has_no_functions(module: str) -> None:
    """A module that gets logic gets a test file, and leaves the list of exceptions."""
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text())
    assert not any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(tree))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_what_its_row_allows(room: str) -> None:
    """Downwards only."""
    allowed = MAY_IMPORT[room] | {room}
    wrong = {
        (module, name)
        for module, names in MODULES.items()
        if module.startswith("service") and room_of(module) == room
        for name in names & MODULES.keys()
        if name.startswith("service.") and name not in allowed and room_of(name) not in allowed and name in MODULES
        if name.count(".") > 1 or room_of(name) in {"ground", "roof"}
    }
    assert not wrong


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_package_of_others_is_imported_by_its_rooms(library: str) -> None:
    """So that it can be exchanged; the service and the contract know nothing of PyTorch and of training."""
    assert {room_of(module) for module in importers(library)} - {"training", "snellen"} == LIBRARIES[library]


@pytest.mark.parametrize("package", ["service", "snellen"])
def test_the_choice_of_a_library_belongs_to_the_engine(package: str) -> None:
    """Elsewhere neither the name of OpenVINO nor that of the variant that it alone computes is compared."""
    names = {"openvino", "bf16"}
    wrong = {
        path.relative_to(ROOT)
        for path in (ROOT / package).rglob("*.py")
        if not path.is_relative_to(ROOT / "service/engine")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare | ast.match_case)
        for part in ast.walk(node.pattern if isinstance(node, ast.match_case) else node)
        if isinstance(part, ast.Constant) and part.value in names
    }
    assert not wrong


def modules_of(rooms: tuple[str, ...]) -> list[str]:
    """Packages and modules of rooms."""
    return sorted(module for module in MODULES if module.startswith(rooms))


def reached_from(modules: Iterable[str]) -> set[str]:
    """Modules of ours that are loaded with these: they themselves, their packages, and what those import."""
    reached: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in MODULES and name not in reached:
            reached.add(name)
            waiting += [*MODULES[name], name.rpartition(".")[0]]
    return reached


def test_rooms_without_pytorch_import_five_packages() -> None:
    """Making and judging a bundle takes numpy, onnx, onnxruntime, Pillow and PyYAML, whichever module is imported."""
    reached = [module for module in reached_from(modules_of(WITHOUT_PYTORCH)) if module.startswith("training")]
    packages = {name.partition(".")[0] for module in reached for name in MODULES[module]}
    assert packages - set(sys.stdlib_module_names) - set(PACKAGES) <= THEIR_LIBRARIES


@pytest.mark.parametrize("dockerfile", CONTAINERS)
def test_containers_carry_the_rooms_without_pytorch(dockerfile: str, tmp_path: Path) -> None:
    """Every module of these rooms is imported from the files that the image copies, with large packages blocked; the
    photos of an import are among the files.
    """
    for sources, target in re.findall(
        r"^COPY ((?:models|training)/.*) ([^/].*)$", (ROOT / dockerfile).read_text(), re.MULTILINE
    ):
        for source in [path for pattern in sources.split() for path in ROOT.glob(pattern)]:
            if source.is_dir():
                shutil.copytree(source, tmp_path / target)
            else:
                (tmp_path / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(source, tmp_path / target)
    code = f"""
import importlib, sys
sys.modules |= dict.fromkeys({LARGE_LIBRARIES!r})
for name in {modules_of(WITHOUT_PYTORCH)!r}:
    print(importlib.import_module(name).__file__)
from training.importing.golden_photos import shipped_photos
assert len(shipped_photos()) == 3
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True, text=True)
    assert {Path(line).is_relative_to(tmp_path) for line in done.stdout.splitlines()} == {True}


def test_training_does_not_know_the_service() -> None:
    """They meet in the contract."""
    assert not {module for module in importers("service") if room_of(module) == "training"}


@pytest.mark.parametrize("package", ["service", "training", "snellen"])
def test_the_contract_is_the_only_way_to_models(package: str) -> None:
    """Nothing reaches behind models.contract."""
    names = set().union(*(names for module, names in MODULES.items() if module.startswith(package)))
    assert {name.split(".")[1] for name in names if name.startswith("models.")} <= {"contract"}


def test_models_import_nothing_of_ours() -> None:
    """The contract is the bottom."""
    for package in ("service", "training", "snellen"):
        assert not {module for module in importers(package) if room_of(module) == "models"}


def test_only_the_command_imports_the_command() -> None:
    """It is the top."""
    assert {room_of(module) for module in importers("snellen")} <= {"snellen"}


def test_there_are_no_circles() -> None:
    """Modules of the service can be put in an order."""
    ours = {module: names for module, names in MODULES.items() if module.startswith("service.")}
    remaining = {module: (names & ours.keys()) - {module} for module, names in ours.items()}
    while free := [module for module, needs in remaining.items() if not needs]:
        for module in free:
            del remaining[module]
        for needs in remaining.values():
            needs.difference_update(free)
    assert not remaining


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("service.app", ("torch", "onnx", "training", "opentelemetry.sdk")),
        ("service.__main__", ("onnxruntime", "fastapi", "uvicorn")),
        ("models.contract", ("onnx", "onnxruntime", "openvino")),
    ],
)
def test_what_is_not_needed_is_not_loaded(module: str, unneeded: tuple[str, ...]) -> None:
    """Serving needs no PyTorch, the main process nothing of what frontends do. Checked in a fresh interpreter."""
    code = f"import {module}, sys; sys.exit(repr(found) if (found := sys.modules.keys() & {unneeded!r}) else 0)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
