"""Measure what counting an answer beside the baseline adds to each image: microseconds of CPU time of the event loop.

    python -m benchmarks.micro.answer_counting [BUNDLE] [--rounds 9]

Printed is the shortest of the rounds, of which each counts 50,000 answers of random classes and confidences; the time
of the loop without counting is taken off. Measured on 2 cores with AMX, 2026-11-29, while the machine had other work:
2.3 us with fashion-mnist/2, of which classes and confidence are counted; 1.7 us with imagenet/1, the confidence alone.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.contract import Manifest, Precision, Row, read_bundle
from service.telemetry.drift import AnswerObserver
from service.telemetry.metrics import Metrics

_ANSWERS = 50_000
Answer = tuple[np.intp, Row]


def answers_of(manifest: Manifest) -> list[Answer]:
    """Return the most probable class and the probabilities float32 [K] of some images, drawn at random."""
    logits = np.random.default_rng(0).normal(0, 3, (64, len(manifest.labels)))
    rows = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    return [(row.argmax(), row) for row in rows]


def microseconds(answers: Sequence[Answer], observer: AnswerObserver | None) -> float:
    """Return the CPU time of one answer, the mean of _ANSWERS. observer: None for the loop alone."""
    begun = time.process_time()
    for number in range(_ANSWERS):
        best, row = answers[number % len(answers)]
        if observer is not None:
            observer.observe(int(best), float(row[best]), unfamiliar=False)
    return (time.process_time() - begun) / _ANSWERS * 1e6


def measure(manifest: Manifest, rounds: int) -> float:
    """Return the microseconds that counting adds, the shortest of the rounds."""
    answers, observer = answers_of(manifest), Metrics().drift.observer(manifest, Precision.FP32)
    pairs = [(microseconds(answers, observer), microseconds(answers, None)) for _ in range(rounds)]
    return min(counted for counted, _ in pairs) - min(bare for _, bare in pairs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="?", type=Path, default=Path("models/fashion-mnist/3"))
    parser.add_argument("--rounds", type=int, default=9, help="rounds, of which the shortest counts")
    options = parser.parse_args()
    print(f"{measure(read_bundle(options.bundle).manifest, options.rounds):.1f} us for an answer")


if __name__ == "__main__":
    main()
