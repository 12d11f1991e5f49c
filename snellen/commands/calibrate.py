"""`snellen calibrate`: a new version of a bundle whose probabilities fit held-out images, without PyTorch."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from snellen.held_out import HeldOut, counted, open_bundle, print_notes, print_skipped
from snellen.output import path_text, printable
from snellen.training_extra import refusals_as_messages

if TYPE_CHECKING:
    from models.contract import Calibration, Manifest


def calibrate(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle, as in models/fashion-mnist/3.")],
    data: HeldOut,
    version: Annotated[int | None, typer.Option(min=1, help="Version to write; default: the next one.")] = None,
) -> None:
    """Fit temperature, prediction sets and energy threshold on labelled images, and write a new version."""
    with refusals_as_messages():
        from training.data.held_out_images import calibration_parts, open_held_out
        from training.importing.calibrated_bundle import calibrate_bundle, next_version, refuse_version

        console = Console(stderr=True)
        opened = open_bundle(bundle)
        chosen = version or next_version(opened)
        refuse_version(opened, chosen)
        images, test = calibration_parts(open_held_out(data, opened.manifest))
        print_notes(images, console)
        with counted(len(images) + (len(test) if test else 0), "calibrating", console) as advance:
            made = calibrate_bundle(opened, chosen, images, test, advance)
        print_skipped(made.skipped, console)
        for what, text in _facts(made.manifest, opened.manifest):
            Console().print(Text.assemble((f"{what:<12}", "bold"), printable(text)), soft_wrap=True)
        typer.echo(printable(f"wrote {path_text(made.folder)}"))
        if made.left_out:
            names = ", ".join(made.left_out)
            typer.echo(printable(f"It has fp32 only: for {names} run snellen optimize {path_text(made.folder)}"))


def _facts(new: "Manifest", old: "Manifest") -> "Iterator[tuple[str, str]]":
    """Yield what was fitted and measured, as name and text."""
    calibration = new.calibration
    yield "images", f"{calibration.images:,} {calibration.fitted_on}, which must not have been trained on"
    if calibration.thresholds:
        low, high = min(calibration.thresholds), max(calibration.thresholds)
        yield "thresholds", f"{low:.4f} to {high:.4f}, one for each class; 0.5 where there was no positive image"
    else:
        yield "temperature", f"{calibration.temperature:.4f}, was {old.calibration.temperature:.4f}"
        yield from _softmax_facts(calibration)
    if baseline := calibration.baseline:
        shares = len(baseline.classes) + (baseline.other is not None)
        yield "baseline", f"{shares} shares of classes and {len(baseline.bins)} of the confidence, to notice a drift"
    if calibration.weak:
        yield "weak", f"{calibration.weak}; the numbers are an indication, no more"


def _softmax_facts(calibration: "Calibration") -> "Iterator[tuple[str, str]]":
    sets, energy, reliability = calibration.prediction_sets, calibration.energy, calibration.reliability
    if sets:
        yield "sets", f"coverage {', '.join(sets.thresholds) or 'none'}"
        for coverage, reason in sets.not_fitted.items():
            yield "", f"not {coverage}: {reason}"
    missing = calibration.note.partition(" No energy ")[2]
    yield "energy", f"threshold {energy.threshold:.4f}" if energy else f"no {missing}"
    if reliability:
        yield (
            "measured",
            f"on {reliability.images:,} {reliability.measured_on}: NLL {reliability.nll_after:.4f} "
            f"({reliability.nll_before:.4f} at temperature 1), ECE {reliability.ece_after:.4f} "
            f"({reliability.ece_before:.4f})",
        )
