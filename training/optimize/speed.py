"""Images per second of several graphs, timed alternately, so that other load on the machine affects all of them
alike.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter

import onnxruntime

from models.contract import Pixels, Precision, Speed
from training.evaluation.machine import machine
from training.evaluation.onnx_session import predict

BATCH_SIZE = 16
_ROUNDS = 15
_ROUND_S = 0.1


def measure_speeds(models: Mapping[Precision, Path], pixels: Pixels, threads: int = 1) -> dict[Precision, Speed]:
    """Return the speed of each graph, fp32 among them, on batches of uint8 [N, H, W, C].

    Images per second are of the best round; the ratio to fp32 is the median over rounds, each of which times all
    graphs.
    """
    batch = pixels[:BATCH_SIZE]
    runs = {precision: _runner(path, batch, threads) for precision, path in models.items()}
    for run in runs.values():
        run()
    calls = {precision: max(1, round(_ROUND_S / _timed(run, 1))) for precision, run in runs.items()}
    rounds = [{name: _timed(run, calls[name]) / len(batch) for name, run in runs.items()} for _ in range(_ROUNDS)]
    return {
        precision: Speed(
            machine=machine(),
            threads=threads,
            batch_size=len(batch),
            images_per_s=round(1 / min(seconds[precision] for seconds in rounds), 1),
            ratio=round(median(seconds[Precision.FP32] / seconds[precision] for seconds in rounds), 3),
        )
        for precision in runs
    }


def _runner(path: Path, batch: Pixels, threads: int) -> Callable[[], object]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: predict(session, batch)


def _timed(run: Callable[[], object], calls: int) -> float:
    """Return the seconds of one of `calls` calls."""
    started = perf_counter()
    for _ in range(calls):
        run()
    return (perf_counter() - started) / calls
