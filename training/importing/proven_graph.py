"""Writes the graph of a bundle step by step; a step stays only where the graph still computes what the file does."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from models.contract import INPUT, Dense, Input
from training.errors import TrainingError
from training.importing.class_map import DOES_NOT_FIT, NoClassMapError, add_class_map, check_class_map
from training.importing.dense_measurement import NotDenseError, measure_dense
from training.importing.equality_proof import Equality
from training.importing.graph_file import save_graph
from training.importing.guesses import Guess, Report
from training.importing.network_input import NetworkInput
from training.importing.network_output import NetworkOutput
from training.importing.onnx_file import load_session
from training.importing.wrapped_graph import WrappedGraph

_PICTURES = 4
"""Pictures on which each step is tried, at most; the last graph is proven on all."""
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

    session: of this graph. difference: the greatest one. max_batch, class_map, dense: as in the manifest.
    """

    wrapped: WrappedGraph
    session: onnxruntime.InferenceSession
    difference: float = math.nan
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
    proven = _write_with_class_map(path, original, proven, report)
    if proven.class_map and original.network_input.free_size:
        proven = _write_with_any_size(path, original, proven, report)
    return replace(proven, difference=_prove(proven.session, original, proven.wrapped, proven.max_batch))


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
    wrapped = original.wrap(False)
    try:
        return ProvenGraph(wrapped, _write(path, original, wrapped, None))
    except TrainingError:
        wrapped = original.wrap(True)
        return ProvenGraph(wrapped, _write(path, original, wrapped, 1), max_batch=1)


def _write_with_class_map(path: Path, original: Original, proven: ProvenGraph, report: Report) -> ProvenGraph:
    """Add the class map where there is one, and report whether there is."""
    try:
        if proven.wrapped.log_probabilities:
            raise NoClassMapError("the file has no scores before its probabilities")
        wrapped = proven.wrapped._replace(model=add_class_map(proven.wrapped.model, original.output.classes))
        rows, columns = 0, 0

        def check(session: onnxruntime.InferenceSession) -> None:
            nonlocal rows, columns
            rows, columns = check_class_map(session, original.pictures[:_PICTURES])

        session = _write(path, original, wrapped, proven.max_batch, check)
    except (NoClassMapError, TrainingError) as error:
        report(Guess("map", "no class map", str(error) if isinstance(error, NoClassMapError) else DOES_NOT_FIT))
        return proven
    reason = "the network ends in a mean over all of them and a linear layer"
    report(Guess("map", f"class map of {columns}x{rows} positions", reason))
    return replace(proven, wrapped=wrapped, session=session, class_map=True)


def _write_with_any_size(path: Path, original: Original, proven: ProvenGraph, report: Report) -> ProvenGraph:
    """Free height and width of the input where the graph is dense then, and report whether it is."""
    model = onnx.ModelProto()
    model.CopyFrom(proven.wrapped.model)
    _free_size(model.graph)
    wrapped = proven.wrapped._replace(model=model)
    found = list[Dense]()

    def check(session: onnxruntime.InferenceSession) -> None:
        found.append(measure_dense(session, original.target, original.output.task))

    try:
        session = _write(path, original, wrapped, proven.max_batch, check)
    except (NotDenseError, TrainingError) as error:
        report(Guess("dense", "no dense classification of large pictures", str(error)))
        return proven
    (down, across), (rows, columns) = found[0].stride, found[0].window
    value = f"stride {across}x{down} pixels, window {columns}x{rows} positions"
    report(Guess("dense", value, "measured: the file takes pictures of any size"))
    return replace(proven, wrapped=wrapped, session=session, dense=found[0])


def _free_size(graph: onnx.GraphProto) -> None:
    image = next(value for value in graph.input if value.name == INPUT)
    for axis, name in zip((1, 2), _FREE_SIZE, strict=True):
        image.type.tensor_type.shape.dim[axis].dim_param = name


def _write(
    path: Path,
    original: Original,
    wrapped: WrappedGraph,
    max_batch: int | None,
    check: Callable[[onnxruntime.InferenceSession], object] = lambda _: None,
) -> onnxruntime.InferenceSession:
    """Write a graph to `path` if it passes `check` and equals the file for a few pictures; else `path` is as it was.

    Returns its session. Raises what `check` raises, and TrainingError.
    """
    with TemporaryDirectory(dir=path.parent) as folder:
        session = load_session(save_graph(wrapped.model, Path(folder)), "the graph made for the bundle")
        check(session)
        _prove(session, original, wrapped, max_batch, most=_PICTURES)
        for written in Path(folder).iterdir():
            written.replace(path.parent / written.name)
    return session


def _prove(
    session: onnxruntime.InferenceSession,
    original: Original,
    wrapped: WrappedGraph,
    max_batch: int | None,
    most: int | None = None,
) -> float:
    """Return the greatest difference from the file. most: number of pictures, None for all. Raises ParityError."""
    return Equality(session, original.output).prove(
        original.pictures[:most], float16=wrapped.float16, one_at_a_time=max_batch == 1
    )
