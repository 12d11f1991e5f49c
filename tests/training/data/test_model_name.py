"""The name of a model that is made of a file or folder."""

from pathlib import Path

import pytest

from training.data.model_name import name_of_data, valid_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("birds", "birds"),
        ("My Birds (2024)", "my-birds-2024"),
        ("-v1.5_b", "v1.5_b"),
        ("Vögel", "v-gel"),
        ("鳥", ""),
        ("x" * 70, "x" * 64),
    ],
)
def test_a_name_has_the_characters_of_a_models_name(text: str, name: str) -> None:
    """Others become one hyphen."""
    assert valid_name(text) == name


def test_data_give_their_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, wherever it lies; a table without its suffix; a data set."""
    (tmp_path / "Garden Birds").mkdir()
    (tmp_path / "labels.v2.csv").write_text("path,label\n")
    monkeypatch.chdir(tmp_path / "Garden Birds")
    assert name_of_data(".") == "garden-birds"
    assert name_of_data(str(tmp_path / "Garden Birds") + "/") == "garden-birds"
    assert name_of_data(str(tmp_path / "labels.v2.csv")) == "labels.v2"
    assert name_of_data("emnist-letters") == "emnist-letters"
    assert name_of_data("/") == ""
