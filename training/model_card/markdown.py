"""Tables and lists of a model card."""

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is flush left, the others, of numbers, flush right."""
    rule = ("---", *("---:" for _ in header[1:]))
    return "\n".join(_row(cells) for cells in (header, rule, *rows))


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def number(value: float | None) -> str:
    """Four decimals, or nothing where there is none."""
    return "" if value is None else f"{value:.4f}"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
