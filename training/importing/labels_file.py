"""Names of classes from a file of the user: text, JSON, YAML or CSV, as exporters and tutorials write them."""

import csv
import json
import re
import stat
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import yaml

from training.errors import DatasetError

_LARGEST_FILE = 64 * 1024 * 1024
"""Limit of a file in bytes; the labels of 21,843 classes take about 1 MiB."""
_LABEL_COLUMNS = ("label", "name", "class", "class_name")
_INDEX_COLUMNS = ("index", "id", "class_id", "class_index")
_LABEL_KEYS = ("names", "id2label")
"""Keys of a file that holds more than labels: those of ultralytics' data.yaml and of Hugging Face's config.json."""

_NUMBERED = re.compile(r"(\d+)(?:[:,]\s*|\s+)(\S.*)")
"""A line of text with an index before its label."""


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the labels in the order of the classes; two may be equal.

    Text has one label a line, with or without its index before it, by which the labels are put in order. JSON and YAML
    hold a list, {index: label}, {label: index}, ImageNet's {index: [wnid, label]}, or one of these under `names` or
    `id2label`. CSV has a column of labels, and may have one of indices.
    Raises DatasetError for another format or encoding, missing indices, and fewer than two labels.
    """
    reader = _READERS.get(path.suffix.lower(), _from_text)
    try:
        labels = tuple(label.strip() for label in reader(_text_of(path), path))
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8, at byte {error.start}: save it in this encoding") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    check_texts(labels, path)
    if len(labels) < 2:
        raise DatasetError(f"{path} has {len(labels)} labels: write one a line, in the order of the network's classes")
    return labels


def _text_of(path: Path) -> str:
    """Return the content of a regular file. Raises OSError, UnicodeDecodeError, and DatasetError for any other."""
    if not stat.S_ISREG(path.stat().st_mode) or path.stat().st_size > _LARGEST_FILE:
        raise DatasetError(f"{path} is no file of labels: it is no regular file, or has more than 64 MiB")
    return path.read_text(encoding="utf-8-sig")


def labels_in(content: object, path: Path) -> list[str]:
    """Return the labels in the content of a JSON or YAML file, in the order of the classes.

    Raises DatasetError for content in none of the known forms, and for missing indices.
    """
    if isinstance(content, dict) and (key := next((key for key in _LABEL_KEYS if key in content), None)):
        content = content[key]
    if isinstance(content, list) and all(isinstance(each, str) for each in content):
        return content
    if isinstance(content, dict):
        entries = {str(key): value for key, value in content.items()}
        values, indices = list(entries.values()), {str(index) for index in range(len(entries))}
        counted, texts = (all(type(value) is kind for value in values) for kind in (int, str))
        if counted or (texts and entries.keys() != indices and set(values) == indices):
            return _ordered({str(index): label for label, index in entries.items()}, len(entries), path)
        if texts:
            return _ordered(entries, len(entries), path)
        if all(_is_wordnet(value) for value in values):
            return _ordered({index: label for index, (_, label) in entries.items()}, len(entries), path)
    raise DatasetError(
        f"{path} holds none of the known forms: a list of labels, {{index: label}}, {{label: index}}, "
        "{index: [wnid, label]}, or one of these under 'names' or 'id2label'"
    )


def check_texts(labels: Sequence[str], path: Path) -> None:
    """Raise DatasetError for a label that no manifest can hold."""
    if (wrong := next((index for index, label in enumerate(labels) if not is_text(label)), None)) is not None:
        raise DatasetError(f"{path}: the label of class {wrong} is empty or no text of Unicode")


def is_text(label: str) -> bool:
    """Return whether a label has characters, and no half of a surrogate pair, which JSON can hold and UTF-8 cannot."""
    return bool(label) and not any("\ud800" <= letter <= "\udfff" for letter in label)


def _from_text(text: str, _: Path) -> list[str]:
    """Return the lines, or what stands behind the indices where these are all of 0 to the number of lines - 1."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = {match[1]: match[2] for line in lines if (match := _NUMBERED.fullmatch(line))}
    if len(numbered) == len(lines) and all(str(index) in numbered for index in range(len(lines))):
        return [numbered[str(index)] for index in range(len(lines))]
    return lines


def _from_json(text: str, path: Path) -> list[str]:
    try:
        return labels_in(json.loads(text, object_pairs_hook=_once), path)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is no JSON: {error}") from error


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the pairs as a dictionary. Raises ValueError for a key that stands there twice: one would be lost."""
    twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if twice:
        raise ValueError(f"the key {twice[0]!r} stands there twice")
    return dict(pairs)


class _TextLoader(yaml.BaseLoader):
    """Loads texts, lists and dictionaries; a key that stands twice in one dictionary is an error, as in JSON."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        _once([(str(self.construct_object(key)), None) for key, _ in node.value])
        return super().construct_mapping(node, deep)


def _from_yaml(text: str, path: Path) -> list[str]:
    """Read every scalar as the text that it is, since for YAML the labels `no` and `1e3` are no texts."""
    try:
        content = yaml.load(text, Loader=_TextLoader)  # noqa: S506  it makes texts, lists and dictionaries only
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    return labels_in(content, path)


def _is_wordnet(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)


def _from_csv(text: str, path: Path) -> list[str]:
    try:
        read = list(csv.reader(text.splitlines()))
    except csv.Error as error:
        raise DatasetError(f"{path} is no CSV: {error}") from error
    rows = [[cell.strip() for cell in row] for row in read if any(map(str.strip, row))]
    if not rows or len(widths := {len(row) for row in rows}) > 1:
        raise DatasetError(f"{path} has rows of {sorted(widths) if rows else 0} cells: each row needs as many cells")
    head = [cell.lower() for cell in rows[0]]
    named = [head.index(name) for name in _LABEL_COLUMNS if name in head]
    index = next((head.index(name) for name in _INDEX_COLUMNS if name in head), None)
    if named:
        rows = rows[1:]
        counting = _counting(rows)
        label = next((column for column in named if column not in counting), named[0])
        if index is None:
            index = next((column for column in counting if column != label), None)
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


def _counting(rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the columns that hold each number of 0 to the number of rows - 1."""
    numbers = {str(index) for index in range(len(rows))}
    return [column for column, cells in enumerate(zip(*rows, strict=True)) if set(cells) == numbers]


def _ordered(labels: dict[str, str], count: int, path: Path) -> list[str]:
    """Return the labels by index, which has to run from 0 to `count` - 1."""
    missing = next((index for index in range(count) if str(index) not in labels), None)
    if missing is not None:
        raise DatasetError(f"{path} has {count} labels but none for class {missing}: count the classes from 0 on")
    return [labels[str(index)] for index in range(count)]


_READERS: dict[str, Callable[[str, Path], Sequence[str]]] = {
    ".json": _from_json,
    ".csv": _from_csv,
    ".yaml": _from_yaml,
    ".yml": _from_yaml,
}
"""Suffix -> reader; text for every other one."""
