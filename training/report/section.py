"""The elements of a report: sections of parts, each of which names its template."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from markupsafe import Markup


@dataclass(frozen=True)
class Figure:
    """An `<img>` or `<svg>` with its own text alternative, and the text below it."""

    image: Markup
    caption: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Gallery:
    """Figures side by side.

    size: width of one figure, `small`, `third`, `half`, `full`, or `triples` for figures in groups of three.
    """

    template: ClassVar = "gallery.html.j2"
    figures: Sequence[Figure]
    size: str = "third"
    heading: str = ""
    note: str = ""


class Row(NamedTuple):
    """cells: texts, the first of which names the row; shares: of the cells after it, 0 to 1, drawn as bars."""

    cells: Sequence[str]
    shares: Sequence[float | None] = ()


@dataclass(frozen=True)
class Table:
    """Rows under named columns. texts: number of columns with words; the others have numbers."""

    template: ClassVar = "table.html.j2"
    caption: str
    columns: Sequence[str]
    rows: Sequence[Row]
    texts: int = 1


class MatrixCell(NamedTuple):
    """A cell of a confusion matrix. share: of the images of its row, 0 to 1."""

    images: int
    share: float


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix with one row and one column per label."""

    template: ClassVar = "matrix.html.j2"
    labels: Sequence[str]
    rows: Sequence[Sequence[MatrixCell]]


@dataclass(frozen=True)
class Prose:
    """Text with its own headings and tables."""

    template: ClassVar = "prose.html.j2"
    html: Markup


Part = Gallery | Table | Matrix | Prose


class Content(NamedTuple):
    """The parts of a section, or one sentence that says why there are none."""

    parts: Sequence[Part] = ()
    missing: str = ""


class Section(NamedTuple):
    """anchor: its id in the page; lead: what it shows and how to read it."""

    anchor: str
    title: str
    lead: str
    content: Content


class Fact(NamedTuple):
    """A number at the top of the report."""

    name: str
    value: str
    note: str = ""
