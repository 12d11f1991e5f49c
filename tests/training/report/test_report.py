"""The whole report of a tiny bundle."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.contract import BundleError
from tests.training.conftest import striped
from tests.training.report.conftest import MakeBundle
from training.errors import DatasetError, ReportError
from training.loop.history import HISTORY
from training.report.contents import CHAPTERS
from training.report.report import ReportConfig, write_report

HOSTILE = ("<script>alert(1)</script>", 'bottom"onload="alert(1)', "$belt$ & {{ braces }}", "pole")


class Page(HTMLParser):
    """What a browser would make of it: ids, the text by section, sources, and pictures without a text alternative."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.silent: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [found["href"] or ""] if tag == "a" else []
        self.sources += [value or "" for name, value in attrs if name in {"src", "srcset", "data", "poster", "action"}]
        if (tag == "img" and not found.get("alt")) or (found.get("role") == "img" and not found.get("aria-label")):
            self.silent.append(tag)
        assert not [name for name in found if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def history(run: Path) -> Path:
    run.mkdir()
    epochs = (
        {"epoch": n, "loss": 1 / n, "lr": 0.1, "accuracy": 0.5, "nll": 1 / n, "images_per_s": 900.0, "data_wait": 0.01}
        for n in range(1, 4)
    )
    (run / HISTORY).write_text("".join(json.dumps(epoch) + "\n" for epoch in epochs))
    return run


@pytest.mark.slow
def test_a_report_has_every_section_and_fetches_nothing(make_bundle: MakeBundle, dataset: Path, tmp_path: Path) -> None:
    """With labelled images and a history nothing is missing; labels stay text; the same input gives the same file."""
    bundle = make_bundle(HOSTILE)
    run = history(tmp_path / "run")
    config = ReportConfig(bundle.path, tmp_path / "report.html", data=str(dataset), run=run)
    html = write_report(config).read_text()
    page = Page(html)
    anchors = [chapter.anchor for chapter in CHAPTERS]
    assert [name for name in page.ids if name in anchors] == anchors
    assert [link for link in page.links if link.startswith("#")][1:] == [f"#{anchor}" for anchor in anchors]
    assert 'class="missing"' not in html
    assert len(set(page.ids)) == len(page.ids)
    assert page.silent == []
    assert all(source.startswith("data:image/") for source in page.sources)
    assert not re.search(r"(?:src|href|url)\s*[=(]\s*[\"']?\s*(?:https?:)?//", html)
    assert "script" not in page.tags
    assert all(label in page.text for label in HOSTILE)
    assert "Only <b>stripes</b>." in page.text
    assert html == write_report(config).read_text()


@pytest.mark.slow
def test_without_labelled_images_the_sections_say_so(make_bundle: MakeBundle, tmp_path: Path) -> None:
    """And with an image of one's own the others follow it."""
    Image.fromarray(striped(1, seed=5)[0][0]).resize((40, 40)).save(tmp_path / "mine & yours.png")
    config = ReportConfig(make_bundle().path, tmp_path / "report.html", image=tmp_path / "mine & yours.png")
    html = write_report(config).read_text()
    assert html.count('class="missing"') == 5  # learning, confusion, per class, mistakes, reliability
    assert "--data" in html
    assert "The image mine &amp; yours.png" in html


def test_what_cannot_be_read_or_written_is_refused(make_bundle: MakeBundle, dataset: Path, tmp_path: Path) -> None:
    """In one sentence, before anything that takes long, and without leaving a file."""
    bundle, output = make_bundle().path, tmp_path / "out" / "report.html"
    (tmp_path / "out").mkdir()
    (tmp_path / "note.txt").write_text("not an image")
    (tmp_path / "run").mkdir()
    refused: list[tuple[ReportConfig, type[Exception], str]] = [
        (ReportConfig(tmp_path / "stripes" / "9", output), BundleError, "manifest.json cannot be read"),
        (ReportConfig(bundle, output, image=tmp_path / "none.png"), ReportError, "none.png"),
        (ReportConfig(bundle, output, image=tmp_path / "note.txt"), ReportError, "not a picture"),
        (ReportConfig(bundle, output, run=tmp_path / "run"), ReportError, "choose another folder with --run"),
        (ReportConfig(bundle, output, data="nowhere"), DatasetError, "there are no data"),
        (ReportConfig(bundle, tmp_path / "none" / "report.html"), ReportError, "cannot be written"),
        (ReportConfig(bundle, tmp_path), ReportError, "it is a folder"),
    ]
    for config, error, message in refused:
        with pytest.raises(error, match=re.escape(message)):
            write_report(config)
    assert list((tmp_path / "out").iterdir()) == []


def test_another_data_set_is_refused(make_bundle: MakeBundle, tmp_path: Path) -> None:
    """Folders whose names are not the bundle's classes."""
    for part in ("cats", "dogs"):
        (tmp_path / "pets" / part).mkdir(parents=True)
        for number in range(40):
            noise = np.random.default_rng(number).integers(0, 256, (16, 16), np.uint8)
            Image.fromarray(noise).save(tmp_path / "pets" / part / f"{part}{number}.png")
    config = ReportConfig(make_bundle().path, tmp_path / "report.html", data=str(tmp_path / "pets"))
    with pytest.raises(DatasetError, match="'cats', 'dogs' are no classes of the bundle"):
        write_report(config)
