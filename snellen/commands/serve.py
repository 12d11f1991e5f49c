"""`snellen serve`: the HTTP service."""

import os
import signal
import sys
from typing import Any

import typer

from snellen.options import require_extra
from snellen.plain_command import PlainCommand

_FILES = (
    "snellen serve FILE.onnx imports an ONNX file into the cache folder and serves it.\n"
    "Its options besides those below are --labels and the ones for ONNX files in `snellen import --help`.\n"
)


class ServeCommand(PlainCommand):
    """The command, whose arguments the service reads; shells complete its options nevertheless."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters that typer reads: none, but for completion the options of the service."""
        from snellen.serve_options import completion_parameters

        return [*super().get_params(ctx), *(completion_parameters() if ctx.resilient_parsing else [])]


def serve(context: typer.Context) -> None:
    """Answer over HTTP with the bundles of a folder, or with FILE.onnx; `snellen serve --help` lists every setting."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the server handles it; process 1 would ignore it
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))  # Python would print a traceback
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it asks for a look at the folder, which comes anyway
    require_extra("cpu")  # the main process imports a part of it only, and its frontends would end one by one
    arguments = context.args
    if {"-h", "--help"} & set(arguments):
        typer.echo(_FILES)
        arguments = ["--help"]
    elif any(argument.lower().endswith(".onnx") for argument in arguments):
        _serve_file(arguments)
    from service.__main__ import main

    raise typer.Exit(main(arguments))


def _serve_file(arguments: list[str]) -> None:
    """Import the ONNX file among the arguments and serve it in the place of this process.

    A new program, because the main process of the service holds none of the libraries that an import needs.
    """
    from snellen.served_file import arguments_for_file

    served = arguments_for_file(arguments)
    sys.stdout.flush()
    command = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]
    os.execv(sys.executable, [sys.executable, *command, "serve", *served])  # noqa: S606 - the same program, no shell
