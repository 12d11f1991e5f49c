"""`snellen models`: what a service serves or a repository folder holds, and changes of what is served."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from snellen.options import exit_with_error
from snellen.output import path_text, printable
from snellen.plain_command import PlainCommand, PlainGroup
from snellen.repository import default_model, repository_folder

if TYPE_CHECKING:
    from models.contract import Manifest
    from snellen.admin_client import AdminClient

models = typer.Typer(
    cls=PlainGroup,
    help="Show and change what a running service serves, or show what a repository folder holds.",
    no_args_is_help=True,
)

AdminSocket = Annotated[
    Path | None,
    typer.Option("--admin-socket", help="Socket of the service, as in its setting; unset: the one of --port."),
]
Port = Annotated[
    int | None,
    typer.Option("--port", min=1, max=65535, help="Port of the service, SNELLEN_PORT or else 8000."),
]
Admin = Annotated[
    str | None,
    typer.Option(
        "--admin",
        metavar="URL",
        help="Admin port of the service, as http://127.0.0.1:9000, with a key in the variable SNELLEN_KEY.",
    ),
]
Name = Annotated[str, typer.Argument(help="A version, as in imagenet/2, or a model for all of its versions.")]


@models.command("list", cls=PlainCommand)
def list_models(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--models",
            metavar="FOLDER",
            help="Repository folder, NAME/VERSION/manifest.json, instead of a running service.",
        ),
    ] = None,
    admin_socket: AdminSocket = None,
    port: Port = None,
    admin: Admin = None,
) -> None:
    """Show the versions of the running service with their states; without one, the bundles that it would load.

    For a folder, it also says what the service would pass over and why. Hashes of files are not computed and networks
    are not run: `snellen verify` does that.
    """
    from snellen.admin_client import NoService, find_service

    if folder is not None:
        if (admin_socket, port, admin) != (None, None, None):
            exit_with_error("--models shows a folder; leave it out to ask a running service", status=2)
        _list_folder(folder)
        return
    with _failures_shown():
        try:
            client = find_service(admin_socket, port, admin)
        except NoService:
            if (admin_socket, port, admin) != (None, None, None):
                raise
            _list_folder(None)
            return
        _print_state(client.state())


@models.command(cls=PlainCommand)
def load(name: Name, admin_socket: AdminSocket = None, port: Port = None, admin: Admin = None) -> None:
    """Load a version that is new, was unloaded or has failed, and wait until it is ready."""
    with _failures_shown():
        client = _client(admin_socket, port, admin)
        before = client.state()
        after = _change(client, "load", {"name": name}, f"loading {name}")
        _print_changes(before, after)
        ready = [each["name"] for each in after["versions"] if name in _names(each) and each["state"] == "ready"]
        model = name.partition("/")[0]
        default = after["defaults"][model]["version"]
        if not _print_way_back(before, after, _options(admin_socket, port, admin)) and ready:
            number = ready[-1].partition("/")[2]
            if str(default) != number:
                _next("let it answer", f"default {model} {number}", _options(admin_socket, port, admin))


@models.command(cls=PlainCommand)
def unload(name: Name, admin_socket: AdminSocket = None, port: Port = None, admin: Admin = None) -> None:
    """Unload a version, or a model with all versions: accepted requests are answered, then its memory is freed."""
    with _failures_shown():
        client = _client(admin_socket, port, admin)
        _change(client, "unload", {"name": name}, f"unloading {name}")
        _say(f"{name} is unloaded until the end of the service; its folder stays")
        _next("load it again", f"load {name}", _options(admin_socket, port, admin))


@models.command(cls=PlainCommand)
def default(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    version: Annotated[str, typer.Argument(help="Number of a ready version, or latest: the newest that is ready.")],
    admin_socket: AdminSocket = None,
    port: Port = None,
    admin: Admin = None,
) -> None:
    """Choose the version that answers where only the model is named; also the way to roll back."""
    if not _is_rule(version):
        exit_with_error(f"VERSION is {version!r}; write latest, or the number of a version", status=2)
    with _failures_shown():
        client = _client(admin_socket, port, admin)
        done = client.change("default", {"model": model, "version": version})
        rule = ": the newest that is ready" if version == "latest" else ""
        _say(f"{model}/{done['version']} is the default version of {model} now{rule}")
        if done["not_stored"] is not None:
            typer.echo(
                f"snellen: this lasts until the end of the service: {printable(done['not_stored'])}; "
                f"write {version} into that file, or make the folder writable and choose again",
                err=True,
            )
        if done["before"] != version and _is_rule(done["before"]):  # the file may have held anything
            _next("go back", f"default {model} {done['before']}", _options(admin_socket, port, admin))


@models.command(cls=PlainCommand)
def rescan(admin_socket: AdminSocket = None, port: Port = None, admin: Admin = None) -> None:
    """Compare the repository folder with what is served: load what is new, retire what was deleted."""
    with _failures_shown():
        client = _client(admin_socket, port, admin)
        before = client.state()
        after = _change(client, "rescan", {}, "comparing")
        known = {each["name"]: (each["state"], each["reason"]) for each in before["versions"]}
        _print_changes(before, after)
        if not _print_way_back(before, after, _options(admin_socket, port, admin)):
            _next("see all", "list", _options(admin_socket, port, admin))
        failed = [each["name"] for each in after["versions"] if each["state"] == "failed"]
        if any(known.get(name, ("", ""))[0] != "failed" for name in failed):
            raise typer.Exit(1)


def _is_rule(text: str) -> bool:
    """Return whether a text is `latest` or a number, as the file `default` holds it."""
    return text == "latest" or (text.isascii() and text.isdecimal())


def _client(admin_socket: Path | None, port: int | None, admin: str | None) -> "AdminClient":
    from snellen.admin_client import find_service

    return find_service(admin_socket, port, admin)


@contextmanager
def _failures_shown() -> Iterator[None]:
    """End the command with one sentence: status 1 for a refusal, 2 for a wrong call and where no service answers."""
    from snellen.admin_client import NoService, Problem

    try:
        yield
    except NoService as error:
        exit_with_error(str(error), status=2)
    except Problem as error:
        exit_with_error(str(error), status=2 if error.status in {400, 413, 422} else 1)
    except KeyboardInterrupt:
        typer.echo("snellen: the service goes on with it; `snellen models list` shows how far it is", err=True)
        raise typer.Exit(130) from None


def _change(client: "AdminClient", what: str, body: dict[str, Any], title: str) -> dict[str, Any]:
    """Make a change, and show on a terminal what happens meanwhile."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return client.change(what, body)
    with console.status(Text(printable(title))) as status:

        def show(state: dict[str, Any], seconds: float) -> None:
            status.update(Text(printable(f"{_at_work(state) or title} ({seconds:.0f} s)")))

        return client.change_while(what, body, show)


