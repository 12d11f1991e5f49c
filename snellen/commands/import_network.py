"""`snellen import`: a bundle of a network that others trained, from published weights or from an ONNX file."""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from snellen.input_options import colour_option, size_option
from snellen.options import (
    Models,
    Overwrite,
    Version,
    exit_with_error,
    refuse_overwriting_nothing,
    require_extra,
)
from snellen.output import path_text, print_table, printable
from snellen.serve_command import serve_command
from snellen.training_extra import refusals_as_messages

if TYPE_CHECKING:
    from training.importing.guesses import Guess
    from training.importing.import_onnx import ImportedBundle, OnnxOptions
    from training.importing.import_options import ImportOptions
    from training.importing.preset_trials import Top, Trial

_ONNX = "ONNX files"
"""Start of the topics in the help of the options that only ONNX files have."""
_INPUT, _SCORES, _CHECKS = f"{_ONNX} and checkpoints: input", f"{_ONNX}: scores", f"{_ONNX} and checkpoints: checks"
_IMPORT_ONLY = {"golden", "check", "try_all"}
"""Names of parameters under these topics that `snellen serve FILE.onnx` does not have."""
_LIBRARIES = ("timm/", "torchvision/")
"""Beginnings of the sources that are networks of PyTorch."""
_OF_LIBRARIES = {
    *("preset", "mean", "std", "colour", "size", "resize", "pad_colour", "crop_fraction", "interpolation", "bits"),
    *("golden", "check"),
}
"""Names of parameters under the topics of ONNX files that these sources have too."""


def import_network(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            help="An .onnx file, timm/<model> with or without a tag, torchvision/<model>, or efficientnet-lite0."
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel="Bundle",
            help="Name of the bundle; default: the network's own. Needed for an .onnx file.",
        ),
    ] = None,
    version: Version = None,
    models: Models = Path("models"),
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel="Network",
            help="Checkpoint of that model of timm or torchvision, .safetensors or of PyTorch, instead of a download.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel="Network",
            help="Class names: text with one a line, JSON, YAML or CSV; default: ImageNet's or numbers, or those in or "
            "beside the .onnx file.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    preset: Annotated[
        Literal["imagenet", "inception", "unit", "raw", "caffe"] | None,
        typer.Option(
            help="Numbers that the network takes: imagenet (PyTorch's mean and deviation), inception (-1 to 1), unit "
            "(0 to 1), raw (0 to 255), caffe (BGR, mean subtracted).",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            help="Subtracted from each channel, as in 0.485,0.456,0.406; in grey levels of 0 to 255 if a number of "
            "--mean or --std exceeds 1, else of 0 to 1; in the network's order of channels.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    std: Annotated[
        str | None, typer.Option(metavar="NUMBERS", help="Divides each channel after --mean.", rich_help_panel=_INPUT)
    ] = None,
    colour: Annotated[
        Literal["RGB", "BGR", "L"] | None,
        typer.Option(help="Order of the channels; L is grey.", rich_help_panel=_INPUT),
    ] = None,
    layout: Annotated[
        Literal["auto", "nchw", "nhwc"], typer.Option(help="Order of the input's axes.", rich_help_panel=_INPUT)
    ] = "auto",
    size: Annotated[
        str | None,
        typer.Option(
            metavar="PIXELS",
            help="Side in pixels, or width x height such as 320x96, for an input of no fixed size.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    resize: Annotated[
        Literal["crop", "squash", "pad"] | None,
        typer.Option(
            help="Cut off what sticks out, change the proportions, or add a border; default: crop, or as a checkpoint "
            "says.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    pad_colour: Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B",
            help="Colour of the border of --resize pad, 0 to 255 each; default: black.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    crop_fraction: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Part of each side that a crop keeps, at most 1; default: 1.", rich_help_panel=_INPUT
        ),
    ] = None,
    interpolation: Annotated[
        Literal["bilinear", "bicubic"] | None,
        typer.Option(help="Filter of the resize; default: bilinear.", rich_help_panel=_INPUT),
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(
            metavar="BITS",
            min=8,
            max=16,
            help="How many bits grey pictures with 16 bits use, as 12 of most sensors; default: 16.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the output with the scores.", rich_help_panel=_SCORES)
    ] = None,
    scores: Annotated[
        Literal["auto", "logits", "probabilities"],
        typer.Option(help="What the scores are; auto: by their values.", rich_help_panel=_SCORES),
    ] = "auto",
    task: Annotated[
        Literal["auto", "single", "multilabel"],
        typer.Option(
            help="One class of an image is true, or any number; auto: by the scores.", rich_help_panel=_SCORES
        ),
    ] = "auto",
    golden: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder with photos for the golden images, of which the first 8 are taken; default: some that ship.",
            rich_help_panel=_CHECKS,
        ),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Photo; its five best classes are printed.", rich_help_panel=_CHECKS),
    ] = None,
    try_all: Annotated[
        bool,
        typer.Option(
            "--try",
            help="Print the best classes of --check for each preset, and make no bundle.",
            rich_help_panel=_CHECKS,
        ),
    ] = False,
) -> None:
    """Make a bundle of a network that others trained. ONNX files need no PyTorch.

    What a file does not say is assumed, and printed with the reason.
    """
    if version is None:
        refuse_overwriting_nothing(overwrite=overwrite)
    if source.lower().endswith(".onnx"):
        if weights is not None:
            exit_with_error("--weights is for timm and torchvision: an ONNX file has its weights with it", status=2)
        with refusals_as_messages():
            options = onnx_options(context.params)
            if try_all:
                _try_onnx(Path(source), name, options)
            else:
                _import_onnx(Path(source), models, name, version, options, overwrite=overwrite)
        return
    if Path(source).is_file():
        reason = f"{path_text(Path(source))} is no ONNX file, whose name ends in .onnx"
        exit_with_error(f"{reason}; weights of timm/<model> or torchvision/<model> are given with --weights", status=2)
    _refuse_onnx_options(context, source)
    require_extra("train")
    with refusals_as_messages():
        from training.pretrained.import_bundle import import_pretrained

        chosen = None if name is None else _checked_name(name)
        given = input_options(context.params)
        made = import_pretrained(
            source, models, chosen, version, given, print_guess, weights=weights, overwrite=overwrite
        )
        _print_top(made.top)
        typer.echo(printable(f"wrote {path_text(made.folder)}"))
        print_serve(models, made.folder)


