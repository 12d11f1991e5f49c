"""Last step: combine the parts of a run in gpu.json and, with --write, in the section `GPU` of RESULTS.md.

python -m benchmarks.gpu.report [--write]
python -m benchmarks.gpu.report --from gpu.json --write      # of a run on another machine
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from benchmarks.gpu import results
from benchmarks.gpu.results import CeilingPart, EndToEndPart, Environment, GpuResults, ParityPart, TensorRTPart
from benchmarks.gpu.tables import aims, ceiling, end_to_end, parity, provenance, tensorrt
from benchmarks.report.markdown_report import RESULTS_PAGE
from benchmarks.report.results_sections import Section

BEGIN, END = "<!-- what `benchmarks/gpu.sh --write` wrote, until -->", "<!-- the end of `benchmarks/gpu.sh` -->"
insert = Section(BEGIN, END).insert


def collected() -> GpuResults:
    """Read the parts that the steps wrote. Raises ValueError without an environment, ValidationError."""
    environment = results.read(Environment, "environment")
    if environment is None:
        raise ValueError(f"{results.folder()} holds no environment.json: run benchmarks/gpu.sh")
    return GpuResults(
        environment=environment,
        parity=results.read(ParityPart, "parity"),
        ceiling=results.read(CeilingPart, "ceiling"),
        tensorrt=results.read(TensorRTPart, "tensorrt"),
        end_to_end=results.read(EndToEndPart, "end_to_end"),
    )


def section(found: GpuResults) -> str:
    """Return everything between the markers; steps that were not run are marked as such."""
    return "\n\n".join([BEGIN, "## GPU", *_parts(found), END]) + "\n"


def _parts(found: GpuResults) -> Iterator[str]:
    yield from provenance(found)
    yield from aims(found)
    for title, part in (
        ("Parity with the CPU", found.parity and parity(found.parity)),
        ("Engine ceiling", found.ceiling and ceiling(found.ceiling)),
        ("TensorRT by trtexec", found.tensorrt and tensorrt(found.tensorrt)),
        ("End to end", found.end_to_end and end_to_end(found.end_to_end)),
    ):
        yield f"### {title}"
        yield from part or ["Not run."]


def main(
    source: Annotated[Path | None, typer.Option("--from", help="A gpu.json; unset: the parts of this run.")] = None,
    write: Annotated[bool, typer.Option(help="Change RESULTS.md.")] = False,
    page: Annotated[Path, typer.Option(help="The document to change.")] = RESULTS_PAGE,
) -> None:
    """Combine the parts, print the section, and write everything as gpu.json."""
    try:
        found = GpuResults.model_validate_json(source.read_text()) if source else collected()
    except (OSError, ValueError, ValidationError) as error:
        typer.echo(str(error))
        raise typer.Exit(2) from None
    if source is None:
        typer.echo(f"all measurements: {results.write(found, 'gpu')}")
    typer.echo(section(found))
    if write and found.environment.device is None:
        typer.echo("no GPU was measured: RESULTS.md stays as it is")
        raise typer.Exit(2)
    if write:
        page.write_text(insert(page.read_text() if page.exists() else "# Results\n", section(found)))


if __name__ == "__main__":
    typer.run(main)
