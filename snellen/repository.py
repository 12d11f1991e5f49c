"""Repositories and bundles as commands name them: a folder, a name as in `imagenet` or `imagenet/1`, or nothing."""

import os
from functools import cache
from pathlib import Path

import typer

from snellen.options import exit_with_error
from snellen.output import path_text, printable

_RUN_CONFIG = "config.json"
"""File in the folder of a training run; `training.loop.config` writes it."""


def repository_folder(given: Path | None = None) -> Path:
    """Return the repository folder that `snellen serve` would read.

    given: value of --models, which wins over the variable SNELLEN_MODELS. Where neither names a folder, it is `models`
    in the working folder or the built-in repository; a folder `models` that is passed over is named on stderr.
    """
    from models.contract import default_repository, passed_over_folder

    if given is not None:
        return given
    if (named := variable("SNELLEN_MODELS")) is not None:
        return Path(named)
    found = default_repository()
    if reason := passed_over_folder(found):
        _print_once(reason)
    return found


def default_bundle() -> Path:
    """Return the newest bundle of the model that `snellen serve` would answer with.

    A bundle of the built-in repository is named on stderr. Ends the command with status 2 where there is none.
    """
    from models.contract import BUILT_IN, find_bundles

    repository = repository_folder()
    newest = {path.parent.name: path for path in find_bundles(repository)}
    if (wanted := default_model(set(newest))) is None:
        exit_with_error(f"name a bundle: {_described(list(newest.values()), repository)}", status=2)
    chosen = newest[wanted]
    if repository == BUILT_IN:
        _print_once(f"with the built-in bundle {_name(chosen)}")
    return chosen


def default_model(names: set[str]) -> str | None:
    """Return which of the models `snellen serve` would answer with where none is named, None for none of them."""
    from service.repository.policy import unnamed_default

    wanted = variable("SNELLEN_DEFAULT_MODEL") or unnamed_default(names)
    return wanted if wanted in names else None


def bundle_folder(given: Path) -> Path:
    """Return the folder of a bundle that is given as a folder, or by name, as in `imagenet` or `imagenet/1`.

    A folder that exists wins. A name is looked for in the repository that `snellen serve` would read; without version
    it is the newest one. Ends the command with status 2 where neither is there, and for a folder that holds versions of
    a model. A path that cannot be a name, because it is absolute or has three parts, is returned unchanged.
    """
    from models.contract import find_bundles

    if os.path.lexists(given) or given.is_absolute() or len(given.parts) > 2:
        refuse_model_folder(given)
        return given
    repository = repository_folder()
    bundles = find_bundles(repository)
    if not (found := [path for path in bundles if str(given) in {path.parent.name, _name(path)}]):
        exit_with_error(f"there is no folder {path_text(given)}, and {_described(bundles, repository)}", status=2)
    return found[-1]


def refuse_model_folder(path: Path) -> None:
    """End the command with status 2 for a folder that holds versions of a model in the place of a bundle."""
    from models.contract import find_bundles

    if versions := [found for found in find_bundles(path.parent) if found.parent == path]:
        reason = f"{path_text(path)} is a model: name a version of it, as in {path_text(versions[-1])}"
        exit_with_error(reason, status=2)


def refuse_no_run(run: Path | None) -> None:
    """End the command with status 2 where --run names a folder that no training kept; None is no folder."""
    if run is not None and not (run / _RUN_CONFIG).is_file():
        reason = (
            f"--run: {path_text(run)} holds no {_RUN_CONFIG}, so it is no run: name RUNS/NAME/VERSION of a training"
        )
        exit_with_error(reason, status=2)


def variable(wanted: str) -> str | None:
    """Return the value of a variable whose name may be in any case, as that of any setting of the service."""
    return next((value for name, value in os.environ.items() if name.upper() == wanted), None)


def _name(bundle: Path) -> str:
    return f"{bundle.parent.name}/{bundle.name}"


def _described(bundles: list[Path], repository: Path) -> str:
    """Return which bundles a repository has, for an error message."""
    if not bundles:
        return f"{path_text(repository)} holds no bundle <name>/<version>/manifest.json"
    return f"{path_text(repository)} holds {', '.join(map(_name, bundles))}"


@cache
def _print_once(line: str) -> None:
    """Print a line on stderr, once, however many bundles are looked for."""
    typer.echo(printable(f"snellen: {line}"), err=True)
