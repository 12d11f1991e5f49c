"""Writes the graph of a bundle step by step; a step stays only where the graph still computes what the file does."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray

from models.contract import INPUT, Dense, Input
from training.errors import TrainingError
from training.importing.bundle_writer import MODEL
from training.importing.class_map import NoClassMapError, add_class_map, check_class_map
from training.importing.dense_measurement import NotDenseError, measure_dense
from training.importing.equality_proof import Equality
from training.importing.guesses import Guess, Report
from training.importing.network_input import NetworkInput
from training.importing.network_output import NetworkOutput
from training.importing.wrapped_graph import WrappedGraph

_LARGEST_FILE = 2**31 - 2**26
"""Limit of the weights in one protobuf file, in bytes, with 64 MiB left for nodes; larger weights go beside it."""
_WEIGHTS = f"{MODEL}.data"
_PICTURES = 4
"""Pictures on which the class map is compared with the logits, at most."""
_FREE_SIZE = ("H", "W")
"""Names of a free height and width."""


@dataclass(frozen=True)
class Original:
    """What the graph is made of, and what it has to reproduce.

    wrap: makes the graph; called with whether it takes one image at a time only. output: of the file for `pictures`,
    uint8 [N, H, W, C].
    """

    wrap: Callable[[bool], WrappedGraph]
    network_input: NetworkInput
    output: NetworkOutput
    target: Input
    pictures: NDArray[np.uint8]


@dataclass(frozen=True)
class ProvenGraph:
    """A graph on disk that computes what the file computes.

    difference: the greatest one. max_batch, class_map, dense: as in the manifest.
    """

    wrapped: WrappedGraph
    difference: float
    max_batch: int | None = None
    class_map: bool = False
    dense: Dense | None = None


def write_graph(path: Path, original: Original, report: Report) -> ProvenGraph:
    """Write the graph to `path`, proven, with as much of the contract as it can have. report: called with each fact.

    It takes any number of images where that is possible, else one at a time; it has a class map where the network ends
    in a mean and a linear layer; and its input has any size where the file's has and each part of a large picture gets
    its answer. Raises TrainingError where it does not compute what the file computes.
    """
    proven = _write_for_any_batch(path, original)
    for guess in _changes(original, proven):
        report(guess)
    if proven.wrapped.log_probabilities:
        report(Guess("map", "no class map", "the scores are no sums, since the file gives only probabilities"))
        return proven
    try:
        proven, (rows, columns) = _write_with_class_map(path, original, proven)
    except NoClassMapError as error:
        report(Guess("map", "no class map", str(error)))
        return proven
    report(Guess("map", f"class map of {columns}x{rows} positions", "the last layer is linear, after a mean over all"))
    return _write_with_any_size(path, original, proven, report) if original.network_input.free_size else proven


def _changes(original: Original, proven: ProvenGraph) -> Iterator[Guess]:
    """Yield what the graph of the bundle does otherwise than the file."""
    if proven.wrapped.float16:
        yield Guess("weights", "float32", "the float16 of the file is widened")
    if proven.max_batch is not None:
        yield Guess(
            "batch",
            "max_batch 1, one image at a time",
            "the graph computes something else for several, and its shapes cannot be changed; for faster answers, "
            "export it with a free batch axis",
        )
    elif original.network_input.fixed_batch:
        yield Guess("batch", "any number of images", "the file takes one; its shapes are changed to take more")
    if proven.wrapped.log_probabilities and original.output.sigmoid:
        yield Guess("logits", "log(p / (1 - p)) of the probabilities", "the file has no others")
    elif proven.wrapped.log_probabilities:
        yield Guess("logits", "logarithms of the probabilities", "the file has no others: an energy is not meaningful")


def _write_for_any_batch(path: Path, original: Original) -> ProvenGraph:
    """Write the graph for any number of images, or the one for one at a time where the other is not right."""
    try:
        return _write(path, original, ProvenGraph(original.wrap(False), math.nan))
    except TrainingError:
        return _write(path, original, ProvenGraph(original.wrap(True), math.nan, max_batch=1))


def _write_with_class_map(path: Path, original: Original, proven: ProvenGraph) -> tuple[ProvenGraph, tuple[int, int]]:
    """Add the class map. Returns its height and width too. Raises NoClassMapError, and `path` is as it was then."""
    model = add_class_map(proven.wrapped.model, original.output.classes)
    size = (0, 0)

    def check(trial: Path) -> None:
        nonlocal size
        size = check_class_map(trial, original.pictures[:_PICTURES])

    wrapped = proven.wrapped._replace(model=model)
    return _write(path, original, replace(proven, wrapped=wrapped, class_map=True), check), size


def _write_with_any_size(path: Path, original: Original, proven: ProvenGraph, report: Report) -> ProvenGraph:
    """Free height and width of the input where the graph is dense then, and report whether it is."""
    model = onnx.ModelProto()
    model.CopyFrom(proven.wrapped.model)
    _free_size(model.graph)
    dense = None

    def check(trial: Path) -> None:
        nonlocal dense
        dense = measure_dense(trial, original.target)

    try:
        free = _write(path, original, replace(proven, wrapped=proven.wrapped._replace(model=model)), check)
    except (NotDenseError, TrainingError) as error:
        report(Guess("dense", "no dense classification of large pictures", str(error)))
        return proven
    assert dense is not None
    (down, across), (rows, columns) = dense.stride, dense.window
    value = f"stride {across}x{down} pixels, window {columns}x{rows} positions"
    report(Guess("dense", value, "measured: the file takes pictures of any size"))
    return replace(free, dense=dense)


def _free_size(graph: onnx.GraphProto) -> None:
    image = next(value for value in graph.input if value.name == INPUT)
    for axis, name in zip((1, 2), _FREE_SIZE, strict=True):
        image.type.tensor_type.shape.dim[axis].dim_param = name


def _write(
    path: Path, original: Original, planned: ProvenGraph, check: Callable[[Path], object] = lambda _: None
) -> ProvenGraph:
    """Write a graph to `path` if it passes `check` and equals the file; else `path` is as it was.

    Returns it with the greatest difference. Raises what `check` raises, and TrainingError.
    """
    with TemporaryDirectory(dir=path.parent) as folder:
        trial = Path(folder, path.name)
        _save(planned.wrapped.model, trial)
        check(trial)
        difference = Equality(trial, original.output).prove(
            original.pictures, float16=planned.wrapped.float16, one_at_a_time=planned.max_batch == 1
        )
        for written in Path(folder).iterdir():
            written.replace(path.parent / written.name)
    return replace(planned, difference=difference)


def _save(model: onnx.ModelProto, path: Path) -> None:
    """Write the graph as one file, or with its weights beside it where one file cannot hold them."""
    if sum(tensor.ByteSize() for tensor in model.graph.initializer) <= _LARGEST_FILE:
        onnx.save(model, path)
        return
    copy = onnx.ModelProto()  # onnx moves the weights out of the model that it saves
    copy.CopyFrom(model)
    onnx.save(copy, path, save_as_external_data=True, location=_WEIGHTS)
