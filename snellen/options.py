"""Options that several commands share, and the exit with an error message."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from snellen.extras import missing_sentence
from snellen.output import printable

Providers = Annotated[
    str, typer.Option(metavar="cuda,cpu", help="execution providers, as in cuda,cpu; empty: best installed")
]


def provider_names(text: str) -> tuple[str, ...]:
    """Return the names between commas. Ends the command with status 2 at an unknown name."""
    from service.engine.providers import NAMES

    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if unknown := [name for name in names if name not in NAMES]:
        exit_with_error(f"--providers: {unknown[0]!r} is none of {', '.join(NAMES)}", status=2)
    return names


def service_default(setting: str) -> int:
    """Return the default of a setting of `snellen serve`. It is read when a command runs, so that help is quick."""
    from service.settings import Settings

    return int(Settings.model_fields[setting].default)


def refuse_overwriting_nothing(*, overwrite: bool) -> None:
    """End the command with status 2 where a version is to be replaced, but not which one."""
    if overwrite:
        exit_with_error("--overwrite replaces a version: say which one with --version", status=2)


def require_extra(extra: str) -> None:
    """End the command with status 1 where modules of an extra, `cpu` or `train`, are missing; all are named."""
    if sentence := missing_sentence(extra):
        exit_with_error(sentence, status=1)


def exit_with_error(reason: str, status: int) -> NoReturn:
    """Print the reason on stderr and end the command with this status."""
    typer.echo(f"snellen: {printable(reason)}", err=True)
    raise typer.Exit(status)


Version = Annotated[
    int | None, typer.Option(rich_help_panel="Bundle", min=1, help="Version of the bundle; default: the next free one.")
]
Models = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER", rich_help_panel="Bundle", help="Model repository; the bundle goes to MODELS/NAME/VERSION."
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel="Bundle", help="Replace the bundle of that --version.")
]
