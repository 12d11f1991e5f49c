"""Names of classes: which names are valid, and how given names are matched with those of the source."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from decimal import Decimal
from pathlib import Path
from unicodedata import category, normalize

from training.errors import DatasetError

_NOT_IN_NAMES = ("Cc", "Cs")
"""Categories of Unicode: control characters, surrogates."""
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def normalize_name(name: str) -> str:
    """Return `name` in composed Unicode (NFC) and without blanks at its ends.

    macOS decomposes names of files, while typed options are composed.
    """
    return normalize("NFC", name).strip()


def check_names(names: Sequence[str], where: str) -> None:
    """Raise DatasetError unless there are at least two classes, each with a name of its own.

    A name is any text of Unicode without control characters, such as line ends, and unpaired surrogates, which stand
    for bytes that are no UTF-8.
    """
    for name in names:
        if not name.strip() or any(category(letter) in _NOT_IN_NAMES for letter in name):
            raise DatasetError(
                f"{where}: {name!a} cannot be the name of a class: rename it, without control characters and in UTF-8"
            )
    shared = [name for name, count in Counter(names).items() if count > 1]
    if shared:
        raise DatasetError(f"{where}: two classes are called {shared[0]!r}: rename one, or put their images together")
    if len(names) < 2:
        only = f"only one class, {names[0]!r}" if names else "no class to train on"
        raise DatasetError(f"{where} has {only}: a classifier needs at least two")


def in_order(names: Collection[str]) -> tuple[str, ...]:
    """Return the names of classes sorted: by their number where all are numbers, such as -1, 2.5, 10, else as texts."""
    if all(_NUMBER.fullmatch(name) for name in names):
        return tuple(sorted(names, key=lambda name: (Decimal(name), name)))
    return tuple(sorted(names))


def same_but_for_case(names: Collection[str]) -> list[tuple[str, ...]]:
    """Return the names that differ only in case, those of a group together, in their order."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.casefold(), []).append(name)
    return [tuple(group) for group in alike.values() if len(group) > 1]


def choose_names(found: Collection[str], wanted: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Return the labels in order: `wanted` where given, which must be exactly those found, else the found ones
    by `in_order`.
    """
    names = tuple(normalize_name(name) for name in wanted) or in_order(found)
    if wanted and "" in names:
        raise DatasetError(
            f"one of the labels is empty: write names between the commas, as in --labels {_example(found)}"
        )
    if unknown := sorted(set(found) - set(names)):
        raise DatasetError(f"{where} has the class {unknown[0]!r}, which is not among the labels: {shorten(names)}")
    if missing := [name for name in names if name not in found]:
        raise DatasetError(
            f"{where} has no class {missing[0]!r}, which is among the labels; it has {shorten(sorted(found))}"
        )
    check_names(names, where)
    return names


def _example(found: Collection[str]) -> str:
    return ",".join(in_order(found)[:2])


def instead_of(name: str, names: Collection[str]) -> str | None:
    """Return a sentence on the class of `names` that differs from `name` only in case; None where there is none."""
    same = [other for other in names if other.casefold() == name.casefold()]
    return f"write {same[0]!r} where they are the same class" if same else None


def printable(path: Path) -> str:
    """Return the path for a message; a path that a terminal cannot show safely is escaped."""
    return str(path) if str(path).isprintable() else ascii(str(path))


def shorten(names: Sequence[str], limit: int = 10) -> str:
    """Return the first `limit` names, separated by commas, and the number of the others."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def beside_a_name(name: str) -> str:
    """Return what to say where a data set was chosen by its name, and a file or folder has the same one."""
    return f"{name} is the data set of this name; what is called {name} in this folder is read with --data ./{name}"


def count_of(number: int, noun: str) -> str:
    """Return a number and a noun in its singular or plural, as in `1 image` and `2,000 images`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def what_is_wrong_with(path: Path, source: str) -> str:
    """Return why what is at `path` is no source of images. source: the same path as it was given."""
    if not source or not path.exists():
        return f"there are no data at {source!r}"
    if path.suffix.casefold() in _ARCHIVES:
        return f"{printable(path)} has to be unpacked first"
    return f"{printable(path)} is no folder and no table"
