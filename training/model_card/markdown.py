"""Tables and lists of a model card as Markdown."""

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is left-aligned, the others, of numbers, are right-aligned."""
    rule = ("---", *("---:" for _ in header[1:]))
    return "\n".join(_row(cells) for cells in (header, rule, *rows))


def bullets(lines: Iterable[str]) -> str:
    """Return a Markdown list."""
    return "\n".join(f"- {line}" for line in lines)


def number(value: float | None) -> str:
    """Return the number with four decimals, or an empty text for None."""
    return "" if value is None else f"{value:.4f}"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
