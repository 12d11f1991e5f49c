"""Options of the commands that make a bundle."""

from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[str, typer.Option(help="Name of the model: lower-case letters, digits, '.', '_' and '-'.")]
Version = Annotated[int, typer.Option(min=1, help="Version of the bundle.")]
Models = Annotated[Path, typer.Option(help="Model repository; the bundle goes to MODELS/NAME/VERSION.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the bundle if it is there already.")]
