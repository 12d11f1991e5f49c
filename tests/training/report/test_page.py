"""The HTML document."""

from training.report.overview import Overview
from training.report.page import page
from training.report.palette import DARK, LIGHT
from training.report.section import Content, Fact, Row, Section, Table

TOP = Overview("a <b>", "About & more.", (Fact("Classes", "4"),), "By nobody.")


def test_text_is_escaped_and_there_is_no_script() -> None:
    """Titles, facts and cells come from bundles of others."""
    table = Table("caption", ("Class", "Images"), [Row(("<i>ant</i>", "3"), (0.5,))])
    html = page(TOP, [Section("one", "Chapter <1>", "Lead.", Content([table]))])
    for text in ("a &lt;b&gt;", "About &amp; more.", "Chapter &lt;1&gt;", "&lt;i&gt;ant&lt;/i&gt;"):
        assert text in html
    assert "<i>ant" not in html
    assert "<script" not in html


def test_a_chapter_without_parts_shows_its_sentence() -> None:
    """Its anchor is there all the same, so that links work."""
    html = page(TOP, [Section("two", "Chapter", "Lead.", Content(missing="Name them with --data."))])
    assert 'id="two"' in html
    assert "Name them with --data." in html


def test_the_page_holds_both_palettes() -> None:
    """For light and for dark."""
    html = page(TOP, [])
    assert all(colour in html for colour in (*LIGHT.values(), *DARK.values()))
