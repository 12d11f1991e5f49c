"""Output of `snellen classify --dense`: a summary of the classes in a large image, or every cell."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from rich.table import Column, Table
from rich.text import Text

from snellen.output import WRITERS, FileResult, Format, Writer, class_names, file_text, print_table, write_csv

if TYPE_CHECKING:
    from service.inference.results import Grid


class GridCell(NamedTuple):
    """One class of one cell: its row and column in the grid, and its box in the image in pixels."""

    row: int
    column: int
    left: int
    top: int
    width: int
    height: int
    rank: int
    class_id: int
    label: str
    probability: float


def grid_cells(grid: "Grid") -> Iterator[GridCell]:
    """Yield the cells row by row, each with its most probable class first."""
    for row, column in ((r, c) for r in range(grid.rows) for c in range(grid.columns)):
        box = column * grid.stride.width, row * grid.stride.height, grid.cell.width, grid.cell.height
        ranked = zip(grid.class_ids[row][column], grid.probabilities[row][column], strict=True)
        for rank, (class_id, probability) in enumerate(ranked, 1):
            yield GridCell(row, column, *box, rank, class_id, grid.labels[class_id], probability)


def _write_table(results: Iterable[FileResult]) -> None:
    """Write, for each class that is first in a cell, its share of the cells and the cell with its highest
    probability.
    """
    headings = ("file", "class", "cells", "best probability", "at left,top")
    table = Table(*(Column(heading, overflow="fold") for heading in headings))
    for item in results:
        if item.result is not None and item.result.dense is not None:
            _add(table, item, item.result.dense)
        table.add_section()
    print_table(table)


def _add(table: Table, item: FileResult, grid: "Grid") -> None:
    size = f"{grid.columns}x{grid.rows} cells of {grid.cell.width}x{grid.cell.height} pixels"
    file = f"{file_text(item)}\n{size}"
    for row in _summary(grid):
        table.add_row(Text(file), *map(Text, row))
        file = ""


def _summary(grid: "Grid") -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table, the most frequent class first."""
    by_class: dict[int, list[GridCell]] = {}
    for cell in grid_cells(grid):
        if cell.rank == 1:
            by_class.setdefault(cell.class_id, []).append(cell)
    names = class_names(grid.labels)
    for class_id, found in sorted(by_class.items(), key=lambda item: -len(item[1])):
        best = max(found, key=lambda cell: cell.probability)
        share = len(found) / (grid.rows * grid.columns)
        yield names[class_id], f"{share:.1%}", f"{best.probability:.4f}", f"{best.left},{best.top}"


def _write_csv(results: Iterable[FileResult]) -> None:
    """Write one line for every class of every cell."""
    write_csv(results, GridCell._fields, lambda result: grid_cells(result.dense) if result.dense else ())


DENSE_WRITERS: dict[Format, Writer] = WRITERS | {Format.TABLE: _write_table, Format.CSV: _write_csv}
"""Writers by format. JSON lines have the format of the service's responses."""
