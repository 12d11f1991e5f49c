"""Command line options that several steps share, and how they are parsed."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.gpu.configurations import chosen
from models.contract import Bundle, BundleError, read_bundle
from service.engine.providers import ON_GPU

BUNDLES = "models/imagenet/1,models/fashion-mnist/3"
Bundles = Annotated[str, typer.Option(help="Folders of bundles, separated by commas.")]
Providers = Annotated[str, typer.Option(help="Separated by commas; empty: all that can be used.")]


def bundles_of(text: str) -> list[Bundle]:
    """Read the bundles. Raises typer.BadParameter for a folder that is no bundle."""
    try:
        return [read_bundle(Path(name.strip())) for name in text.split(",") if name.strip()]
    except BundleError as error:
        raise typer.BadParameter(str(error)) from None


def names_of(text: str) -> list[str]:
    """Return the names of providers. Raises typer.BadParameter for one that onnxruntime does not offer."""
    try:
        return chosen(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def fast_ones(text: str) -> list[str]:
    """Return the named providers; without names, those on a GPU, or all when there is no GPU."""
    found = names_of(text)
    return found if text else [name for name in found if name in ON_GPU] or found


def numbers_of(text: str) -> list[int]:
    """Parse numbers separated by commas, in ascending order. Raises typer.BadParameter."""
    try:
        return sorted({int(number) for number in text.split(",") if number.strip()})
    except ValueError:
        raise typer.BadParameter(f"{text} is no list of numbers") from None
