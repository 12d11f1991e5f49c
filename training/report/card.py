"""The bundle's model card as HTML."""

from markdown_it import MarkdownIt
from markupsafe import Markup

from training.importing.bundle_writer import CARD
from training.report.inputs import ReportInputs
from training.report.section import Content, Prose

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
"""Parser that keeps HTML in the card as text and loads no images."""


def model_card(inputs: ReportInputs) -> Content:
    """Return the chapter with the model card."""
    try:
        text = inputs.bundle.file(CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return Content(missing=f"The bundle has no readable {CARD}.")
    tokens = _MARKDOWN.parse(text)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"  # below the heading of this section
    return Content([Prose(Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})))])  # noqa: S704 - escaped
