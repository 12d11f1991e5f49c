"""Other decoders and resizers beside today's way from bytes to pixels, in environments of their own.

    make build/bench/env/decoders/.made build/bench/env/pillow-simd/.made
    .venv/bin/python -m benchmarks.micro.decoders [--rounds 9]

Printed for each candidate: milliseconds of CPU for one image of each work (the minimum of the rounds; in a round all
candidates take turns), the largest difference of a pixel from today's, over the works and the golden images of the
first, and the largest difference of a golden probability from that of the manifest. "-": cannot do this one.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from benchmarks.sample_images import jpeg, small_png
from benchmarks.workloads import ENVIRONMENTS, ROOT, SHIPPED
from models.contract import INPUT, PROBABILITIES, Bundle, Pixels, Precision, read_bundle

_OTHERS = str(ENVIRONMENTS / "decoders" / "bin" / "python")
TODAY = ("today", sys.executable)
CANDIDATES = {
    "pillow, as it is": TODAY,
    "pillow-simd": ("today", str(ENVIRONMENTS / "pillow-simd" / "bin" / "python")),
    "pillow, cykooz-resizer": ("resize_only", _OTHERS),
    "simplejpeg, pillow": ("simplejpeg", _OTHERS),
    "simplejpeg by eighths, pillow": ("simplejpeg_eighths", _OTHERS),
    "imagecodecs, pillow": ("imagecodecs", _OTHERS),
    "kornia-rs": ("kornia_rs", _OTHERS),
    "opencv": ("opencv", _OTHERS),
    "pyvips": ("pyvips", _OTHERS),
}
PHOTOS, GREY = SHIPPED / "imagenet" / "1", SHIPPED / "fashion-mnist" / "2"


@dataclass(frozen=True)
class Work:
    """An image, the bundle that it is decoded for, and how often in a round."""

    image: Path
    bundle: Path
    repeat: int


@dataclass
class Measured:
    """Of one candidate: CPU milliseconds by work, and its pixels by image."""

    milliseconds: dict[str, float] = field(default_factory=dict)
    pixels: dict[Path, Pixels] = field(default_factory=dict)


class Child:
    """The candidates of one environment, in a process of its Python."""

    def __init__(self, python: str) -> None:
        command = [python, "-m", "benchmarks.micro.decoder_candidates"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ask(self, candidate: str, work: Work, pixels: Path | None = None) -> dict[str, Any]:
        """`seconds`, or `error`. Raises JSONDecodeError when the process has died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order: dict[str, object] = {"candidate": candidate, "bundle": str(work.bundle), "image": str(work.image)}
        order |= {"repeat": 0 if pixels else work.repeat, "pixels": str(pixels) if pixels else ""}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = {name: where for name, where in CANDIDATES.items() if Path(where[1]).exists()}
        children = {python: stack.enter_context(Child(python)) for _, python in found.values()}
        measured = _measure({name: (way, children[python]) for name, (way, python) in found.items()}, folder, rounds)
    _print(measured)


def _works(folder: Path) -> dict[str, Work]:
    bodies = {"A": jpeg((500, 375), 61_000), "B": small_png(), "C": jpeg((4000, 3000), 1_350_000)}
    for name, body in bodies.items():
        (folder / name).write_bytes(body)
    return {
        "A": Work(folder / "A", PHOTOS, 20),
        "B": Work(folder / "B", GREY, 500),
        "C": Work(folder / "C", PHOTOS, 4),
    }


def _measure(candidates: dict[str, tuple[str, Child]], folder: Path, rounds: int) -> dict[str, Measured]:
    works = _works(folder)
    golden = [Work(PHOTOS / path, PHOTOS, 0) for path, *_ in read_bundle(PHOTOS).golden()]
    measured = {name: Measured() for name in candidates}
    for name, (way, child) in candidates.items():
        for work in [*works.values(), *golden]:
            answer = child.ask(way, work, folder / "pixels.npy")
            if "error" in answer:
                print(f"{name}, {work.image.name}: {answer['error']}", file=sys.stderr)
            else:
                measured[name].pixels[work.image] = np.load(folder / "pixels.npy")
    for _ in range(rounds):
        for letter, work in works.items():
            for name, (way, child) in candidates.items():
                if work.image in measured[name].pixels:
                    taken = child.ask(way, work)["seconds"] * 1000
                    best = measured[name].milliseconds
                    best[letter] = min(best.get(letter, taken), taken)
    return measured


def _print(measured: dict[str, Measured]) -> None:
    reference, bundle = measured["pillow, as it is"].pixels, read_bundle(PHOTOS)
    print("| candidate | A ms | B ms | C ms | pixel | golden probability |\n|---|--:|--:|--:|--:|--:|")
    for name, of in measured.items():
        times = [f"{of.milliseconds[letter]:.3g}" if letter in of.milliseconds else "-" for letter in "ABC"]
        pixel = max((_largest(pixels, reference[image]) for image, pixels in of.pixels.items()), default=np.nan)
        probability = max(_probability_differences(bundle, of), default=np.nan)
        print(f"| {name} | {' | '.join(times)} | {pixel:.0f} | {probability:.4f} |")
    print(f"\nTolerance of the golden probabilities: {bundle.manifest.golden.tolerance}")


def _probability_differences(bundle: Bundle, of: Measured) -> Iterator[float]:
    session = ort.InferenceSession(bundle.model_path(Precision.FP32), providers=["CPUExecutionProvider"])
    for path, _, expected in bundle.golden():
        if PHOTOS / path in of.pixels:
            (rows,) = session.run([PROBABILITIES], {INPUT: of.pixels[PHOTOS / path][np.newaxis]})
            yield float(np.abs(rows[0] - np.asarray(expected)).max())


def _largest(pixels: Pixels, others: Pixels) -> float:
    return float(np.abs(pixels.astype(int) - others).max())


if __name__ == "__main__":
    main()
