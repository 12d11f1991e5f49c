"""Compare other decoders and resizers with the current path from bytes to pixels, each in its own environment.

    make build/bench/env/decoders/.made build/bench/env/pillow-simd/.made
    .venv/bin/python -m benchmarks.micro.decoders [--rounds 9]

Printed for each candidate: CPU milliseconds for one image of each workload (the minimum of the rounds; candidates are
interleaved in each round), the largest difference of a pixel from the current decoder's, over the images of the
workloads and the golden images of `imagenet`, and the largest difference of a golden probability from the manifest's.
"-": the candidate cannot decode this image.
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
CURRENT = ("current", sys.executable)
CANDIDATES = {
    "current": CURRENT,
    "pillow alone": ("pillow_alone", sys.executable),
    "pillow-simd": ("current", str(ENVIRONMENTS / "pillow-simd" / "bin" / "python")),
    "cykooz-resizer in one call": ("resize_only", _OTHERS),
    "simplejpeg, pillow": ("simplejpeg", _OTHERS),
    "simplejpeg by eighths, pillow": ("simplejpeg_eighths", _OTHERS),
    "imagecodecs, pillow": ("imagecodecs", _OTHERS),
    "kornia-rs": ("kornia_rs", _OTHERS),
    "opencv": ("opencv", _OTHERS),
    "pyvips": ("pyvips", _OTHERS),
}
PHOTOS, GREY = SHIPPED / "imagenet" / "1", SHIPPED / "fashion-mnist" / "3"


@dataclass(frozen=True)
class DecodeJob:
    """An image, the bundle that it is decoded for, and the repetitions in a round."""

    image: Path
    bundle: Path
    repeat: int


@dataclass
class CandidateResult:
    """The result of one candidate: CPU milliseconds by workload, and pixels by image."""

    milliseconds: dict[str, float] = field(default_factory=dict)
    pixels: dict[Path, Pixels] = field(default_factory=dict)


class CandidateProcess:
    """Runs the candidates of one environment in a process of its Python."""

    def __init__(self, python: str) -> None:
        command = [python, "-m", "benchmarks.micro.decoder_candidates"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "CandidateProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ask(self, candidate: str, job: DecodeJob, pixels: Path | None = None) -> dict[str, Any]:
        """Run a candidate. Return `seconds` of CPU for one image, or `error`.

        pixels: where to save the pixels; then nothing is timed. Raises JSONDecodeError when the process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order: dict[str, object] = {"candidate": candidate, "bundle": str(job.bundle), "image": str(job.image)}
        order |= {"repeat": 0 if pixels else job.repeat, "pixels": str(pixels) if pixels else ""}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def main() -> None:
    """Measure every candidate whose environment exists, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = {name: where for name, where in CANDIDATES.items() if Path(where[1]).exists()}
        children = {python: stack.enter_context(CandidateProcess(python)) for _, python in found.values()}
        measured = _measure(
            {name: (decoder, children[python]) for name, (decoder, python) in found.items()}, folder, rounds
        )
    _print(measured)


def _jobs(folder: Path) -> dict[str, DecodeJob]:
    """Write the images of the workloads and return them with their bundles."""
    bodies = {"A": jpeg((500, 375), 61_000), "B": small_png(), "C": jpeg((4000, 3000), 1_350_000)}
    for name, body in bodies.items():
        (folder / name).write_bytes(body)
    return {
        "A": DecodeJob(folder / "A", PHOTOS, 20),
        "B": DecodeJob(folder / "B", GREY, 500),
        "C": DecodeJob(folder / "C", PHOTOS, 4),
    }


def _measure(
    candidates: dict[str, tuple[str, CandidateProcess]], folder: Path, rounds: int
) -> dict[str, CandidateResult]:
    """Save the pixels of every candidate, then time them in interleaved rounds."""
    jobs = _jobs(folder)
    golden = [DecodeJob(PHOTOS / path, PHOTOS, 0) for path, *_ in read_bundle(PHOTOS).golden()]
    measured = {name: CandidateResult() for name in candidates}
    for name, (decoder, child) in candidates.items():
        for job in [*jobs.values(), *golden]:
            answer = child.ask(decoder, job, folder / "pixels.npy")
            if "error" in answer:
                print(f"{name}, {job.image.name}: {answer['error']}", file=sys.stderr)
            else:
                measured[name].pixels[job.image] = np.load(folder / "pixels.npy")
    for _ in range(rounds):
        for letter, job in jobs.items():
            for name, (decoder, child) in candidates.items():
                if job.image in measured[name].pixels:
                    taken = child.ask(decoder, job)["seconds"] * 1000
                    best = measured[name].milliseconds
                    best[letter] = min(best.get(letter, taken), taken)
    return measured


def _print(measured: dict[str, CandidateResult]) -> None:
    reference, bundle = measured["current"].pixels, read_bundle(PHOTOS)
    print("| candidate | A ms | B ms | C ms | pixel | golden probability |\n|---|--:|--:|--:|--:|--:|")
    for name, result in measured.items():
        times = [f"{result.milliseconds[letter]:.3g}" if letter in result.milliseconds else "-" for letter in "ABC"]
        pixel = max((_largest(pixels, reference[image]) for image, pixels in result.pixels.items()), default=np.nan)
        probability = max(_probability_differences(bundle, result), default=np.nan)
        print(f"| {name} | {' | '.join(times)} | {pixel:.0f} | {probability:.4f} |")
    print(f"\nTolerance of the golden probabilities: {bundle.manifest.golden.tolerance}")


def _probability_differences(bundle: Bundle, result: CandidateResult) -> Iterator[float]:
    """Yield the largest difference of each golden image's probabilities."""
    session = ort.InferenceSession(bundle.model_path(Precision.FP32), providers=["CPUExecutionProvider"])
    for path, _, expected in bundle.golden():
        if PHOTOS / path in result.pixels:
            (rows,) = session.run([PROBABILITIES], {INPUT: result.pixels[PHOTOS / path][np.newaxis]})
            yield float(np.abs(rows[0] - np.asarray(expected)).max())


def _largest(pixels: Pixels, others: Pixels) -> float:
    return float(np.abs(pixels.astype(int) - others).max())


if __name__ == "__main__":
    main()
