"""Graphs run on images that are read in batches, so that memory holds the pixels of one batch at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from models.contract import INPUT, BundleError, Manifest, Pixels, usable_cores
from training.data.held_out_images import HeldOutImages, Truth
from training.data.labelled_images import evaluation_batch
from training.data.sources.open_image import UnreadableImage
from training.data.warnings_list import SkippedFile
from training.errors import DatasetError
from training.evaluation.onnx_session import open_session

Advance = Callable[[int], None]
"""Called with the number of further images that were read."""


@dataclass(frozen=True)
class GraphRun:
    """One graph. outputs: float32 [n, K] by name, of the n readable images. seconds: of ONNX Runtime, for them all."""

    outputs: dict[str, NDArray[np.float32]]
    seconds: float


@dataclass(frozen=True)
class ImageRuns:
    """Several graphs on the same images.

    truth: of the n readable images, in the form of `HeldOutImages`. batch_size: images that a graph took at a time.
    threads: of each graph.
    """

    truth: Truth
    skipped: tuple[SkippedFile, ...]
    runs: tuple[GraphRun, ...]
    batch_size: int
    threads: int


def run_on_images(
    models: Sequence[Path], images: HeldOutImages, manifest: Manifest, outputs: Sequence[str], advance: Advance
) -> ImageRuns:
    """Run ONNX files on all images that can be read, batch by batch, on all usable cores of the CPU.

    outputs: names of the outputs to keep, each [N, K]. Decoding and the graphs take turns, so that the seconds of a
    graph are its own.
    Raises DatasetError where no image can be read, and BundleError for a graph that cannot be run.
    """
    threads, size = usable_cores(), _batch_size(manifest)
    shape = len(images), len(manifest.labels)
    graphs = [_Graph(model, {name: np.empty(shape, np.float32) for name in outputs}, threads) for model in models]
    rows, skipped = list[int](), list[SkippedFile]()
    for batch in _batches(images, manifest, size, threads):
        if batch.pixels:
            pixels = np.stack(batch.pixels)
            for graph in graphs:
                graph.run(pixels, len(rows))
        rows += batch.rows
        skipped += batch.skipped
        advance(len(batch.rows) + len(batch.skipped))
    if not rows:
        raise DatasetError(
            f"none of the {len(images):,} {images.title} can be read; the first is {skipped[0].path}: "
            f"{skipped[0].reason}"
        )
    runs = tuple(graph.result(len(rows)) for graph in graphs)
    return ImageRuns(images.truth[rows], tuple(skipped), runs, min(size, len(rows)), threads)


class _Graph:
    """A session, and what its runs have returned so far."""

    def __init__(self, path: Path, outputs: dict[str, NDArray[np.float32]], threads: int) -> None:
        self._path, self._outputs, self._seconds = path, outputs, 0.0
        try:
            self._session = open_session(path, quiet=True, threads=threads)
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise BundleError(f"{path.name} cannot be loaded by onnxruntime: {error}") from error

    def run(self, pixels: Pixels, start: int) -> None:
        """Run uint8 [n, H, W, C] and keep the outputs as the rows from `start` on."""
        try:
            if start == 0:
                self._session.run(list(self._outputs), {INPUT: pixels[:1]})  # prepares memory, which takes longer
            started = perf_counter()
            values = self._session.run(list(self._outputs), {INPUT: pixels})
            self._seconds += perf_counter() - started
            for kept, value in zip(self._outputs.values(), values, strict=True):
                kept[start : start + len(pixels)] = value
        except Exception as error:
            raise BundleError(f"{self._path.name} cannot be run by onnxruntime: {error}") from error

    def result(self, count: int) -> GraphRun:
        """Return the first `count` rows of each output."""
        return GraphRun({name: rows[:count] for name, rows in self._outputs.items()}, self._seconds)


@dataclass(frozen=True)
class _Batch:
    """Indices and pixels of the images that could be read, and the others."""

    rows: list[int]
    pixels: list[Pixels]
    skipped: list[SkippedFile]


def _batch_size(manifest: Manifest) -> int:
    largest = evaluation_batch(np.empty((0, *manifest.input.shape), np.uint8))
    return min(largest, manifest.max_batch or largest)


def _batches(images: HeldOutImages, manifest: Manifest, size: int, threads: int) -> Iterator[_Batch]:
    """Read the images in threads, `size` at a time."""

    def read(index: int) -> Pixels | SkippedFile:
        try:
            return images.read(index, manifest.input, manifest.preprocessing)
        except UnreadableImage as error:
            return SkippedFile(images.names[index], str(error))

    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(images), size):
            batch = _Batch([], [], [])
            indices = range(start, min(start + size, len(images)))
            for index, content in zip(indices, pool.map(read, indices), strict=True):
                if isinstance(content, SkippedFile):
                    batch.skipped.append(content)
                else:
                    batch.rows.append(index)
                    batch.pixels.append(content)
            yield batch
