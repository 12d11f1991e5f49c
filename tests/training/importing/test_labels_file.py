"""Files of class names."""

import os
from pathlib import Path

import pytest

from training.errors import DatasetError
from training.importing.labels_file import read_labels

COLOURS = ("red", "green", "blue")


def test_labels_are_the_lines_in_their_order(tmp_path: Path) -> None:
    """Blank lines and spaces around a label do not count."""
    (tmp_path / "labels.txt").write_text("zebra \n\n ant\nÄpfel\n", encoding="utf-8")
    assert read_labels(tmp_path / "labels.txt") == ("zebra", "ant", "Äpfel")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.txt", b"\xef\xbb\xbfred\r\ngreen\r\nblue\r\n"),
        ("l.txt", b"0 red\n1 green\n2 blue\n"),
        ("l.txt", b"0: red\n1: green\n2: blue\n"),
        ("l.json", b'["red", "green", "blue"]'),
        ("l.json", b'{"2": "blue", "0": "red", "1": "green"}'),
        ("l.json", b'{"blue": 2, "green": 1, "red": 0}'),
        ("l.json", b'{"0": ["n1", "red"], "1": ["n2", "green"], "2": ["n3", "blue"]}'),
        ("l.json", b'{"0": "red", "1": "green", "2": "blue"}'),
        ("config.json", b'{"id2label": {"0": "red", "1": "green", "2": "blue"}, "hidden_size": 8}'),
        ("data.yaml", b"path: ../colours\nnames:\n  0: red\n  2: blue\n  1: green\n"),
        ("data.yml", b"nc: 3\nnames: [red, green, blue]\n"),
        ("l.yaml", b"- red\n- green\n- blue\n"),
        ("l.yaml", b"0: red\n1: green\n2: blue\n"),
        ("l.yaml", b"red: 0\nblue: 2\ngreen: 1\n"),
        ("l.csv", b"red\ngreen\nblue\n"),
        ("l.csv", b"class_id,label\n1,green\n0,red\n2,blue\n"),
        ("l.csv", b"0,red\n1,green\n2,blue\n"),
        ("l.csv", b"red,0\nblue,2\ngreen,1\n"),
        ("l.csv", b"index,synset,name\n0,n1,red\n1,n2,green\n2,n3,blue\n"),
    ],
)
def test_formats_of_exporters_are_read(tmp_path: Path, name: str, content: bytes) -> None:
    """Text with BOM, CRLF or indices, and JSON, YAML and CSV in several forms."""
    (tmp_path / name).write_bytes(content)
    assert read_labels(tmp_path / name) == COLOURS


def test_a_label_may_begin_with_a_number(tmp_path: Path) -> None:
    """Unless every line begins with its index, the number belongs to the label."""
    (tmp_path / "labels.txt").write_text("0 euro\n2 euro\n5 euro\n")
    assert read_labels(tmp_path / "labels.txt") == ("0 euro", "2 euro", "5 euro")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.txt", b"crane\ncrane (bird)\ncrane\n"),
        ("l.json", b'["crane", "crane (bird)", "crane"]'),
        ("l.json", b'{"0": ["n02012849", "crane"], "1": ["n1", "crane (bird)"], "2": ["n03126707", "crane"]}'),
        ("l.yaml", b"names: {0: crane, 1: crane (bird), 2: crane}"),
        ("l.csv", b"index,label\n2,crane\n0,crane\n1,crane (bird)\n"),
    ],
)
def test_two_labels_may_be_equal(tmp_path: Path, name: str, content: bytes) -> None:
    """They stay as they are written: the index of a class is its identity."""
    (tmp_path / name).write_bytes(content)
    assert read_labels(tmp_path / name) == ("crane", "crane (bird)", "crane")


def test_numbers_and_words_of_yaml_are_labels(tmp_path: Path) -> None:
    """YAML reads `no` as a truth value and 007 as 7; as labels they are texts."""
    (tmp_path / "data.yaml").write_text("names: [no, 007, 1e3]")
    assert read_labels(tmp_path / "data.yaml") == ("no", "007", "1e3")


