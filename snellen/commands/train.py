"""`snellen train`: images -> bundle. It needs the extra `train`; nothing heavy is imported before it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from snellen.input_options import colour_option, size_option
from snellen.options import Models, Overwrite, Version, exit_with_error, refuse_overwriting_nothing
from snellen.output import path_text, printable
from snellen.serve_command import serve_command
from snellen.training_extra import errors_as_messages
from snellen.training_summary import trained_sentences

if TYPE_CHECKING:
    from training.loop.config import TrainingConfig

_DATA = "fashion-mnist"
GUESSING = 3
"""Exit status of a run whose network is no better than guessing; its bundle is there."""
_WHOLE = "show the network whole pictures with --resize squash or pad, "
_BETTER = "train for more --epochs, add images, or start from published weights with --from imagenet"


def train(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel="Bundle",
            help="Name of the model; default: that of the folder, table or data set.",
        ),
    ] = None,
    version: Version = None,
    models: Models = Path("models"),
    runs: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", rich_help_panel="Bundle", help="The run keeps its checkpoint in RUNS/NAME/VERSION."
        ),
    ] = Path("runs"),
    data: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            rich_help_panel="Images",
            help="Folder of class folders or IDX files, CSV or Parquet table, or a name such as cifar10.",
        ),
    ] = _DATA,
    network: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel="Network",
            help="Network by name: see `snellen summary --help`; default: small-resnet, with --from imagenet "
            "efficientnet-lite0, with --from FOLDER that of the run.",
        ),
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="scratch|imagenet|FOLDER",
            rich_help_panel="Network",
            help="scratch, imagenet (published weights, a new head) or the folder of a run.",
        ),
    ] = "scratch",
    size: Annotated[
        str | None,
        typer.Option(
            metavar="PIXELS",
            rich_help_panel="Images",
            help="The network's input: side in pixels, or width x height such as 320x96.",
        ),
    ] = None,
    resize: Annotated[
        Literal["crop", "squash", "pad"] | None,
        typer.Option(
            rich_help_panel="Images",
            help="Cut off what sticks out, change the proportions, or add a border; default: crop, and squash for "
            "small grey images.",
        ),
    ] = None,
    pad_colour: Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B",
            rich_help_panel="Images",
            help="Colour of the border of --resize pad, 0 to 255 each; default: black.",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="cat,dog",
            rich_help_panel="Images",
            help="Class names in the order of their numbers, comma-separated.",
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip",
            rich_help_panel="Images",
            help="Mirror half of the training images; default: unless they are grey pictures of digits or letters.",
        ),
    ] = None,
    epochs: Annotated[
        int,
        typer.Option(
            min=1, rich_help_panel="Training", help="Passes over the training images, of at least 16 steps each."
        ),
    ] = 32,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=2,
            metavar="IMAGES",
            rich_help_panel="Training",
            help="Images a step; default: 16 to 128, so that an epoch has at least 16 steps.",
        ),
    ] = None,
    optimizer: Annotated[
        Literal["muon", "sgd", "momentum", "rmsprop", "adam", "adamw"],
        typer.Option(rich_help_panel="Training", help="Rule of the weights' updates."),
    ] = "muon",
    lr: Annotated[
        float | None,
        typer.Option(rich_help_panel="Training", help="Peak learning rate; default: one that suits the optimizer."),
    ] = None,
    schedule: Annotated[
        Literal["constant", "step", "cosine", "one-cycle"],
        typer.Option(rich_help_panel="Training", help="Course of the learning rate."),
    ] = "one-cycle",
    balance: Annotated[
        bool, typer.Option("--balance", rich_help_panel="Images", help="Draw all classes equally often.")
    ] = False,
    freeze: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="EPOCHS",
            rich_help_panel="Network",
            help="First epochs in which a pretrained body is kept as it is; default: all with --from imagenet, else 0.",
        ),
    ] = None,
    unfreeze: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            rich_help_panel="Network",
            help="Share of the body, from the top, that learns after them.",
        ),
    ] = 1.0,
    seed: Annotated[
        int, typer.Option(min=0, rich_help_panel="Training", help="Seed of split, weights, order and augmentation.")
    ] = 0,
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"],
        typer.Option(rich_help_panel="Run", help="Where it is trained; auto: on a GPU if there is one."),
    ] = "auto",
    threads: Annotated[int, typer.Option(min=0, rich_help_panel="Run", help="CPU threads; 0 lets PyTorch choose.")] = 0,
    note: Annotated[
        list[str] | None,
        typer.Option(rich_help_panel="Bundle", help="Sentence for the model card; may be given again."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", rich_help_panel="Run", help="TOML file with any of the settings.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            rich_help_panel="Run",
            help="Any setting as name=value, such as augmentation.mixup=0.2.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", rich_help_panel="Run", help="Go on with the newest run of that --name, or with that --version."
        ),
    ] = False,
    changed_data: Annotated[
        bool,
        typer.Option(
            "--changed-data", rich_help_panel="Run", help="With --resume: go on although its images have changed."
        ),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a CNN, calibrate it, export it to ONNX and write the bundle.

    Exit status 3: the bundle is there, but its network is no better than guessing.
    """
    if resume and name is None:
        exit_with_error("--resume goes on with a run: name it with --name, and --version if it is not the newest", 2)
    if changed_data and not resume:
        exit_with_error("--changed-data goes on with a run whose images have changed: give --resume, too", 2)
    with errors_as_messages():
        from training.data.model_name import name_of_data
        from training.importing.bundle_writer import next_version
        from training.loop.config import configure
        from training.train import run

        flags = _given_settings(context)
        if resume:
            folder = runs / str(name)
            newest = version or next_version(folder) - 1
            if not newest:
                exit_with_error(f"there is no run to resume in {path_text(folder)}: see --name and --runs", status=2)
            chosen = _resumed_config(folder / str(newest), flags, config, settings)
        else:
            chosen = configure(config, flags, settings or [], {"data": data})
            if "version" not in chosen.model_fields_set:
                refuse_overwriting_nothing(overwrite=overwrite)
                free = next_version(models / chosen.name, runs / chosen.name)
                _refuse_training_twice(chosen, models, runs)
                chosen = chosen.model_copy(update={"version": free})
        unnamed = name is None and chosen.name == name_of_data(chosen.data)
        made = run(
            chosen,
            models,
            runs,
            resume=resume,
            overwrite=overwrite,
            same_classes=unnamed,
            changed_data=changed_data,
        )
        if made is None:
            return
        _print_trained(made.folder, models)
        if made.guessing:
            exit_with_error(f"{made.guessing}: {_WHOLE if made.cut else ''}{_BETTER}", GUESSING)


