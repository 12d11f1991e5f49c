"""The output of an ONNX file that holds the scores of the classes, judged by its values on pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.errors import OnnxImportError
from training.importing.guesses import Guess, Report

Floats = NDArray[np.float32]
_SUM_TOLERANCE = 0.01
"""Allowed distance of the sum of probabilities from 1; float16 has three digits."""


class ScoreKind(StrEnum):
    """What the scores are: any numbers, of which softmax makes probabilities, or probabilities themselves."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"


@dataclass(frozen=True)
class NetworkOutput:
    """scores: [N, K], of the pictures it was judged by. axes: number of axes of the output, those of size 1 too."""

    name: str
    kind: ScoreKind
    axes: int
    scores: Floats

    @property
    def classes(self) -> int:
        return int(self.scores.shape[1])

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Probabilities [N, K] of the pictures."""
        return probabilities(self.scores, self.kind)


def probabilities(scores: Floats, kind: ScoreKind) -> NDArray[np.float64]:
    """Return probabilities [N, K] for scores [N, K]."""
    values = scores.astype(np.float64)
    if kind is ScoreKind.PROBABILITIES:
        return values
    exponentials = np.exp(values - values.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return result


def find_output(
    values: Sequence[Mapping[str, Floats]],
    report: Report,
    *,
    path: Path,
    name: str | None = None,
    kind: ScoreKind | None = None,
    classes: int | None = None,
    others: Sequence[str] = (),
) -> NetworkOutput:
    """Return the output of shape [N, K], where [N, K, 1, 1] and the like count too.

    values: the outputs of each picture by name. name, kind: given by the user. classes: number of labels, where known;
    it decides between several outputs. others: descriptions of outputs that are no floating-point tensors.
    Raises OnnxImportError for what is no image classifier, and where the user has to choose.
    """
    first = values[0]
    seen = ", ".join([f"{each} {list(value.shape)}" for each, value in first.items()] + list(others))
    if name is not None and name not in first:
        raise OnnxImportError(f"there is no output {name!r} of floating-point numbers for --output; there is: {seen}")
    fitting = [each for each in ([name] if name else first) if all(_is_row(value[each]) for value in values)]
    if not fitting:
        raise OnnxImportError(
            f"{path} is no image classifier: for one picture its outputs are {seen}, and one of shape [1, classes] "
            "with 2 classes or more is needed"
        )
    if len(fitting) > 1:
        fitting = [each for each in fitting if first[each].size == classes] or fitting
    if len(fitting) > 1:
        names = ", ".join(f"{each} {list(first[each].shape)}" for each in fitting)
        raise OnnxImportError(f"several outputs may hold the scores: choose one with --output; there is: {names}")
    chosen = fitting[0]
    scores = np.stack([value[chosen].reshape(-1) for value in values])
    if not np.isfinite(scores).all():
        raise OnnxImportError(f"output {chosen!r} holds NaN or infinity for ordinary pictures: check --preset")
    reason = "--output" if name else "the only one" if len(first) == 1 else "the one that has a score for each class"
    report(Guess("output", f"{chosen} {list(first[chosen].shape)}", reason))
    return NetworkOutput(chosen, _kind(scores, kind, chosen, report), first[chosen].ndim, scores)


def _is_row(value: Floats) -> bool:
    return value.ndim >= 2 and value.shape[0] == 1 and max(value.shape) == value.size >= 2


def _kind(scores: Floats, given: ScoreKind | None, name: str, report: Report) -> ScoreKind:
    between = bool((scores >= 0).all() and (scores <= 1 + _SUM_TOLERANCE).all())
    sums = scores.sum(axis=1, dtype=np.float64)
    add_up = between and bool((np.abs(sums - 1) <= _SUM_TOLERANCE).all())
    if given is ScoreKind.PROBABILITIES and not add_up:
        raise OnnxImportError(
            f"output {name!r} holds no probabilities of one class among all: they sum to {sums.min():.3g} to "
            f"{sums.max():.3g} on {len(scores)} pictures; leave out --scores"
        )
    if given is None and between and not add_up:
        raise OnnxImportError(
            f"the values of output {name!r} lie between 0 and 1 but sum to {sums.min():.3g} to {sums.max():.3g}, as "
            "those of sigmoids do: several classes at once are not supported; say --scores logits if they are logits"
        )
    kind = given or (ScoreKind.PROBABILITIES if add_up else ScoreKind.LOGITS)
    found = "sum to 1" if add_up else f"lie between {scores.min():.3g} and {scores.max():.3g}"
    report(Guess("scores", kind, "--scores" if given else f"they {found} on {len(scores)} pictures"))
    return kind
