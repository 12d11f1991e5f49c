"""`snellen tune`: times all ways to run a model on this machine and stores the result for `snellen serve`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from snellen.options import exit_with_error
from snellen.output import path_text, printable

if TYPE_CHECKING:
    from models.contract import Bundle
    from service.engine.profile import Measurement, Profile
    from service.settings import Settings

_WINDOW_S = 0.05
_SERVED = "As for snellen serve"
"""Topic of the options in the help that are settings of the service."""


def tune(
    models: Annotated[list[str] | None, typer.Argument(help="names, as in imagenet or imagenet/1; default all")] = None,
    folder: Annotated[
        Path | None, typer.Option("--models", metavar="FOLDER", rich_help_panel="Models", help="model repository")
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", rich_help_panel="Measurement", min=0, help="time for each model, variant and provider"
        ),
    ] = 10.0,
    providers: Annotated[
        str | None,
        typer.Option(
            metavar="cuda,cpu", rich_help_panel=_SERVED, help="execution providers; auto tries every one installed"
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(metavar="int8", rich_help_panel=_SERVED, help="variant of the bundles; auto tries every one"),
    ] = None,
    concurrency: Annotated[int | None, typer.Option(rich_help_panel=_SERVED, help="batches run at a time")] = None,
    threads_per_batch: Annotated[
        int | None, typer.Option(rich_help_panel=_SERVED, help="threads for a batch, on CPU")
    ] = None,
    max_batch_size: Annotated[int | None, typer.Option(rich_help_panel=_SERVED, help="largest batch")] = None,
    max_batch_latency_ms: Annotated[
        float | None, typer.Option(metavar="MILLISECONDS", rich_help_panel=_SERVED, help="what a batch may take")
    ] = None,
    profile_cache: Annotated[
        Path | None, typer.Option(metavar="FOLDER", rich_help_panel=_SERVED, help="folder of what was measured")
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="FILE", rich_help_panel="Measurement", help="also write all that was tried to this file"
        ),
    ] = None,
) -> None:
    """Time every way to run the models; `snellen serve` uses the result with the same settings.

    The variables SNELLEN_... apply here too.
    """
    given = {
        "models": folder,
        "providers": providers,
        "precision": precision,
        "concurrency": concurrency,
        "threads_per_batch": threads_per_batch,
        "max_batch_size": max_batch_size,
        "max_batch_latency_ms": max_batch_latency_ms,
        "profile_cache": profile_cache,
        "tune_s": seconds,
    }
    settings = _settings({name: value for name, value in given.items() if value is not None})
    found = [(bundle, _tune_bundle(bundle, settings)) for bundle in _bundles(settings.models, models or [])]
    if json_file is not None:
        json_file.write_text(json.dumps([_as_json(bundle, profile) for bundle, profile in found], indent=1) + "\n")


def _settings(given: dict[str, Any]) -> "Settings":
    from pydantic import ValidationError

    from service.setting_texts import wrong_value
    from service.settings import Settings

    assert given.keys() <= Settings.model_fields.keys(), "Settings ignores names that it does not know"
    try:
        return Settings(**given)
    except ValidationError as error:
        exit_with_error(wrong_value(error.errors()[0]), status=2)


def _bundles(repository: Path, names: list[str]) -> list["Bundle"]:
    """Return the bundles with these names, or all of them. Ends the command at an unknown name."""
    from models.contract import BundleError, find_bundles, read_bundle

    found = [path for path in find_bundles(repository) if not names or {path.parent.name, _name(path)} & set(names)]
    if missing := set(names) - {path.parent.name for path in found} - {_name(path) for path in found}:
        exit_with_error(f"there is no {sorted(missing)[0]} in {path_text(repository)}", status=2)
    if not found:
        exit_with_error(f"there is no bundle in {path_text(repository)}", status=2)
    try:
        return [read_bundle(path) for path in found]
    except BundleError as error:
        exit_with_error(str(error), status=1)


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _tune_bundle(bundle: "Bundle", settings: "Settings") -> "Profile":
    from models.contract import usable_cores
    from service.build import tuning_options
    from service.engine.session import EngineRejected
    from service.engine.tuning.autotune import retune
    from service.engine.tuning.selection import described

    name = f"{bundle.manifest.name}/{bundle.manifest.version}"
    console = Console(stderr=True)
    with console.status(f"{name}: loading") as status:

        def show(now: "Measurement") -> None:
            status.update(f"{name}: {described(now)}, {now.images_per_s:.0f} images/s")

        wanted = tuning_options(settings, max(1, usable_cores() // max(1, settings.engines)))
        try:
            profile = retune(bundle, wanted, _WINDOW_S, show)
        except EngineRejected as error:
            exit_with_error(f"{name}: {printable(str(error))}", status=1)
    Console().print(_table(name, profile), Text(profile.reason), soft_wrap=True)
    return profile


def _table(name: str, profile: "Profile") -> Table:
    """Return the table of measurements, fastest first; the chosen row is marked."""
    table = Table("", "variant", "provider", "at a time", "threads", "batch", "images/s", "ms", title=name)
    for tried in sorted(profile.tried, key=lambda each: -each.images_per_s):
        chosen = tried == profile.chosen
        numbers = (tried.concurrency, tried.threads_per_batch, tried.batch_size)
        provider = tried.provider + " + CUDA graphs" * tried.cuda_graph
        timed = (f"{tried.images_per_s:.1f}", f"{tried.seconds * 1000:.2f}")
        style = "bold green" if chosen else None
        table.add_row("*" * chosen, tried.precision, provider, *map(str, numbers), *timed, style=style)
    return table


def _as_json(bundle: "Bundle", profile: "Profile") -> dict[str, Any]:
    rows = [tried.model_dump() | {"images_per_s": tried.images_per_s} for tried in profile.tried]
    chosen = profile.chosen.model_dump() | {"images_per_s": profile.images_per_s}
    return {
        "model": bundle.manifest.name,
        "version": bundle.manifest.version,
        "chosen": chosen,
        "alone_s": profile.alone_s,
        "reason": profile.reason,
        "tried": rows,
    }
