"""`snellen evaluate`: how good a bundle is on labelled images, and against another one, without PyTorch."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from snellen.held_out import HELD_OUT, counted, open_bundle, print_notes, print_skipped
from snellen.options import exit_with_error
from snellen.output import path_text
from snellen.repository import bundle_folder
from snellen.training_extra import refusals_as_messages

if TYPE_CHECKING:
    from models.contract import Manifest, Precision


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Bundle: its folder, as in models/fashion-mnist/3, or its name.")],
    images: Annotated[str | None, typer.Argument(help="The images; the same as --data IMAGES.")] = None,
    data: Annotated[str | None, HELD_OUT] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="BUNDLE", help="Compare with this bundle, the one that serves; the images may have no labels then."
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="int8,fp16",
            help="Variants beside fp32, comma-separated, as in int8,fp16; default: all. With --against: the variant "
            "of both bundles to compare; default: fp32.",
        ),
    ] = None,
    all_classes: Annotated[bool, typer.Option("--all-classes", help="Show all classes, not the 20 worst.")] = False,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write all figures to this file, as JSON.")
    ] = None,
    confusion: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the whole confusion matrix to this file, as CSV.")
    ] = None,
    changed: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="With --against: also write all images whose answers differ to this file, as CSV."
        ),
    ] = None,
) -> None:
    """Measure accuracy and calibration of a bundle and its variants on labelled images, or compare it with another."""
    for option, path in (("--json", json), ("--confusion", confusion), ("--changed", changed)):
        if path is not None and not path.absolute().parent.is_dir():
            exit_with_error(f"{option}: there is no folder {path_text(path.parent)}", status=2)
        if path is not None and path.is_dir():
            exit_with_error(f"{option}: {path_text(path)} is a folder; name a file in it", status=2)
    source = _source(bundle, images, data)
    bundle = bundle_folder(bundle)
    if against is None:
        if changed is not None:
            exit_with_error("--changed: there are changed images only with --against BUNDLE", status=2)
        _measure(bundle, source, precision, all_classes=all_classes, json=json, confusion=confusion)
        return
    for option, given in (("--confusion", confusion is not None), ("--all-classes", all_classes)):
        if given:
            exit_with_error(f"{option}: not with --against; run snellen evaluate for each bundle instead", status=2)
    _compare(bundle, bundle_folder(against), source, precision, json=json, changed=changed)


def _source(bundle: Path, images: str | None, data: str | None) -> str:
    """Return the images that are named in one of two ways. Ends the command unless exactly one is used."""
    if images is not None and data is not None:
        exit_with_error(f"the images are named twice, {images!r} and --data {data!r}: name them once", status=2)
    if images is None and data is None:
        exit_with_error(f"name the images, as in snellen evaluate {path_text(bundle)} --data photos", status=2)
    return images or data or ""


def _measure(
    folder: Path, source: str, precision: str | None, *, all_classes: bool, json: Path | None, confusion: Path | None
) -> None:
    """Measure one bundle."""
    with refusals_as_messages():
        from models.contract import Task
        from snellen.evaluation_output import as_json, print_evaluation, write_confusion
        from training.data.held_out_images import evaluation_part, open_held_out
        from training.evaluation.bundle_evaluation import evaluate_on

        console = Console(stderr=True)
        opened = open_bundle(folder)
        precisions = _precisions(precision, opened.manifest)
        if confusion is not None and opened.manifest.task is Task.MULTILABEL:
            exit_with_error("--confusion: where an image has several labels there is no confusion matrix", status=2)
        images = evaluation_part(open_held_out(source, opened.manifest))
        print_notes(images, console)
        with counted(len(images), "evaluating", console) as advance:
            result = evaluate_on(opened, images, precisions, advance)
        print_skipped(result.skipped, console)
        print_evaluation(result, all_classes=all_classes)
        if json is not None:
            json.write_text(as_json(result) + "\n", encoding="utf-8")
        if confusion is not None:
            write_confusion(result, confusion)


def _compare(
    new: Path, serving: Path, source: str, precision: str | None, *, json: Path | None, changed: Path | None
) -> None:
    """Compare two bundles on the same images."""
    with refusals_as_messages():
        from snellen.comparison_output import as_json, changed_images_file, print_comparison
        from training.data.held_out_images import open_with_or_without_labels
        from training.evaluation.bundle_comparison import compare_bundles, match_bundles

        console = Console(stderr=True)
        bundles = open_bundle(new), open_bundle(serving)
        chosen = _one_precision(precision, [each.manifest for each in bundles])
        classes = {"labels": match_bundles(*bundles).labels}
        images = open_with_or_without_labels(source, bundles[0].manifest.model_copy(update=classes))
        print_notes(images, console)
        with changed_images_file(changed) as on_changed, counted(len(images), "comparing", console) as advance:
            result = compare_bundles(*bundles, images, chosen, advance=advance, on_changed=on_changed)
        print_skipped(result.skipped, console)
        print_comparison(result)
        if json is not None:
            json.write_text(as_json(result) + "\n", encoding="utf-8")


def _one_precision(text: str | None, manifests: "Sequence[Manifest]") -> "Precision":
    """Return the variant to compare, fp32 by default. Ends the command unless it is one that each bundle has."""
    from models.contract import Precision

    name = "fp32" if text is None else text.strip()
    if "," in name:
        exit_with_error("--precision: with --against name one variant, as in int8", status=2)
    for manifest in manifests:
        known = _measurable(manifest, name)
        if name not in known:
            bundle = f"{manifest.name}/{manifest.version}"
            exit_with_error(f"--precision: {name!r} is no variant of {bundle}: {', '.join(known)}", status=2)
    return Precision(name)


def _precisions(text: str | None, manifest: "Manifest") -> "tuple[Precision, ...]":
    """Return the precisions between commas, all of the bundle by default. Ends the command at an unknown name."""
    from models.contract import Precision

    known = _measurable(manifest, text or "")
    names = known if text is None else [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in known]:
        exit_with_error(f"--precision: {unknown[0]!r} is no variant of the bundle: {', '.join(known)}", status=2)
    return tuple(Precision(name) for name in names)


def _measurable(manifest: "Manifest", wanted: str) -> list[str]:
    """Return the variants of the bundle that can be computed here.

    Ends the command where `wanted`, names between commas, has one that the bundle has and that cannot be computed.
    """
    from training.evaluation.graph import obstacle

    reasons = {variant.precision.value: obstacle(variant.precision) for variant in manifest.variants}
    names = [name.strip() for name in wanted.split(",")]
    for name, reason in reasons.items():
        if reason and name in names:
            exit_with_error(f"--precision: {reason}", status=2)
        if reason:
            Console(stderr=True).print(f"{name} is left out: {reason}", highlight=False, soft_wrap=True, markup=False)
    return [name for name, reason in reasons.items() if not reason]
