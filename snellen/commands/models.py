"""`snellen models`: what a repository folder holds, and what the service would not serve."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from snellen.options import exit_with_error
from snellen.output import path_text, printable
from snellen.plain_command import PlainCommand, PlainGroup
from snellen.repository import default_model, repository_folder

if TYPE_CHECKING:
    from models.contract import Manifest

models = typer.Typer(cls=PlainGroup, help="Show what a repository folder holds.", no_args_is_help=True)


@models.command("list", cls=PlainCommand)
def list_models(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--models",
            metavar="FOLDER",
            help="Repository folder: NAME/VERSION/manifest.json; unset: that of the service.",
        ),
    ] = None,
) -> None:
    """Show the bundles that the service would load, and what it would pass over and why.

    Hashes of files are not computed and networks are not run: `snellen verify` does that.
    """
    from models.contract import BundleError, find_bundles, passed_over, read_bundle

    repository = repository_folder(folder)
    if not repository.is_dir():
        exit_with_error(f"there is no folder {path_text(repository)}; name it with --models", status=2)
    found: list[Manifest] = []
    reasons = passed_over(repository)
    bundles = find_bundles(repository)
    for path in bundles:
        try:
            bundle = read_bundle(path)
            bundle.check_files(hashes=False)
            found.append(bundle.manifest)
        except BundleError as error:
            reasons[f"{path.parent.name}/{path.name}"] = str(error)
    if found:
        _print_bundles(found, repository)
    for name, reason in sorted(reasons.items()):
        Console().print(Text.assemble(("passed over ", "yellow"), printable(f"{name}: {reason}")), soft_wrap=True)
    if found:
        _print_default(default_model({path.parent.name for path in bundles}))
    else:
        exit_with_error(f"{path_text(repository)} holds no bundle that can be served", status=1)


def _print_default(name: str | None) -> None:
    said = "no model: name one with --default-model" if name is None else name
    Console().print(Text(printable(f"default model, for /v1/classify: {said}")), soft_wrap=True)


def _print_bundles(found: "list[Manifest]", repository: Path) -> None:
    from models.contract import BUILT_IN

    place = path_text(repository) + ", built in" * (repository == BUILT_IN)
    table = Table("bundle", "classes", "input", "variants", "description", title=Text(printable(place)))
    for manifest in found:
        height, width, channels = manifest.input.shape
        table.add_row(
            f"{manifest.name}/{manifest.version}",
            str(len(manifest.labels)),
            f"{width}x{height}x{channels}",
            ", ".join(variant.precision for variant in manifest.variants),
            Text(printable(manifest.description)),
        )
    Console().print(table)