def split_arguments(arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the values of the options for ONNX files among the arguments of `snellen serve`, and what is left.

    Ends the command with status 2 at another option of this command. Raises what typer raises for an option without a
    value or with a wrong one.
    """
    app = typer.Typer(add_completion=False)
    passed_on = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command(context_settings=passed_on, add_help_option=False)(import_network)
    command = typer.main.get_command(app)
    command.params = [option for option in command.params if option.name != "source"]
    context = command.make_context("snellen serve", [*arguments])
    served = [option for option in command.params if _is_served(option)]
    for option in command.params:
        if option not in served and _is_given(context, option):
            exit_with_error(f"{option.opts[0]} is not for serving an ONNX file: leave it out, or see import", status=2)
    return {option.name: context.params[option.name] for option in served if option.name is not None}, context.args


def _is_served(option: Any) -> bool:
    """Return whether `snellen serve FILE.onnx` has this option too."""
    return option.name == "labels" or (_is_of_onnx(option) and option.name not in _IMPORT_ONLY)


def _is_of_onnx(option: Any) -> bool:
    """Return whether only ONNX files have this option."""
    return str(getattr(option, "rich_help_panel", None)).startswith(_ONNX)


def _is_given(context: Any, option: Any) -> bool:
    """Return whether an option is on the command line."""
    source = context.get_parameter_source(option.name or "")
    return source is not None and source.name == "COMMANDLINE"


def onnx_options(given: Mapping[str, Any]) -> "OnnxOptions":
    """Return the options of an import for the values of this command's parameters by name.

    A parameter that is not among them has its default. Ends the command with status 2 at a wrong value.
    """
    from models.contract import Task
    from training.importing.import_onnx import OnnxOptions
    from training.importing.network_input import Layout
    from training.importing.network_output import ScoreKind

    kinds = {"layout": Layout, "output": str, "scores": ScoreKind, "task": Task}
    return OnnxOptions(**_converted(given, _input_converters() | kinds))


def input_options(given: Mapping[str, Any]) -> "ImportOptions":
    """Return the options that networks of PyTorch have, for the values of this command's parameters by name.

    Ends the command with status 2 at a wrong value.
    """
    from training.importing.import_options import ImportOptions

    return ImportOptions(**_converted(given, _input_converters()))


def _input_converters() -> dict[str, Callable[[Any], Any]]:
    """Return for each of the parameters on labels and input how its text becomes a value."""
    from training.importing.normalization import ChannelOrder, Preset

    return {
        "labels": Path,
        "preset": Preset,
        "mean": partial(_numbers, "--mean"),
        "std": partial(_numbers, "--std"),
        "colour": ChannelOrder,
        "size": size_option,
        "resize": str,
        "pad_colour": colour_option,
        "crop_fraction": float,
        "interpolation": str,
        "bits": int,
        "check": Path,
        "golden": Path,
    }


def _converted(given: Mapping[str, Any], converters: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Return the values that were given."""
    values = {name: value for name, value in given.items() if value not in (None, "auto")}
    if not 0 < values.get("crop_fraction", 1) <= 1:
        exit_with_error(f"--crop-fraction is above 0 and at most 1, not {values['crop_fraction']:g}", status=2)
    return {name: convert(values[name]) for name, convert in converters.items() if name in values}


def _import_onnx(
    path: Path, models: Path, name: str | None, version: int | None, options: "OnnxOptions", *, overwrite: bool
) -> None:
    """Make the bundle, and print what is found out on the way."""
    from training.importing.import_onnx import import_onnx

    made = import_onnx(path, models, _checked_name(name), version, options, print_guess, overwrite=overwrite)
    print_made(made)
    print_serve(models, made.folder)


def _try_onnx(path: Path, name: str | None, options: "OnnxOptions") -> None:
    """Print the best classes of the photo with each preset, and the command that makes the bundle."""
    from training.importing.import_onnx import try_onnx

    trials = try_onnx(path, options, print_guess)
    print_table(_trials_table(trials))
    typer.echo("Take the row whose classes are right, and its preset; the command for the default is:")
    typer.echo(printable(_next_command(path, name, next(trial for trial in trials if trial.found))))


def _trials_table(trials: "Sequence[Trial]") -> Table:
    """Return one row for each trial: the scaling, then the classes, the best first."""
    count = max(len(trial.top) for trial in trials)
    table = Table("preset", "colour", *(Column(str(place), overflow="fold") for place in range(1, count + 1)))
    for trial in trials:
        answers = [Text(f"{probability:.4f} {printable(label)}") for label, probability in trial.top]
        name = ", ".join([*([trial.preset] if trial.preset else []), *(["default"] if trial.found else [])])
        table.add_row(name, trial.order, *(answers or [Text("NaN or infinity")]))
    return table


def _next_command(path: Path, name: str | None, usual: "Trial") -> str:
    """Return what to type next: this command without --try, with the scaling that is the default."""
    from training.importing.cached_import import model_name

    arguments = [argument for argument in sys.argv[1:] if argument != "--try"]
    arguments += [] if name is not None else ["--name", model_name(path)]
    arguments += [] if usual.preset is None else ["--preset", usual.preset]
    return shlex.join(["snellen", *arguments])


def _checked_name(name: str | None) -> str:
    from pydantic import TypeAdapter, ValidationError

    from models.contract import ModelName
    from training.data.model_name import NAME_RULE

    if name is None:
        exit_with_error("an ONNX file does not say what to call the model: give it a name with --name", status=2)
    try:
        return str(TypeAdapter(ModelName).validate_python(name))
    except ValidationError:
        exit_with_error(f"--name {name!r} is no name of a model: {NAME_RULE}", status=2)


def _numbers(option: str, text: str) -> tuple[float, ...]:
    """Return the numbers between commas."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        exit_with_error(f"{option} is one number, or one for each channel with commas between, not {text!r}", status=2)


def _refuse_onnx_options(context: typer.Context, source: str) -> None:
    """End the command with status 2 where an option was given that the source does not have."""
    for option in context.command.params:
        known = source.startswith(_LIBRARIES) and option.name in _OF_LIBRARIES
        if _is_given(context, option) and _is_of_onnx(option) and not known:
            exit_with_error(f"{option.opts[0]} is for ONNX files: the source does not end in .onnx", status=2)


def print_made(made: "ImportedBundle") -> None:
    """Print the difference from the file, the classes of the photo to check, and the folder."""
    _print("equality", f"{made.difference:.1e}, the greatest difference from the file")
    _print_top(made.top)
    typer.echo(printable(f"wrote {path_text(made.folder)}"))


def _print_top(top: "Top") -> None:
    """Print the best classes of the photo to check."""
    for label, probability in top:
        _print("check", f"{probability:.4f} {label}")


def print_serve(models: Path, bundle: Path) -> None:
    """Print the command that serves a new bundle."""
    typer.echo(printable(f"{'serve':<9}{serve_command(models, bundle.parent.name)}"))


def print_guess(guess: "Guess") -> None:
    """Print one fact about the network, and where it is known from."""
    _print(guess.what, f"{guess.value} ({guess.reason})")


def _print(what: str, text: str) -> None:
    Console().print(Text.assemble((f"{what:<9}", "bold"), printable(text)), soft_wrap=True)
