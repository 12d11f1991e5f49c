"""`snellen evaluate`: how good a bundle is on labelled images, without PyTorch."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from snellen.held_out import HeldOut, counted, open_bundle, print_skipped
from snellen.options import exit_with_error
from snellen.output import path_text
from snellen.repository import bundle_folder
from snellen.training_extra import refusals_as_messages

if TYPE_CHECKING:
    from models.contract import Manifest, Precision


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Bundle: its folder, as in models/fashion-mnist/2, or its name.")],
    data: HeldOut,
    precision: Annotated[
        str | None,
        typer.Option(metavar="int8,fp16", help="Variants beside fp32, comma-separated, as in int8,fp16; default: all."),
    ] = None,
    all_classes: Annotated[bool, typer.Option("--all-classes", help="Show all classes, not the 20 worst.")] = False,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write all figures to this file, as JSON.")
    ] = None,
    confusion: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the whole confusion matrix to this file, as CSV.")
    ] = None,
) -> None:
    """Measure accuracy and calibration of a bundle and its variants on labelled images."""
    for option, path in (("--json", json), ("--confusion", confusion)):
        if path is not None and not path.absolute().parent.is_dir():
            exit_with_error(f"{option}: there is no folder {path_text(path.parent)}", status=2)
        if path is not None and path.is_dir():
            exit_with_error(f"{option}: {path_text(path)} is a folder; name a file in it", status=2)
    with refusals_as_messages():
        from models.contract import Task
        from snellen.evaluation_output import as_json, print_evaluation, write_confusion
        from training.data.held_out_images import evaluation_part, open_held_out
        from training.evaluation.bundle_evaluation import evaluate_on

        console = Console(stderr=True)
        opened = open_bundle(bundle_folder(bundle))
        precisions = _precisions(precision, opened.manifest)
        if confusion is not None and opened.manifest.task is Task.MULTILABEL:
            exit_with_error("--confusion: where an image has several labels there is no confusion matrix", status=2)
        images = evaluation_part(open_held_out(data, opened.manifest))
        with counted(len(images), "evaluating", console) as advance:
            result = evaluate_on(opened, images, precisions, advance)
        print_skipped(result.skipped, console)
        print_evaluation(result, all_classes=all_classes)
        if json is not None:
            json.write_text(as_json(result) + "\n", encoding="utf-8")
        if confusion is not None:
            write_confusion(result, confusion)


def _precisions(text: str | None, manifest: "Manifest") -> "tuple[Precision, ...]":
    """Return the precisions between commas, all of the bundle by default. Ends the command at an unknown name."""
    from models.contract import Precision

    known = [variant.precision.value for variant in manifest.variants]
    names = known if text is None else [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in known]:
        exit_with_error(f"--precision: {unknown[0]!r} is no variant of the bundle: {', '.join(known)}", status=2)
    return tuple(Precision(name) for name in names)
