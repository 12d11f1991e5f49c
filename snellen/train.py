"""`snellen train` and `snellen import`: make bundles. Both need the extra `train`; nothing heavy is imported before."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

_NEEDED = ("torch", "onnx", "onnxruntime", "onnxscript")

Name = Annotated[str, typer.Option(help="Name of the model: lower-case letters, digits, '.', '_' and '-'.")]
Version = Annotated[int, typer.Option(min=1, help="Version of the bundle.")]
Models = Annotated[Path, typer.Option(help="Model repository; the bundle goes to MODELS/NAME/VERSION.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the bundle if it is there already.")]


def train(
    name: Name = "fashion-mnist",
    version: Version = 1,
    models: Models = Path("models"),
    data: Annotated[
        Path, typer.Option(help="Folder of the four IDX files, plain or .gz, named as MNIST names them.")
    ] = Path("/usr/share/datasets/fashion-mnist"),
    labels: Annotated[
        str, typer.Option(help="Class names in the order of their numbers, comma-separated; default: Fashion-MNIST's.")
    ] = "",
    flip: Annotated[bool, typer.Option(help="Mirror half of the training images; not for digits or letters.")] = True,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 16,
    batch_size: Annotated[int, typer.Option(min=2, help="Images a step.")] = 128,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the split, the weights, the order and the augmentation.")
    ] = 0,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 lets PyTorch choose.")] = 0,
    note: Annotated[list[str] | None, typer.Option(help="Sentence for the model card; may be given again.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Train a CNN on images of 28x28, calibrate it, export it to ONNX and write the bundle."""
    with _explained():
        from training.datasets import FASHION_MNIST
        from training.train import TrainingConfig, run

        config = TrainingConfig(
            name=name,
            version=version,
            data=data,
            labels=tuple(labels.split(",")) if labels else FASHION_MNIST.labels,
            flip=flip,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            threads=threads,
            notes=tuple(note or ()),
        )
        typer.echo(f"wrote {run(config, models, overwrite=overwrite)}")


def import_network(
    source: Annotated[str, typer.Argument(help="Network to import, such as efficientnet-lite0.")],
    name: Name = "imagenet",
    version: Version = 1,
    models: Models = Path("models"),
    overwrite: Overwrite = False,
) -> None:
    """Make a bundle of a pretrained network whose weights come in a Python package."""
    with _explained():
        from training.pretrained import import_pretrained

        typer.echo(f"wrote {import_pretrained(source, models, name, version, overwrite=overwrite)}")


@contextmanager
def _explained() -> Iterator[None]:
    """Errors that say what to do become one line and exit status 1; Ctrl-C becomes 130."""
    _require_extra()
    from models.contract import BundleError
    from training.errors import TrainingError

    try:
        yield
    except (TrainingError, BundleError, OSError, ValueError) as error:
        typer.echo(f"snellen: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        typer.echo("snellen: stopped, nothing was written", err=True)
        raise typer.Exit(130) from None


def _require_extra() -> None:
    missing = [module for module in _NEEDED if find_spec(module) is None]
    if missing:
        typer.echo(
            f"snellen: {', '.join(missing)} not installed in {sys.prefix}; "
            "in a clone run: make install-training, then .venv-train/bin/snellen",
            err=True,
        )
        raise typer.Exit(1)
