"""Imports between the rooms of training run downwards only."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

TRAINING = Path(__file__).parents[2] / "training"

ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "progress": set(),
    "data": {"errors"},
    "evaluation": {"errors", "data"},
    "model_card": {"evaluation"},
    "networks": {"errors", "model_card"},
    "onnx_graph": {"errors"},
    "importing": {"errors", "data", "model_card", "evaluation"},
    "export": {"errors", "networks", "evaluation", "importing"},
    "loop": {"errors", "progress", "data", "networks", "evaluation"},
    "pretrained": {"errors", "model_card", "networks", "importing", "export"},
    "optimize": {"errors", "data", "model_card", "onnx_graph", "evaluation", "importing", "export", "loop"},
    "report": {"errors", "data", "onnx_graph", "evaluation", "importing", "loop"},
    "initialization": {"errors", "data", "networks", "loop", "pretrained"},
    "train": {
        "errors",
        "data",
        "model_card",
        "networks",
        "evaluation",
        "importing",
        "export",
        "loop",
        "initialization",
    },
}
"""Room, or file beside the rooms, from the lowest to the highest -> the rooms of training that it may import."""


def imported_modules(path: Path) -> set[str]:
    """Return what a file imports, at its head or inside a function: modules, and `module.name` for each name."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import hides its room"
            modules |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def imported_rooms(path: Path) -> set[str]:
    """Return the rooms of training that a file imports."""
    return {module.split(".")[1] for module in imported_modules(path) if module.startswith("training.")}


def room_of(path: Path) -> str:
    """Return the first folder below training, or the name of a file that lies in none."""
    return path.relative_to(TRAINING).parts[0].removesuffix(".py")


FILES = [path for path in sorted(TRAINING.rglob("*.py")) if path != TRAINING / "__init__.py"]
IMPORTS = {
    room: set().union(*(imported_rooms(path) for path in FILES if room_of(path) == room)) - {room} for room in ALLOWED
}


def has_logic(path: Path) -> bool:
    """Return whether a file has a function or a method; tables, constants and plain data need no test."""
    return any(isinstance(node, ast.FunctionDef) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def test_every_module_with_logic_has_a_test_file_of_its_name() -> None:
    """The tests of a module are found without a search."""
    tests = Path(__file__).parent
    modules = [path.relative_to(TRAINING) for path in FILES if has_logic(path)]
    missing = [str(module) for module in modules if not (tests / module.parent / f"test_{module.name}").is_file()]
    assert not missing


def test_every_file_is_in_a_room_of_the_table() -> None:
    """The table lists all rooms, and no others."""
    assert {room_of(path) for path in FILES} == set(ALLOWED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(TRAINING).as_posix())
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    """A new import in the wrong direction fails here."""
    room = room_of(path)
    assert imported_rooms(path) - {room} <= ALLOWED[room]


@pytest.mark.parametrize("room", ALLOWED)
def test_the_table_allows_no_more_than_is_used(room: str) -> None:
    """A permission that no file needs any more is removed from the table."""
    assert ALLOWED[room] == IMPORTS[room]


def test_the_table_runs_downwards() -> None:
    """A room may import only rooms that the table lists before it."""
    order = list(ALLOWED)
    upwards = {
        (room, other) for room, others in ALLOWED.items() for other in others if order.index(other) >= order.index(room)
    }
    assert not upwards


def test_there_are_no_circles_between_rooms() -> None:
    """The rooms can be put in an order in which each imports only earlier ones."""
    assert set(TopologicalSorter(IMPORTS).static_order()) == set(ALLOWED)


def test_there_are_no_circles_between_modules() -> None:
    """The modules can be put in an order, also those of one room."""
    names = {".".join(("training", *path.relative_to(TRAINING).with_suffix("").parts)): path for path in FILES}
    graph = {name: imported_modules(path) & names.keys() for name, path in names.items()}
    assert set(TopologicalSorter(graph).static_order()) == names.keys()