def _refuse_training_twice(chosen: "TrainingConfig", models: Path, runs: Path) -> None:
    """Raise RefusedRunError where the newest run of the model has the same settings and no bundle yet, also while
    another process trains it.

    Where it has one, say that the same settings are trained again.
    """
    from training.errors import RefusedRunError
    from training.importing.bundle_writer import next_version
    from training.loop.former_run import same_run
    from training.loop.run_lock import RunLock

    former = same_run(chosen, runs)
    if former is None:
        return
    bundle, free = models / chosen.name / former.name, next_version(models / chosen.name, runs / chosen.name)
    if not bundle.exists():
        with RunLock() as lock:
            lock.take(former)
        raise RefusedRunError(
            f"{former} is a run of the same settings, of which {bundle} was not made yet: go on with "
            f"--resume --name {chosen.name}, or begin another one with --version {free}"
        )
    sentence = (
        f"{bundle} was trained with the same settings; this run is version {free}: to go on from what the former one "
        f"has learnt, add --from {former}; to replace it, --version {former.name} --overwrite"
    )
    typer.echo(printable(sentence), err=True)


def _print_trained(folder: Path, models: Path) -> None:
    """Print where the bundle is, what its test showed, and the command that serves it."""
    from models.contract import read_bundle

    manifest = read_bundle(folder).manifest
    typer.echo(printable(f"wrote {path_text(folder)}"))
    for what, sentence in (*trained_sentences(manifest), ("serve", serve_command(models, manifest.name))):
        typer.echo(printable(f"{what:<12}{sentence}"))


_SETTINGS = {
    "name": "name",
    "version": "version",
    "data": "data",
    "network": "network",
    "start": "start",
    "size": "size",
    "resize": "resize",
    "pad_colour": "pad_colour",
    "seed": "seed",
    "device": "device",
    "threads": "threads",
    "labels": "labels",
    "note": "notes",
    "flip": "recipe.augmentation.flip",
    "epochs": "recipe.epochs",
    "batch_size": "recipe.batch_size",
    "optimizer": "recipe.optimizer",
    "lr": "recipe.lr",
    "schedule": "recipe.schedule",
    "balance": "recipe.balance",
    "freeze": "recipe.freeze",
    "unfreeze": "recipe.unfreeze",
}
"""Option -> dotted name in the configuration."""
_RESUMED = ("data", "device", "threads")
"""Settings beside the learning rate that may change when a run is resumed."""


def _given_settings(context: typer.Context) -> dict[str, Any]:
    """Return the settings given on the command line; all others are left to the configuration file."""
    given = {
        setting: context.params[option]
        for option, setting in _SETTINGS.items()
        if (source := context.get_parameter_source(option)) is not None and source.name == "COMMANDLINE"
    }
    for name, convert in (("size", size_option), ("pad_colour", colour_option)):
        if name in given:
            given[name] = convert(given[name])
    names = tuple(name.strip() for name in given["labels"].split(",")) if "labels" in given else ()
    return given | ({"labels": names} if names else {})


def _resumed_config(
    folder: Path, flags: dict[str, Any], config: Path | None, settings: list[str] | None
) -> "TrainingConfig":
    """Return the configuration of the run in `folder`, with another place of the data, device, number of threads or
    learning rate where they are given.

    Nothing else may change.
    """
    from training.errors import ConfigurationError
    from training.loop.config import read_config

    chosen = read_config(folder)
    if flags.keys() - {"name", "version", "recipe.lr", *_RESUMED} or config or settings:
        raise ConfigurationError(
            f"--resume goes on with the configuration in {folder}: leave out all options but --name, --version, "
            "--models, --runs, --overwrite, --data, --changed-data, --device, --threads and --lr"
        )
    given = {name: flags[name] for name in _RESUMED if name in flags}
    if "recipe.lr" in flags:
        given["recipe"] = chosen.recipe.model_copy(update={"lr": flags["recipe.lr"]})
    return chosen.model_copy(update=given)
