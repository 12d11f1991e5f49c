"""`snellen optimize`: smaller variants of a bundle, measured beside fp32 and admitted only within a budget."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from snellen.options import exit_with_error
from snellen.output import path_text, printable
from snellen.repository import bundle_folder, refuse_no_run
from snellen.training_extra import errors_as_messages

if TYPE_CHECKING:
    from models.contract import Precision


def optimize(
    bundle: Annotated[Path, typer.Argument(help="Bundle: its folder, as in models/fashion-mnist/3, or its name.")],
    variants: Annotated[
        str,
        typer.Option(
            metavar="int8,fp16,bf16,pruned",
            rich_help_panel="Variants",
            help="What to make, comma-separated: int8, fp16, bf16, pruned; bf16 takes OpenVINO and a processor that "
            "computes it.",
        ),
    ] = ("int8,fp16,pruned"),
    budget: Annotated[
        float,
        typer.Option(
            metavar="POINTS",
            rich_help_panel="Variants",
            min=0,
            max=100,
            help="Percentage points of top-1 accuracy that a variant may lose.",
        ),
    ] = 0.5,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            rich_help_panel="Inputs",
            help="Data it was trained on, as for `snellen train`, or a folder or table without parts that it was not "
            "trained on; default: those of its run, or photographs.",
        ),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel="Inputs",
            help="Photographs without labels, 30 or more, instead of --data: a third makes the variants, crops of the "
            "others judge them.",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel="Inputs",
            help="Folder of its training run; default: runs/NAME/VERSION, if it is there.",
        ),
    ] = None,
    sparsity: Annotated[
        float,
        typer.Option(
            metavar="SHARE", rich_help_panel="Variants", min=0.1, max=0.99, help="Share of zeros in the pruned variant."
        ),
    ] = 0.7,
    epochs: Annotated[
        int, typer.Option(rich_help_panel="Variants", min=1, max=1000, help="Of fine-tuning the pruned variant.")
    ] = 2,
    json: Annotated[
        Path | None,
        typer.Option(metavar="FILE", rich_help_panel="Output", help="Also write the table to this file, as JSON."),
    ] = None,
) -> None:
    """Make smaller variants, measure each beside fp32, and admit those within the budget into the bundle."""
    wanted = _precisions(variants)
    if json is not None and not json.absolute().parent.is_dir():
        exit_with_error(f"--json: there is no folder {path_text(json.parent)}", status=2)
    if json is not None and json.is_dir():
        exit_with_error(f"--json: {path_text(json)} is a folder: name a file", status=2)
    if photos is not None and (data is not None or run is not None):
        exit_with_error("--photos: not with --data or --run, which name labelled images: name one of them", status=2)
    if photos is not None and not photos.is_dir():
        exit_with_error(f"--photos: there is no folder {path_text(photos)}", status=2)
    refuse_no_run(run)
    bundle = bundle_folder(bundle)
    with errors_as_messages():
        from training.optimize.make_variants import VariantOptions
        from training.optimize.optimize import Source
        from training.optimize.optimize import optimize as make
        from training.optimize.table import as_json, print_table

        console = Console(stderr=True)
        with console.status("optimizing") if console.is_terminal else nullcontext():
            outcome = make(
                bundle,
                wanted,
                VariantOptions(budget, sparsity, epochs),
                Source(data, run or Path("runs", *bundle.absolute().parts[-2:]), photos),
                log=lambda line: console.print(printable(line), highlight=False, soft_wrap=True, markup=False),
            )
        print_table(outcome)
        if json is not None:
            json.write_text(as_json(outcome) + "\n", encoding="utf-8")


def _precisions(text: str) -> "tuple[Precision, ...]":
    """Return the precisions between commas. Ends the command with status 2 at an unknown name, or without any."""
    from models.contract import Precision

    derived = [precision.value for precision in Precision if precision is not Precision.FP32]
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in derived]:
        exit_with_error(f"--variants: {unknown[0]!r} is none of {', '.join(derived)}", status=2)
    if not names:
        exit_with_error(f"--variants: name at least one of {', '.join(derived)}", status=2)
    return tuple(Precision(name) for name in names)
