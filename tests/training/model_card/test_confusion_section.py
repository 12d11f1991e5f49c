"""The section of the model card on confusion."""

from pathlib import Path

import numpy as np

from models.contract import read_bundle
from training.model_card.confusion_section import confusion_section, read_section
from training.model_card.model_card import model_card

SHIPPED = Path(__file__).parents[3] / "models" / "fashion-mnist" / "3"


def test_few_classes_have_the_whole_matrix() -> None:
    """With the recall of each."""
    section = confusion_section(("ant", "bee"), np.array([[3, 1], [0, 2]]))
    assert section.endswith("| 0 ant | 3 | 1 | 0.750 |\n| 1 bee | 0 | 2 | 1.000 |")


def test_the_card_of_thousands_of_classes_is_small() -> None:
    """It has the most frequent pairs; the matrix of 5,000 classes would be 100 MB."""
    names = tuple(f"species {number}" for number in range(5000))
    counts = np.diag(np.full(5000, 2))
    counts[7, 9], counts[4000] = 5, 1
    manifest = read_bundle(SHIPPED).manifest.model_copy(update={"labels": names})
    card = model_card(manifest, counts)
    assert len(card.encode()) < 1_000_000
    pairs = confusion_section(names, counts).splitlines()
    assert pairs[2] == "The most frequent pairs of 5,000 classes."
    assert pairs[6] == "| 7 species 7 | 9 species 9 | 5 |"
    assert len(pairs) == 6 + 50


def test_a_section_is_kept_as_it_is() -> None:
    """No other file has what it says; a card without one has none."""
    manifest = read_bundle(SHIPPED).manifest
    card = model_card(manifest, np.eye(10, dtype=np.int64))
    section = read_section(card)
    assert section == confusion_section(manifest.labels, np.eye(10, dtype=np.int64))
    assert model_card(manifest, section) == card
    assert read_section("# Card\n") is None
