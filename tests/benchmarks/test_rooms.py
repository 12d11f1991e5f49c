"""The rooms of the benchmarks, and which rooms each may import."""

import ast
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ROOMS = {
    "workloads": set[str](),
    "sample_images": {"workloads"},
    "peers": set[str](),
    "load": set[str](),
    "micro": {"workloads", "sample_images", "peers"},
    "harness": {"workloads", "sample_images", "peers", "load", "micro"},
    "report": {"workloads", "load", "harness"},
    "scenarios": {"workloads", "load", "harness"},
    "gpu": {"workloads", "sample_images", "load", "harness", "report"},
    "check": {"harness", "report"},
    "compare": {"workloads", "harness", "report", "check"},
}
"""Folder, or module in the root folder, and what it may import of the others; each imports only those above it."""


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(BENCHMARKS.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(file): file for file in sorted(BENCHMARKS.rglob("*.py"))}


def imports(file: Path) -> set[str]:
    """Return the modules of the benchmarks that a file imports, at its top level or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names & MODULES.keys()


def room(module: str) -> str:
    """Return the folder of a module, or the module's own name when it lies in the root folder."""
    return module.split(".")[1]


IMPORTS = {name: imports(file) for name, file in MODULES.items() if name != "benchmarks"}


def test_every_module_belongs_to_a_room_of_the_table() -> None:
    """A new folder or root module needs a row in the table."""
    assert {room(name) for name in IMPORTS} == set(ROOMS)


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_imports_only_the_rooms_of_its_row(name: str) -> None:
    """The failing assertion shows the forbidden imports with the modules that contain them."""
    allowed = ROOMS[name] | {name}
    forbidden = {
        (module, target)
        for module, targets in IMPORTS.items()
        if room(module) == name
        for target in targets
        if target != "benchmarks" and room(target) not in allowed
    }
    assert not forbidden


def test_the_table_allows_downward_imports_only() -> None:
    """A row names only rows above it, so there is no circle of rooms."""
    above: set[str] = set()
    for name, allowed in ROOMS.items():
        assert allowed <= above, name
        above.add(name)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Modules can be put in an order in which each imports only earlier ones."""
    remaining = {name: targets - {"benchmarks", name} for name, targets in IMPORTS.items()}
    while free := {name for name, targets in remaining.items() if not targets & remaining.keys()}:
        for name in free:
            del remaining[name]
    assert not remaining
