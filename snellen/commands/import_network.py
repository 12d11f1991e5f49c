"""`snellen import`: a bundle of a network with published weights."""

from pathlib import Path
from typing import Annotated

import typer

from snellen.options import Models, Overwrite, Version
from snellen.training_extra import errors_as_messages


def import_network(
    source: Annotated[str, typer.Argument(help="efficientnet-lite0, or timm/<model> with or without a tag.")],
    name: Annotated[str | None, typer.Option(help="Name of the bundle; default: the network's own.")] = None,
    version: Version = 1,
    models: Models = Path("models"),
    weights: Annotated[
        Path | None, typer.Option(help="Checkpoint of that timm model, .safetensors or .pth, instead of a download.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Class names, one a line; default: timm's of ImageNet.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a bundle of a network that others trained."""
    with errors_as_messages():
        from training.pretrained.import_bundle import import_pretrained

        made = import_pretrained(source, models, name, version, weights=weights, labels=labels, overwrite=overwrite)
        typer.echo(f"wrote {made}")
