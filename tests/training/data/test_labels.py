"""Names of classes."""

from pathlib import Path

import pytest

from training.data.labels import (
    beside_a_name,
    check_names,
    choose_names,
    count_of,
    in_order,
    instead_of,
    normalize_name,
    printable,
    same_but_for_case,
    shorten,
    what_is_wrong_with,
)
from training.errors import DatasetError


def test_found_names_are_sorted_and_wanted_ones_keep_their_order() -> None:
    """The order of the labels is the order of the network's outputs."""
    assert choose_names({"cat", "ant", "bee"}, (), "here") == ("ant", "bee", "cat")
    assert choose_names({"cat", "ant"}, ("cat", "ant"), "here") == ("cat", "ant")


def test_a_name_typed_in_one_form_matches_a_folder_in_the_other() -> None:
    """Composed and decomposed Unicode are the same name."""
    decomposed = "A\u0308pfel"
    assert normalize_name(decomposed) == "\u00c4pfel"
    assert choose_names({normalize_name(decomposed), "Nuss"}, (decomposed, "Nuss"), "here") == ("\u00c4pfel", "Nuss")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (("ant",), "here has the class 'bee', which is not among the labels: ant"),
        (("ant", "bee", "cat"), "here has no class 'cat', which is among the labels; it has ant, bee"),
    ],
)
def test_labels_that_are_not_those_of_the_source_are_named(wanted: tuple[str, ...], message: str) -> None:
    """One class too few or too many: the message says which, and what there is."""
    with pytest.raises(DatasetError, match=message):
        choose_names({"ant", "bee"}, wanted, "here")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("ant", " "), "' ' cannot be the name of a class"),
        (("ant", "\x1b[2J"), "cannot be the name of a class"),
        (("ant", "two\nlines"), "cannot be the name of a class"),
        (("ant", "\udce9"), "cannot be the name of a class"),
        (("ant", "ant"), "two classes are called 'ant'"),
        (("ant",), "has only one class, 'ant'"),
        ((), "has no class to train on"),
    ],
)
def test_names_that_cannot_be_classes_are_refused(names: tuple[str, ...], message: str) -> None:
    """Blank, unprintable, repeated, and fewer than two."""
    with pytest.raises(DatasetError, match=message):
        check_names(names, "here")


def test_a_path_that_a_terminal_cannot_show_is_escaped() -> None:
    """Control characters of a file name do not reach the terminal; other names stay as they are."""
    assert printable(Path("a/b\x1bc")) == r"'a/b\x1bc'"
    assert printable(Path("a/Äpfel")) == "a/Äpfel"


def test_a_long_list_of_names_is_cut() -> None:
    """The message says how many names are left out."""
    assert shorten(("a", "b", "c"), limit=2) == "a, b and 1 more"
    assert shorten(("a", "b"), limit=2) == "a, b"


@pytest.mark.parametrize(
    "name", ["👩\u200d🚀", "می\u200cخواهم", "no\u00a0break", "東京\u3000タワー", "café ☕", '"50 %", a', "\ue000"]
)
def test_any_other_text_is_a_name(name: str) -> None:
    """Emoji of several parts, Persian half-spaces, blanks of other widths."""
    check_names(("ant", name), "here")


def test_blanks_at_the_ends_are_no_part_of_a_name() -> None:
    """As typed between commas, or left behind in a table."""
    assert normalize_name(" cat\u00a0") == "cat"
    assert choose_names({"cat", "ant"}, (" cat", "ant "), "here") == ("cat", "ant")


def test_names_that_are_numbers_are_in_their_order() -> None:
    """All of them have to be; then 2 is before 10."""
    assert in_order({"10", "1", "2"}) == ("1", "2", "10")
    assert in_order({"010", "00", "1", "0"}) == ("0", "00", "1", "010")
    assert in_order({"10", "1", "2", "x"}) == ("1", "10", "2", "x")
    assert in_order({"10.0", "-1", "2.5", "-10"}) == ("-10", "-1", "2.5", "10.0")
    assert in_order({"²", "10", "2"}) == ("10", "2", "²")


def test_names_that_differ_in_case_are_found() -> None:
    """As A and a, which may be two letters or one slip of the hand."""
    assert same_but_for_case(("A", "B", "a", "Straße", "STRASSE")) == [("A", "a"), ("Straße", "STRASSE")]
    assert same_but_for_case(("ant", "bee")) == []


def test_a_folder_with_the_name_of_a_data_set_is_told() -> None:
    """With the way to it."""
    assert beside_a_name("mnist").endswith("what is called mnist in this folder is read with --data ./mnist")


def test_a_count_has_its_noun() -> None:
    """One image, two images."""
    assert (count_of(1, "image"), count_of(2000, "image")) == ("1 image", "2,000 images")


def test_an_empty_label_is_refused_with_an_example() -> None:
    """As a comma too many makes it."""
    with pytest.raises(DatasetError, match="one of the labels is empty: write names .* as in --labels ant,bee"):
        choose_names({"ant", "bee"}, ("ant", "", "bee"), "here")


def test_a_class_that_differs_in_case_is_offered() -> None:
    """Only then."""
    assert instead_of("ant", ("Ant", "bee")) == "write 'Ant' where they are the same class"
    assert instead_of("cat", ("Ant", "bee")) is None


def test_what_is_no_source_is_told(tmp_path: Path) -> None:
    """Nothing, an archive, another file."""
    for name in ("photos.ZIP", "photo.png"):
        (tmp_path / name).touch()
    assert what_is_wrong_with(tmp_path / "none", "none") == "there are no data at 'none'"
    assert what_is_wrong_with(tmp_path / "photos.ZIP", "x") == f"{tmp_path}/photos.ZIP has to be unpacked first"
    assert what_is_wrong_with(tmp_path / "photo.png", "x") == f"{tmp_path}/photo.png is no folder and no table"
