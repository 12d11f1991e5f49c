"""Records of a run: progress for people, `history.jsonl` for programs, event files for TensorBoard."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from torchvision.utils import make_grid

from training.networks.network import Network
from training.progress import ProgressDisplay

HISTORY = "history.jsonl"
_EVENTS = "events"
_SHOWN = 16


@dataclass(frozen=True)
class EpochRecord:
    """One line of the history. accuracy and nll: on the validation images; data_wait: share of the time, 0 to 1."""

    epoch: int
    loss: float
    lr: float
    accuracy: float
    nll: float
    images_per_s: float
    data_wait: float


class RunHistory:
    """Context manager for the time of a run. Without a folder it only prints; without `is_main` it does nothing."""

    def __init__(self, folder: Path | None, images: int, *, done: int = 0, is_main: bool = True) -> None:
        self.progress = ProgressDisplay(images, done=done, quiet=not is_main)
        self._folder = folder if is_main else None
        self._events: SummaryWriter | None = None

    def __enter__(self) -> Self:
        if self._folder is not None:
            with self._tolerate_write_errors():
                self._events = SummaryWriter(str(self._folder / _EVENTS))
        self.progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.__exit__(kind, error, trace)
        with self._tolerate_write_errors():
            if self._events is not None:
                self._events.close()

    def step(self, step: int, loss: float, lr: float) -> None:
        """Record the loss and the learning rate of a step."""
        with self._tolerate_write_errors():
            if self._events is not None:
                self._events.add_scalar("step/loss", loss, step)
                self._events.add_scalar("step/learning rate", lr, step)

    def epoch(self, record: EpochRecord, epochs: int) -> None:
        """Print and record an epoch."""
        self.progress.print_line(
            f"epoch {record.epoch}/{epochs}: loss {record.loss:.4f}, validation accuracy {record.accuracy:.4f}, "
            f"NLL {record.nll:.4f}"
        )
        with self._tolerate_write_errors():
            self._write_epoch(record)

    def add_images(self, network: Network, images: Tensor, labels: Tensor, predicted: Tensor, epoch: int) -> None:
        """Record the filters of the first convolution, and some validation images with their predicted classes.

        images: uint8 [N, H, W, C]; labels and predicted: int64 [N].
        """
        with self._tolerate_write_errors():
            if self._events is not None:
                _write_images(self._events, network, images, labels, predicted, epoch)

    def _write_epoch(self, record: EpochRecord) -> None:
        if self._folder is not None:
            with (self._folder / HISTORY).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(record)) + "\n")
        if self._events is not None:
            for name in ("loss", "accuracy", "nll", "images_per_s", "data_wait"):
                self._events.add_scalar(f"epoch/{name}", getattr(record, name), record.epoch)

    @contextmanager
    def _tolerate_write_errors(self) -> Iterator[None]:
        """Stop writing events on an OSError: a full disk must not end the run."""
        try:
            yield
        except OSError as error:
            self._events = None
            self.progress.print_line(f"history and events could not be written, training goes on: {error}")


def _write_images(
    events: SummaryWriter, network: Network, images: Tensor, labels: Tensor, predicted: Tensor, epoch: int
) -> None:
    if (filters := _first_filters(network)) is not None:
        grid = make_grid(filters, nrow=8, normalize=True, scale_each=True, padding=1)
        events.add_image("first-layer filters", grid, epoch)
    events.add_image("validation images", make_grid(images[:_SHOWN].permute(0, 3, 1, 2), nrow=4, padding=2), epoch)
    pairs = zip(labels[:_SHOWN].tolist(), predicted[:_SHOWN].tolist(), strict=True)
    rows = "\n".join(f"| {index} | {label} | {guess} |" for index, (label, guess) in enumerate(pairs))
    events.add_text("validation images", f"| image | class | predicted |\n|---|---|---|\n{rows}", epoch)


def training_seconds(folder: Path, images: int) -> float:
    """Return the seconds of training in the history of a run that shows `images` images an epoch, all resumed parts
    included.
    """
    lines = (folder / HISTORY).read_text(encoding="utf-8").splitlines() if (folder / HISTORY).exists() else []
    rates = [float(json.loads(line)["images_per_s"]) for line in lines]
    return sum((images / rate for rate in rates if rate), start=0.0)


def truncate_history(folder: Path, epochs: int) -> None:
    """Remove the lines after `epochs`: a resumed run repeats those epochs."""
    path = folder / HISTORY
    if path.exists():
        kept = path.read_text(encoding="utf-8").splitlines()[:epochs]
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def _first_filters(network: Network) -> Tensor | None:
    """Return float [F, 1 or 3, h, w], or None where the first layer is no convolution of pixels."""
    convolution = next((layer for layer in network.modules() if isinstance(layer, nn.Conv2d)), None)
    if convolution is None or convolution.in_channels not in {1, 3}:
        return None
    return torch.as_tensor(convolution.weight.detach().float().cpu())
