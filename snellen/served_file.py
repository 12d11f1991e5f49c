"""`snellen serve FILE.onnx`: the import into the cache folder, and the arguments that serve what it made."""

from collections.abc import Sequence
from pathlib import Path

import typer

from snellen.commands.import_network import onnx_options, print_guess, print_made, split_arguments
from snellen.options import exit_with_error
from snellen.output import path_text, printable
from snellen.training_extra import refusals_as_messages

_SUFFIX = ".onnx"
_FOLDER = "imports"
"""Folder of the imported bundles inside the cache folder."""


def arguments_for_file(arguments: Sequence[str]) -> list[str]:
    """Import the ONNX file among the arguments, unless it was imported before, and return the arguments to serve it.

    Ends the command with status 2 where no bundle can be made of it.
    """
    given, rest = split_arguments(arguments)
    files = [argument for argument in rest if argument.lower().endswith(_SUFFIX) and not argument.startswith("-")]
    if len(files) != 1:
        exit_with_error(f"serve takes one ONNX file, not {len(files)}: import several with snellen import", status=2)
    rest.remove(files[0])
    with refusals_as_messages():
        from training.importing.cached_import import cached_import

        found = cached_import(Path(files[0]), _cache(), onnx_options(given), print_guess)
        if found.made is not None:
            print_made(found.made)
        else:
            typer.echo(printable(f"imported before, in {path_text(found.repository)}"))
    return ["--models", str(found.repository), "--default-model", found.name, *rest]


def _cache() -> Path:
    """Return the folder for imported bundles. Ends the command with status 2 where there is none."""
    from service.engine.tuning.profile_cache import default_folder

    folder = default_folder()
    if folder is None:
        exit_with_error("there is no folder for the imported file: set XDG_CACHE_HOME to one", status=2)
    try:
        (folder / _FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        exit_with_error(
            f"{path_text(folder / _FOLDER)} cannot be made for the imported file: {error.strerror}; set XDG_CACHE_HOME "
            "to another folder",
            status=2,
        )
    return folder / _FOLDER
