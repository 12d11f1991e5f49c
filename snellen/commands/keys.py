"""`snellen keys`: make, show and revoke the API keys of a key file."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from snellen.options import exit_with_error
from snellen.output import path_text
from snellen.plain_command import PlainCommand, PlainGroup

keys = typer.Typer(cls=PlainGroup, help="Make, show and revoke API keys.", no_args_is_help=True)

S = TypeVar("S")
T = TypeVar("T")
KeyFile = Annotated[
    Path,
    typer.Option(
        "--keys", metavar="FILE", envvar="SNELLEN_KEYS", help="Key file, as `snellen serve` reads it; or SNELLEN_KEYS."
    ),
]


@keys.command("add", cls=PlainCommand)
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the client, for metrics and the log.")],
    file: KeyFile,
    scopes: Annotated[
        str, typer.Option(metavar="SCOPE,...", help="What the key allows: classify, read, metrics, admin.")
    ] = "classify,read",
    models: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Models that the key may use; unset: all.")
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="When the key ends to be valid, as 2027-01-31 (00:00 UTC) or with a time; unset: never.",
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER", help="Images per second, or `unlimited`; unset: what `snellen serve --key-rate` says."
        ),
    ] = None,
    burst: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Images at once after a pause; unset: those of one second.")
    ] = None,
) -> None:
    """Make a key, and print it on standard output; it is shown this once, since the file holds only its hash.

    A client may have several keys under one name, so that keys can be exchanged: add the new one, give it to the
    client, then revoke the old one. A running service follows the file within two seconds.
    """
    from service.access.api_keys import new_key
    from service.access.key_file import NAME, KeyFileError, read_expiry, read_models, read_scopes
    from service.access.key_file_changes import add_key
    from service.access.rate_limit import read_limit

    if not NAME.fullmatch(name):
        exit_with_error(
            f"{name[:64]!r} is no name: use up to 64 letters, digits, dots, dashes and underscores", status=2
        )
    key, entry = new_key(
        name,
        _read("--scopes", read_scopes, scopes),
        models=None if models is None else _read("--models", read_models, models),
        expires=None if expires is None else _future(_read("--expires", read_expiry, expires)),
        limit=_read("--rate and --burst", lambda texts: read_limit(*texts), (rate, burst)),
    )
    try:
        add_key(file, entry)
    except KeyFileError as error:
        exit_with_error(str(error), status=2)
    typer.echo(f"snellen: the key of {name} with the ID {entry.key_id}; it is not shown again:", err=True)
    typer.echo(key)


@keys.command("list", cls=PlainCommand)
def list_keys(file: KeyFile) -> None:
    """Show the keys of the file: names, IDs and what they allow."""
    from service.access.key_file import KeyFileError, parse_keys, read_content

    try:
        found = parse_keys(read_content(file), file)
    except KeyFileError as error:
        exit_with_error(str(error), status=2)
    if not found:
        exit_with_error(
            f"{path_text(file)} holds no key, so a service with it refuses every request that needs one", status=1
        )
    table = Table("name", "id", "scopes", "models", "expires", "limit")
    for key in found.values():
        expires = "never" if key.expires is None else f"{key.expires:%Y-%m-%d %H:%M %Z}"
        table.add_row(
            key.name,
            key.key_id,
            ", ".join(sorted(key.scopes)),
            "all" if key.models is None else ", ".join(sorted(key.models)),
            f"{expires}, has expired" if key.has_expired() else expires,
            "--key-rate" if key.limit is None else str(key.limit),
        )
    Console().print(table)


@keys.command("revoke", cls=PlainCommand)
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="ID of the key, or its name where only one has it.")],
    file: KeyFile,
) -> None:
    """Remove a key from the file; a running service refuses it within two seconds."""
    from service.access.key_file import KeyFileError
    from service.access.key_file_changes import revoke_keys

    try:
        revoked = revoke_keys(file, key)
    except KeyFileError as error:
        exit_with_error(str(error), status=2)
    typer.echo(f"revoked the key {revoked.key_id} of {revoked.name}")


def _read(option: str, reader: Callable[[S], T], text: S) -> T:
    """Return the value of an option, or of several. Ends the command with status 2 if it cannot be read."""
    try:
        return reader(text)
    except ValueError as error:
        exit_with_error(f"{option}: {error}", status=2)


def _future(moment: datetime) -> datetime:
    if moment <= datetime.now(moment.tzinfo):
        exit_with_error("--expires: that is in the past, so the key would never be valid", status=2)
    return moment
