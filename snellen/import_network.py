"""`snellen import`: a bundle of a network that others trained."""

from pathlib import Path
from typing import Annotated

import typer

from snellen.bundle_options import Models, Name, Overwrite, Version
from snellen.explained import explained


def import_network(
    source: Annotated[str, typer.Argument(help="Network to import, such as efficientnet-lite0.")],
    name: Name = "imagenet",
    version: Version = 1,
    models: Models = Path("models"),
    overwrite: Overwrite = False,
) -> None:
    """Make a bundle of a pretrained network whose weights come in a Python package."""
    with explained():
        from training.pretrained import import_pretrained

        typer.echo(f"wrote {import_pretrained(source, models, name, version, overwrite=overwrite)}")
