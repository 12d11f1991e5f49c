"""`snellen report`: one HTML file on the mistakes of a bundle and the features that it computes."""

from pathlib import Path
from typing import Annotated

import typer

from snellen.repository import bundle_folder, refuse_no_run
from snellen.training_extra import errors_as_messages


def report(
    bundle: Annotated[Path, typer.Argument(help="Bundle: its folder, as in models/imagenet/1, or its name.")],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", rich_help_panel="Report", help="File to write; default: NAME-VERSION.html, here."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            rich_help_panel="Inputs",
            help="Labelled images that it never trained on, as for `snellen train --data`; folders and tables without "
            "parts judge as a whole.",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel="Inputs",
            help="Folder that its training kept; default: runs/NAME/VERSION, if there.",
        ),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", rich_help_panel="Inputs", help="Image to follow through the network; default: a golden one."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(rich_help_panel="Report", min=0, help="Seed of t-SNE, of crops and of the inversions.")
    ] = 0,
) -> None:
    """Write a self-contained HTML report: mistakes, calibration, filters, feature maps, what each layer remembers."""
    refuse_no_run(run)
    bundle = bundle_folder(bundle)
    with errors_as_messages():
        from training.report.report import ReportConfig, write_report

        name, version = bundle.resolve().parts[-2:]
        kept = Path("runs", name, version)
        config = ReportConfig(
            bundle=bundle,
            output=output or Path(f"{name}-{version}.html"),
            data=data,
            run=run or (kept if (kept / "history.jsonl").is_file() else None),
            image=image,
            seed=seed,
        )
        typer.echo(f"wrote {write_report(config)}")
