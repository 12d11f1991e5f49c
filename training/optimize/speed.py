"""Images per second of several graphs, timed alternately, so that other load on the machine affects all of them
alike.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from models.contract import PROBABILITIES, Pixels, Precision, Speed, openvino_library
from training.evaluation.graph import ONNX_RUNTIME, OPENVINO, open_graph
from training.evaluation.machine import machine
from training.evaluation.openvino_graph import OpenVinoGraph

BATCH_SIZE = 16
_ROUNDS = 15
_ROUND_S = 0.1

_Run = Callable[[], object]


def measure_speeds(models: Mapping[Precision, Path], pixels: Pixels, threads: int = 1) -> dict[Precision, Speed]:
    """Return the speed of each graph, fp32 among them, on batches of uint8 [N, H, W, C].

    Each is timed with every installed library that computes it, and the faster one counts, as in the service. Images
    per second are of the best round; the ratio to fp32 is the median over rounds, each of which times all graphs.
    """
    batch = pixels[:BATCH_SIZE]
    runs = {
        (precision, library): run
        for precision, path in models.items()
        for library, run in _runs(path, precision, batch, threads).items()
    }
    for run in runs.values():
        run()
    calls = {key: max(1, round(_ROUND_S / _timed(run, 1))) for key, run in runs.items()}
    rounds = [{key: _timed(run, calls[key]) / len(batch) for key, run in runs.items()} for _ in range(_ROUNDS)]
    best = {key: min(seconds[key] for seconds in rounds) for key in runs}
    fastest = {
        precision: min((key for key in runs if key[0] is precision), key=best.__getitem__) for precision in models
    }
    return {
        precision: Speed(
            machine=machine(),
            threads=threads,
            batch_size=len(batch),
            images_per_s=round(1 / best[key], 1),
            ratio=round(median(seconds[fastest[Precision.FP32]] / seconds[key] for seconds in rounds), 3),
            library=key[1],
        )
        for precision, key in fastest.items()
    }


def _runs(path: Path, precision: Precision, batch: Pixels, threads: int) -> dict[str, _Run]:
    """Return one function for each library that computes the graph; it runs the batch once."""
    graphs = {}
    if precision is not Precision.BF16:
        graphs[ONNX_RUNTIME] = open_graph(path, precision, threads=threads)
    if openvino_library.installed():
        graphs[OPENVINO] = OpenVinoGraph(path, precision, threads)
    return {library: partial(graph.run, [PROBABILITIES], batch) for library, graph in graphs.items()}


def _timed(run: _Run, calls: int) -> float:
    """Return the seconds of one of `calls` calls."""
    started = perf_counter()
    for _ in range(calls):
        run()
    return (perf_counter() - started) / calls
