"""The model card as HTML."""

from training.importing.bundle_writer import CARD
from training.report.card import model_card
from training.report.inputs import ReportInputs
from training.report.section import Prose


def test_headings_lie_below_that_of_the_chapter_and_html_stays_text(inputs: ReportInputs) -> None:
    """A card cannot put elements of its own into the page, nor load images."""
    inputs.bundle.file(CARD).write_text("# Stripes\n\n<b>bold</b> ![x](http://host/x.png)\n\n| a |\n| --- |\n| 1 |\n")
    (part,) = model_card(inputs).parts
    assert isinstance(part, Prose)
    assert "<h2>Stripes</h2>" in part.html
    assert "&lt;b&gt;bold&lt;/b&gt;" in part.html
    assert "<img" not in part.html
    assert "<td>1</td>" in part.html


def test_a_bundle_without_a_readable_card_says_so(inputs: ReportInputs) -> None:
    """Missing, or no text."""
    inputs.bundle.file(CARD).write_bytes(b"\xff\xfe")
    assert model_card(inputs).missing == "The bundle has no readable MODEL_CARD.md."
    inputs.bundle.file(CARD).unlink()
    assert not model_card(inputs).parts
