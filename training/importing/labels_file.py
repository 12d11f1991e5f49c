"""Names of classes from a file of the user: text, JSON or CSV, as exporters and tutorials write them."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from training.errors import DatasetError

_LABEL_COLUMNS = ("label", "name", "class", "class_name")
_INDEX_COLUMNS = ("index", "id", "class_id", "class_index")


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the labels in the order of the classes.

    Text has one label a line, with or without its index before it. JSON is a list, {index: label}, {label: index}, or
    ImageNet's {index: [wnid, label]}. CSV has a column of labels, and may have one of indices.
    Raises DatasetError for another format or encoding, missing indices, fewer than two labels, and duplicates.
    """
    reader = _READERS.get(path.suffix.lower(), _from_text)
    try:
        labels = tuple(label.strip() for label in reader(path.read_text(encoding="utf-8-sig"), path))
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8, at byte {error.start}: save it in this encoding") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    if (wrong := next((index for index, label in enumerate(labels) if not is_text(label)), None)) is not None:
        raise DatasetError(f"{path}: the label of class {wrong} is empty or no text of Unicode")
    if doubles := [label for label, count in Counter(labels).items() if count > 1]:
        raise DatasetError(f"{path}: {doubles[0]!r} is there twice: each class needs a label of its own")
    if len(labels) < 2:
        raise DatasetError(f"{path} has {len(labels)} labels: write one a line, in the order of the network's classes")
    return labels


def is_text(label: str) -> bool:
    """Return whether a label has characters, and no half of a surrogate pair, which JSON can hold and UTF-8 cannot."""
    return bool(label) and not any("\ud800" <= letter <= "\udfff" for letter in label)


def _from_text(text: str, _: Path) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    parts = [line.split(maxsplit=1) for line in lines]
    if all(len(part) == 2 and part[0].rstrip(":,") == str(index) for index, part in enumerate(parts)):
        return [part[1] for part in parts]
    return lines


def _from_json(text: str, path: Path) -> list[str]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is no JSON: {error}") from error
    if isinstance(content, list) and all(isinstance(each, str) for each in content):
        return content
    if isinstance(content, dict):
        if all(type(value) is int for value in content.values()):
            return _ordered({str(index): label for label, index in content.items()}, len(content), path)
        if all(isinstance(value, str) for value in content.values()):
            return _ordered(content, len(content), path)
        if all(_is_wordnet(value) for value in content.values()):
            return _ordered(_unique_names(content), len(content), path)
    raise DatasetError(
        f"{path} is none of the known JSON formats: a list of labels, {{index: label}}, {{label: index}}, or "
        "{index: [wnid, label]}"
    )


def _is_wordnet(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)


def _unique_names(content: dict[str, list[str]]) -> dict[str, str]:
    """Return index -> label; where two classes share one, as ImageNet's cranes do, with the WordNet id behind it."""
    counts = Counter(label for _, label in content.values())
    return {index: f"{label} ({wnid})" if counts[label] > 1 else label for index, (wnid, label) in content.items()}


def _from_csv(text: str, path: Path) -> list[str]:
    try:
        read = list(csv.reader(text.splitlines()))
    except csv.Error as error:
        raise DatasetError(f"{path} is no CSV: {error}") from error
    rows = [[cell.strip() for cell in row] for row in read if any(map(str.strip, row))]
    if not rows or len(widths := {len(row) for row in rows}) > 1:
        raise DatasetError(f"{path} has rows of {sorted(widths) if rows else 0} cells: each row needs as many cells")
    head = [cell.lower() for cell in rows[0]]
    label = next((head.index(name) for name in _LABEL_COLUMNS if name in head), None)
    index = next((head.index(name) for name in _INDEX_COLUMNS if name in head), None)
    if label is not None:
        rows = rows[1:]
    elif widths == {1}:
        label = 0
    elif widths == {2}:
        index = 0 if all(row[0].isdecimal() for row in rows) else 1
        label = 1 - index
    else:
        raise DatasetError(f"{path} has no column {_LABEL_COLUMNS[0]!r}: name the columns in the first row")
    if index is None:
        return [row[label] for row in rows]
    return _ordered({row[index]: row[label] for row in rows}, len(rows), path)


def _ordered(labels: dict[str, str], count: int, path: Path) -> list[str]:
    """Return the labels by index, which has to run from 0 to `count` - 1."""
    missing = next((index for index in range(count) if str(index) not in labels), None)
    if missing is not None:
        raise DatasetError(f"{path} has {count} labels but none for class {missing}: count the classes from 0 on")
    return [labels[str(index)] for index in range(count)]


def _refuse_yaml(_: str, path: Path) -> list[str]:
    raise DatasetError(f"{path}: YAML is not read, since no YAML library is part of Snellen: save it as JSON or text")


_READERS: dict[str, Callable[[str, Path], Sequence[str]]] = {
    ".json": _from_json,
    ".csv": _from_csv,
    ".yaml": _refuse_yaml,
    ".yml": _refuse_yaml,
}
"""Suffix -> reader; text for every other one."""
