"""Names of classes: which names are valid, and how given names are matched with those of the source."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from unicodedata import normalize

from training.errors import DatasetError


def normalize_name(name: str) -> str:
    """Return `name` in composed Unicode (NFC): macOS decomposes file names, while typed options are composed."""
    return normalize("NFC", name)


def check_names(names: Sequence[str], where: str) -> None:
    """Raise DatasetError unless there are at least two classes, each with a printable name of its own."""
    for name in names:
        if not name.strip() or not name.isprintable():
            raise DatasetError(f"{where}: {name!a} cannot be the name of a class: rename it to printable text in UTF-8")
    shared = [name for name, count in Counter(names).items() if count > 1]
    if shared:
        raise DatasetError(f"{where}: two classes are called {shared[0]!r}: rename one, or put their images together")
    if len(names) < 2:
        only = f"only one class, {names[0]!r}" if names else "no class to train on"
        raise DatasetError(f"{where} has {only}: a classifier needs at least two")


def choose_names(found: Collection[str], wanted: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Return the labels in order: `wanted` where given, which must be exactly those found, else the found ones
    sorted.
    """
    names = tuple(normalize_name(name) for name in wanted) or tuple(sorted(found))
    if unknown := sorted(set(found) - set(names)):
        raise DatasetError(f"{where} has the class {unknown[0]!r}, which is not among the labels: {shorten(names)}")
    if missing := [name for name in names if name not in found]:
        raise DatasetError(
            f"{where} has no class {missing[0]!r}, which is among the labels; it has {shorten(sorted(found))}"
        )
    check_names(names, where)
    return names


def printable(path: Path) -> str:
    """Return the path for a message; a path that a terminal cannot show safely is escaped."""
    return str(path) if str(path).isprintable() else ascii(str(path))


def shorten(names: Sequence[str], limit: int = 10) -> str:
    """Return the first `limit` names, separated by commas, and the number of the others."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
