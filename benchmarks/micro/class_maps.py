"""Measure what an unrequested class map costs, and what it costs as an optional branch of the graph.

    .venv/bin/python -m benchmarks.micro.class_maps [BUNDLE] [--precision fp32] [--batch-size 2] [--turns 25]

One thread; each variant runs once per turn. Printed are medians over the turns of the times and of the quotients.
"""

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.micro.ceilings import times
from benchmarks.peers.common import session
from models.contract import INPUT, PROBABILITIES, Precision, read_bundle
from service.engine.onnx_engine import OnnxEngine
from service.engine.providers import EngineOptions
from service.types import Batch

UNMODIFIED = "unmodified graph"


def main() -> None:
    """Measure and print the variants."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", nargs="?", type=Path, default=Path("models/imagenet/1"))
    parser.add_argument("--precision", type=Precision, default=Precision.FP32)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--turns", type=int, default=25)
    options = parser.parse_args()
    variants = _variants(options.bundle, options.precision, options.batch_size)
    found: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(1 + options.turns):
        for name, run in variants.items():
            found[name] += times(run, 0)
    print(f"{'':30}      ms  / unmodified")
    for name, seconds in found.items():
        ratio = statistics.median(
            own / reference for own, reference in zip(seconds[1:], found[UNMODIFIED][1:], strict=True)
        )
        print(f"{name:30}{statistics.median(seconds[1:]) * 1000:8.2f}{ratio:8.3f}")


def _variants(bundle: Path, precision: Precision, batch_size: int) -> dict[str, Callable[[], object]]:
    """Return a function for each variant that runs one batch."""
    opened = read_bundle(bundle)
    images = np.random.default_rng(0).integers(0, 256, (batch_size, *opened.manifest.input.shape)).astype(np.uint8)
    model = opened.model_path(precision)
    plain, engine = session(model, 1), OnnxEngine(model, opened.manifest, EngineOptions())
    return {
        UNMODIFIED: lambda: plain.run([PROBABILITIES], {INPUT: images}),
        "branch, not requested": lambda: engine.run(Batch(images)),
        "branch, requested": lambda: engine.run(Batch(images, class_map=True)),
    }


if __name__ == "__main__":
    main()
