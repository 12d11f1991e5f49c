"""Graphs run on images that are read in batches, so that memory holds the pixels of one batch at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from models.contract import BundleError, Manifest, Pixels, Precision, usable_cores
from training.data.held_out_images import HeldOutImages, ImageSource, Truth
from training.data.labelled_images import evaluation_batch
from training.data.sources.open_image import UnreadableImage
from training.data.warnings_list import SkippedFile
from training.errors import DatasetError
from training.evaluation.graph import open_graph

Advance = Callable[[int], None]
"""Called with the number of further images that were read."""


@dataclass(frozen=True)
class GraphRun:
    """One graph. outputs: float32 [n, K] by name, of the n readable images. seconds: of the library, for them all."""

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
    models: Sequence[tuple[Path, Precision]],
    images: HeldOutImages,
    manifest: Manifest,
    outputs: Sequence[str],
    advance: Advance,
) -> ImageRuns:
    """Run variants on all images that can be read, batch by batch, on all usable cores of the CPU.

    models: the ONNX file of each and its precision. outputs: names of the outputs to keep, each [N, K]. Decoding and
    the graphs take turns, so that the seconds of a graph are its own.
    Raises DatasetError where no image can be read, and BundleError for a graph that cannot be run.
    """
    threads, size = usable_cores(), batch_size(manifest)
    shape = len(images), len(manifest.labels)
    graphs = [
        _Graph(path, precision, {name: np.empty(shape, np.float32) for name in outputs}, threads)
        for path, precision in models
    ]
    rows, skipped = list[int](), list[SkippedFile]()
    for batch in read_batches(images, [manifest], size, threads):
        for pixels in batch.pixels:
            for graph in graphs:
                graph.run(pixels, len(rows))
        rows += batch.rows
        skipped += batch.skipped
        advance(len(batch.rows) + len(batch.skipped))
    if not rows:
        raise nothing_readable(images, skipped)
    runs = tuple(graph.result(len(rows)) for graph in graphs)
    return ImageRuns(images.truth[rows], tuple(skipped), runs, min(size, len(rows)), threads)


def nothing_readable(images: ImageSource, skipped: Sequence[SkippedFile]) -> DatasetError:
    """Return the error for a source of which no image can be read, with the first one and its reason."""
    return DatasetError(
        f"none of the {len(images):,} {images.title} can be read; the first is {skipped[0].path}: {skipped[0].reason}"
    )


@contextmanager
def runtime_errors(graph: str, action: str, precision: Precision = Precision.FP32) -> Iterator[None]:
    """Turn errors of the library that runs graphs into BundleError.

    graph: its name; action: what failed, as in "run"; precision: of the variant, which decides on the library.
    """
    library = "OpenVINO" if precision is Precision.BF16 else "onnxruntime"
    try:
        yield
    except Exception as error:  # the exceptions of onnxruntime and OpenVINO have no common base
        raise BundleError(f"{graph} cannot be {action} by {library}: {error}") from error


class _Graph:
    """A graph, and what its runs have returned so far."""

    def __init__(self, path: Path, precision: Precision, outputs: dict[str, NDArray[np.float32]], threads: int) -> None:
        self._path, self._precision, self._outputs, self._seconds = path, precision, outputs, 0.0
        self._prepared = set[tuple[int, ...]]()
        with runtime_errors(path.name, "loaded", precision):
            self._graph = open_graph(path, precision, quiet=True, threads=threads)

    def run(self, pixels: Pixels, start: int) -> None:
        """Run uint8 [n, H, W, C] and keep the outputs as the rows from `start` on."""
        with runtime_errors(self._path.name, "run", self._precision):
            if pixels.shape not in self._prepared:
                self._graph.run(list(self._outputs), pixels)  # prepares memory or compiles, which takes longer
                self._prepared.add(pixels.shape)
            started = perf_counter()
            values = self._graph.run(list(self._outputs), pixels)
            self._seconds += perf_counter() - started
            for kept, value in zip(self._outputs.values(), values, strict=True):
                kept[start : start + len(pixels)] = value

    def result(self, count: int) -> GraphRun:
        """Return the first `count` rows of each output."""
        return GraphRun({name: rows[:count] for name, rows in self._outputs.items()}, self._seconds)


@dataclass(frozen=True)
class Batch:
    """Images that were read together.

    rows: indices of the n that could be read. pixels: uint8 [n, H, W, C] for each manifest; empty where n is 0.
    """

    rows: list[int]
    pixels: list[Pixels]
    skipped: list[SkippedFile]


def batch_size(manifest: Manifest) -> int:
    """Return how many images to read at a time, at most as many as the graph takes."""
    largest = evaluation_batch(np.empty((0, *manifest.input.shape), np.uint8))
    return min(largest, manifest.max_batch or largest)


def read_batches(images: ImageSource, manifests: Sequence[Manifest], size: int, threads: int) -> Iterator[Batch]:
    """Read the images in threads, `size` at a time, for the inputs of one or more bundles.

    Bundles with the same input and preprocessing share the pixels.
    """
    wanted = [(manifest.input, manifest.preprocessing) for manifest in manifests]
    distinct = [each for place, each in enumerate(wanted) if each not in wanted[:place]]

    def read(index: int) -> list[Pixels] | SkippedFile:
        try:
            return [images.read(index, *each) for each in distinct]
        except UnreadableImage as error:
            return SkippedFile(images.names[index], str(error))

    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(images), size):
            indices = range(start, min(start + size, len(images)))
            rows, read_pixels, skipped = list[int](), list[list[Pixels]](), list[SkippedFile]()
            for index, content in zip(indices, pool.map(read, indices), strict=True):
                if isinstance(content, SkippedFile):
                    skipped.append(content)
                else:
                    rows.append(index)
                    read_pixels.append(content)
            stacked = [np.stack(each) for each in zip(*read_pixels, strict=True)]
            yield Batch(rows, [stacked[distinct.index(each)] for each in wanted] if rows else [], skipped)