def _at_work(state: dict[str, Any]) -> str:
    """Return which versions are between two states; empty if none is."""
    moving = {"verifying", "warming", "retiring"}
    return ", ".join(f"{each['name']} is {each['state']}" for each in state["versions"] if each["state"] in moving)


def _names(version: dict[str, Any]) -> set[str]:
    """Return the names by which a version can be meant: its own and its model's."""
    return {version["name"], version["name"].partition("/")[0]}


def _print_changes(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Print a line for each version, default and folder that is not as it was."""
    lines = [*_changed_versions(before, after)]
    for model, rule in after["defaults"].items():
        earlier = before["defaults"].get(model, {}).get("version")
        if rule["version"] != earlier and earlier is not None:
            lines.append(f"the default version of {model} is {rule['version']}, was {earlier}")
        if rule["reason"] is not None and rule != before["defaults"].get(model):
            lines.append(rule["reason"])
    for name, reason in after["passed_over"].items():
        if before["passed_over"].get(name) != reason:
            lines.append(f"passed over {name}: {reason}")
    for line in lines or ["nothing has changed"]:
        _say(line)


def _changed_versions(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    known = {each["name"]: (each["state"], each["reason"]) for each in before["versions"]}
    for each in after["versions"]:
        if known.pop(each["name"], None) != (each["state"], each["reason"]):
            yield f"{each['name']} is {each['state']}" + (f": {each['reason']}" if each["reason"] else "")
    yield from (f"{name} is gone" for name in known)


def _print_way_back(before: dict[str, Any], after: dict[str, Any], options: str) -> bool:
    """Print how to return to the earlier default versions that are still ready. Return whether there is any."""
    ready = {each["name"] for each in after["versions"] if each["state"] == "ready"}
    commands = [
        f"default {model} {earlier}"
        for model, rule in after["defaults"].items()
        if (earlier := before["defaults"].get(model, {}).get("version")) not in {None, rule["version"]}
        and f"{model}/{earlier}" in ready
    ]
    for command in commands:
        _next("go back", command, options)
    return bool(commands)


def _options(admin_socket: Path | None, port: int | None, admin: str | None) -> str:
    """Return the options that name the same service again."""
    named = f" --admin-socket {admin_socket}" if admin_socket is not None else ""
    named += f" --admin {admin}" if admin is not None else ""
    return named + (f" --port {port}" if port is not None else "")


def _say(line: str) -> None:
    Console().print(Text(printable(line)), soft_wrap=True)


def _next(purpose: str, command: str, options: str) -> None:
    _say(f"{purpose}: snellen models {command}{options}")


def _print_state(state: dict[str, Any]) -> None:
    table = Table("version", "state", "default", "manifest", Column("reason", overflow="fold"))
    for each in state["versions"]:
        mark = "yes" if each["default"] else ""
        table.add_row(
            *map(Text, (each["name"], each["state"], mark, each["sha256"][:12], printable(each["reason"] or "")))
        )
    Console().print(table)
    _say(f"default model: {state['default_model'] or 'none'}")
    for model, rule in state["defaults"].items():
        stored = "" if rule["stored"] else ", until the end of the service"
        if _is_rule(rule["wanted"]) and (rule["wanted"] != "latest" or not rule["stored"]):
            _say(f"default version of {model}: {rule['wanted']}, as chosen{stored}")
        if rule["reason"]:
            _say(rule["reason"])
    _print_passed_over(state["passed_over"])


def _print_passed_over(reasons: dict[str, str]) -> None:
    for name, reason in sorted(reasons.items()):
        Console().print(Text.assemble(("passed over ", "yellow"), printable(f"{name}: {reason}")), soft_wrap=True)


def _list_folder(folder: Path | None) -> None:
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
    _print_passed_over(reasons)
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