def test_classes_of_keras_may_be_named_by_numbers(tmp_path: Path) -> None:
    """Its indices are those of the folders in the order of the alphabet."""
    (tmp_path / "l.json").write_text('{"0": 0, "1": 1, "10": 2, "2": 3}')
    assert read_labels(tmp_path / "l.json") == ("0", "1", "10", "2")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("l.txt", b"ant\n", "has 1 labels"),
        ("l.txt", b"rot\ngr\xfcn\nblau\n", "is not UTF-8, at byte 6"),
        ("l.json", b"{", "is no JSON"),
        ("l.json", b'{"0": 1.5}', "none of the known forms"),
        ("l.json", b'{"1": "red", "2": "green"}', "none for class 0: count the classes from 0 on"),
        ("l.json", b'["red", ""]', "the label of class 1 is empty"),
        ("l.json", rb'["red", "\ud800"]', "the label of class 1 is empty or no text of Unicode"),
        ("l.csv", b'"' + b"a" * 200_000 + b'"', "is no CSV"),
        ("l.csv", b"a,b,c\nd,e\n", "each row needs as many cells"),
        ("l.csv", b"a,b,c\nd,e,f\n", "has no column 'label'"),
        ("l.csv", b"", "each row needs as many cells"),
        ("l.yaml", b"names: [a, b", "is no YAML"),
        ("l.yaml", b"&a [*a]", "is no YAML"),
        ("l.yaml", b"names: {1: a, 2: b}", "none for class 0: count the classes from 0 on"),
        ("l.yaml", b"train: images", "none for class 0"),
        ("l.yaml", b"!!python/object/apply:os.abort []", "has 0 labels"),
    ],
)
def test_a_file_without_a_label_for_each_class_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    """The message names the fault."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_labels(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(DatasetError, match="no.txt cannot be read"):
        read_labels(tmp_path / "no.txt")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("l.txt", "1 green\n0 red\n2 blue\n"),
        ("l.txt", "1,green\n0,red\n2,blue\n"),
        ("l.csv", "class,name\n1,green\n0,red\n2,blue\n"),
        ("l.csv", "label,name\n1,green\n0,red\n2,blue\n"),
        ("l.csv", "label,number\ngreen,1\nred,0\nblue,2\n"),
    ],
)
def test_indices_put_the_labels_in_order(tmp_path: Path, name: str, content: str) -> None:
    """In text, and in columns of CSV under any heading."""
    (tmp_path / name).write_text(content)
    assert read_labels(tmp_path / name) == COLOURS


def test_anchors_of_yaml_are_not_multiplied(tmp_path: Path) -> None:
    """A few lines that stand for ten thousand million texts are refused at once."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 11)]
    (tmp_path / "l.yaml").write_text("\n".join([*lines, "names: *a10", ""]))
    with pytest.raises(DatasetError, match="none of the known forms"):
        read_labels(tmp_path / "l.yaml")
    (tmp_path / "l.yaml").write_text("\n".join([*lines, ""]))
    with pytest.raises(DatasetError, match="none of the known forms"):
        read_labels(tmp_path / "l.yaml")


@pytest.mark.parametrize("name", ["l.json", "l.yaml"])
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, name: str) -> None:
    """One of the two would be lost."""
    (tmp_path / name).write_text('{"0": "red", "0": "green", "1": "blue"}')
    with pytest.raises(DatasetError, match="the key '0' stands there twice"):
        read_labels(tmp_path / name)


def test_only_a_regular_file_of_moderate_size_is_read(tmp_path: Path) -> None:
    """A pipe or a device might never end."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large.txt").write_bytes(b"")
    os.truncate(tmp_path / "large.txt", 65 * 1024 * 1024)
    for path in (tmp_path / "pipe", tmp_path / "large.txt", Path("/dev/zero")):
        with pytest.raises(DatasetError, match="no regular file, or has more than 64 MiB"):
            read_labels(path)
