"""Compare ways to use the cores: one session with many threads, one session per core, one session called by all.

    .venv/bin/python -m benchmarks.micro.session_shapes [BUNDLE] [--batch-size 1] [--rounds 5]

The three are interleaved in every round, so that other load on the machine affects them alike. Medians are printed.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort

from models.contract import INPUT, PROBABILITIES, Precision, read_bundle, usable_cores

SECONDS = 2.0


def main() -> None:
    """Measure and print images per second of each arrangement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", nargs="?", type=Path, default=Path("models/imagenet/1"))
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    bundle, cores = read_bundle(options.bundle), usable_cores()
    model = bundle.model_path(Precision.FP32)
    images = np.zeros((options.batch_size, *bundle.manifest.input.shape), np.uint8)
    wide, shared = session(model, cores), session(model, 1)
    shapes = {
        f"one session, {cores} threads": [wide],
        f"{cores} sessions, 1 thread each": [session(model, 1) for _ in range(cores)],
        f"one session of 1 thread, called by {cores}": [shared] * cores,
    }
    rates: dict[str, list[float]] = {name: [] for name in shapes}
    for _ in range(options.rounds):
        for name, sessions in shapes.items():
            rates[name].append(images_per_s(sessions, images))
    for name, measured in rates.items():
        print(f"{name:40} {statistics.median(measured):8.1f} images/s")


def session(model: Path, threads: int) -> ort.InferenceSession:
    """Return a CPU session with this number of threads."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def images_per_s(
    sessions: list[ort.InferenceSession], images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> float:
    """Run each session in its own thread for `SECONDS`. Return images per second of all together."""
    counts = [0] * len(sessions)
    end = time.perf_counter() + SECONDS

    def worker(index: int) -> Callable[[], None]:
        def loop() -> None:
            while time.perf_counter() < end:
                sessions[index].run([PROBABILITIES], {INPUT: images})
                counts[index] += len(images)

        return loop

    threads = [threading.Thread(target=worker(index)) for index in range(len(sessions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS


if __name__ == "__main__":
    main()
