"""Options that the steps have in common."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.gpu.configurations import chosen
from models.contract import Bundle, BundleError, read_bundle
from service.providers import ON_GPU

BUNDLES = "models/imagenet/1,models/fashion-mnist/2"
Bundles = Annotated[str, typer.Option(help="Folders of bundles, separated by commas.")]
Providers = Annotated[str, typer.Option(help="Separated by commas; empty: all that can be used.")]


def bundles_of(text: str) -> list[Bundle]:
    """Raises typer.BadParameter for what is no bundle."""
    try:
        return [read_bundle(Path(name.strip())) for name in text.split(",") if name.strip()]
    except BundleError as error:
        raise typer.BadParameter(str(error)) from None


def names_of(text: str) -> list[str]:
    """Raises typer.BadParameter for a provider that is not there."""
    try:
        return chosen(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def fast_ones(text: str) -> list[str]:
    """The same; without names only those on a GPU, where there is one."""
    found = names_of(text)
    return found if text else [name for name in found if name in ON_GPU] or found


def numbers_of(text: str) -> list[int]:
    """Raises typer.BadParameter."""
    try:
        return sorted({int(number) for number in text.split(",") if number.strip()})
    except ValueError:
        raise typer.BadParameter(f"{text} is no list of numbers") from None
