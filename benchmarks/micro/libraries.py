"""Compare OpenVINO's engine with that of ONNX Runtime, on the same batches, by turns in one process.

    .venv/bin/python -m benchmarks.micro.libraries [BUNDLE] [--precision fp32] [--turns 25]

One thread. Printed are medians over the turns of the quotients, so that other work on the machine affects both alike.
"""

import argparse
import statistics
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.micro.ceilings import times
from models.contract import Bundle, Precision, read_bundle
from service.engine.engines import LocalEngine, every_provider, obstacle
from service.engine.providers import OPENVINO, EngineOptions
from service.engine.verification import open_verified
from service.types import Batch

SIZES = (1, 2, 4, 8, 16, 32)
"""Batch sizes to time."""


def main() -> None:
    """Measure and print the ratios. The reference is fp32 on ONNX Runtime where `--precision` is bf16."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", nargs="?", type=Path, default=Path("models/imagenet/1"))
    parser.add_argument("--precision", type=Precision, default=Precision.FP32)
    parser.add_argument("--turns", type=int, default=25)
    options = parser.parse_args()
    if OPENVINO not in every_provider():
        parser.error("openvino is not installed: pip install 'snellen[openvino]'")
    bundle = read_bundle(options.bundle)
    usual = Precision.FP32 if obstacle(options.precision, ("cpu",)) else options.precision
    reference, measured = (
        open_verified(bundle, EngineOptions((name,), precision=precision, largest=max(SIZES)))
        for name, precision in (("cpu", usual), (OPENVINO, options.precision))
    )
    print(f"{options.bundle}: {options.precision} on OpenVINO, as multiples of the images/s of {usual} on ONNX Runtime")
    for size, ratio in ratios(bundle, reference, measured, options.turns):
        print(f"batches of {size:2}  {ratio:6.2f}")


def ratios(bundle: Bundle, reference: LocalEngine, measured: LocalEngine, turns: int) -> Iterable[tuple[int, float]]:
    """Yield each batch size and how many times as many images `measured` runs as `reference`."""
    for size in SIZES:
        shape = (size, *bundle.manifest.input.shape)
        batch = Batch(np.random.default_rng(size).integers(0, 256, shape).astype(np.uint8))
        quotients: list[float] = []
        for turn in range(1 + turns):
            own, other = (times(partial(each.run, batch), 0) for each in (reference, measured))
            if turn:  # the first turn compiles and allocates
                quotients.append(own[0] / other[0])
        yield size, statistics.median(quotients)


if __name__ == "__main__":
    main()
