"""`snellen train`: images -> bundle. It needs the extra `train`; nothing heavy is imported before."""

from pathlib import Path
from typing import Annotated

import typer

from snellen.bundle_options import Models, Name, Overwrite, Version
from snellen.explained import explained


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
    with explained():
        from training.data.facts import FASHION_MNIST
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
