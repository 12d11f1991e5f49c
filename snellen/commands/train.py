"""`snellen train`: images -> bundle. It needs the extra `train`; nothing heavy is imported before it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snellen.options import Models, Name, Overwrite, Version
from snellen.training_extra import errors_as_messages

if TYPE_CHECKING:
    from training.loop.config import TrainingConfig

_DATA = "fashion-mnist"


def train(
    context: typer.Context,
    name: Name = "fashion-mnist",
    version: Version = 1,
    models: Models = Path("models"),
    runs: Annotated[Path, typer.Option(help="The run keeps its checkpoint in RUNS/NAME/VERSION.")] = Path("runs"),
    data: Annotated[
        str, typer.Option(help="Folder of class folders or IDX files, CSV or Parquet table, or a name such as cifar10.")
    ] = _DATA,
    config: Annotated[Path | None, typer.Option(help="TOML file with any of the settings.")] = None,
    network: Annotated[str, typer.Option(help="Network by name: see `snellen summary --help`.")] = "small-resnet",
    start: Annotated[
        str, typer.Option("--from", help="scratch, imagenet (published weights, a new head) or the folder of a run.")
    ] = "scratch",
    size: Annotated[int | None, typer.Option(help="Side of the network's input in pixels.")] = None,
    labels: Annotated[
        str | None, typer.Option(help="Class names in the order of their numbers, comma-separated.")
    ] = None,
    flip: Annotated[bool, typer.Option(help="Mirror half of the training images; not for digits or letters.")] = True,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 32,
    batch_size: Annotated[int, typer.Option(help="Images a step.")] = 128,
    optimizer: Annotated[str, typer.Option(help="muon, sgd, momentum, rmsprop, adam or adamw.")] = "muon",
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    schedule: Annotated[str, typer.Option(help="constant, step, cosine or one-cycle.")] = "one-cycle",
    balance: Annotated[bool, typer.Option("--balance", help="Draw all classes equally often.")] = False,
    freeze: Annotated[int, typer.Option(help="First epochs in which a pretrained body is kept as it is.")] = 0,
    unfreeze: Annotated[float, typer.Option(help="Share of the body, from the top, that learns after them.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of split, weights, order and augmentation.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 lets PyTorch choose.")] = 0,
    note: Annotated[list[str] | None, typer.Option(help="Sentence for the model card; may be given again.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting as name=value, such as augmentation.mixup=0.2.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run of that name and version.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Train a CNN, calibrate it, export it to ONNX and write the bundle."""
    with errors_as_messages():
        from training.loop.config import configure
        from training.train import run

        flags = _given_settings(context)
        if resume:
            chosen = _resumed_config(runs / name / str(version), flags, config, settings)
        else:
            defaults = {"name": name, "version": version, "data": data}
            chosen = configure(config, flags, settings or [], defaults)
        if folder := run(chosen, models, runs, resume=resume, overwrite=overwrite):
            typer.echo(f"wrote {folder}")


_SETTINGS = {
    "name": "name",
    "version": "version",
    "data": "data",
    "network": "network",
    "start": "start",
    "size": "size",
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


def _given_settings(context: typer.Context) -> dict[str, Any]:
    """Return the settings given on the command line; all others are left to the configuration file."""
    given = {
        setting: context.params[option]
        for option, setting in _SETTINGS.items()
        if (source := context.get_parameter_source(option)) is not None and source.name == "COMMANDLINE"
    }
    return given | ({"labels": tuple(given["labels"].split(","))} if "labels" in given else {})


def _resumed_config(
    folder: Path, flags: dict[str, Any], config: Path | None, settings: list[str] | None
) -> "TrainingConfig":
    """Return the configuration of the run in `folder`, with a new learning rate if one is given.

    Nothing else may change.
    """
    from training.errors import ConfigurationError
    from training.loop.config import read_config

    chosen = read_config(folder)
    rate = flags.pop("recipe.lr", None)
    if flags.keys() - {"name", "version"} or config or settings:
        raise ConfigurationError(
            f"--resume goes on with the configuration in {folder}: "
            "leave out all options but --name, --version, --models, --runs, --overwrite and --lr"
        )
    if rate is None:
        return chosen
    return chosen.model_copy(update={"recipe": chosen.recipe.model_copy(update={"lr": rate})})
