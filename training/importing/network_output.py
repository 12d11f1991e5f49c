"""The output of an ONNX file that holds the scores of the classes, judged by its values on pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.contract import Task
from training.errors import OnnxImportError
from training.evaluation.metrics import softmax
from training.importing.guesses import Guess, Report

Floats = NDArray[np.float32]
_TOLERANCE = 0.01
"""Allowed distance of the sum of probabilities from 1, and of one of them above 1; float16 has three digits."""


class ScoreKind(StrEnum):
    """What the scores are: numbers of which softmax or sigmoid makes probabilities, or probabilities themselves."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"


@dataclass(frozen=True)
class NetworkOutput:
    """The output `name`.

    axes: number of axes of the output, those of size 1 too. scores: [N, S], of the pictures it was judged by. S is the
    number of classes, or 1 for the second of two classes.
    """

    name: str
    kind: ScoreKind
    axes: int
    scores: Floats
    task: Task = Task.SINGLE

    @property
    def classes(self) -> int:
        return 2 if self.binary else int(self.scores.shape[1])

    @property
    def binary(self) -> bool:
        """Whether there is one score, of the second of two classes; that of the first is what remains."""
        return bool(self.scores.shape[1] == 1)

    @property
    def sigmoid(self) -> bool:
        """Whether probabilities are sigmoids of logits, else their softmax."""
        return self.binary or self.task is Task.MULTILABEL

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Probabilities [N, K] of the pictures."""
        values = self.scores.astype(np.float64)
        if self.kind is ScoreKind.LOGITS:
            values = _sigmoid(values) if self.sigmoid else softmax(values)
        return np.concatenate([1 - values, values], axis=1) if self.binary else values

    @property
    def logits(self) -> NDArray[np.float64] | None:
        """Logits [N, K] of the pictures; None where the scores are probabilities."""
        if self.kind is ScoreKind.PROBABILITIES:
            return None
        values = self.scores.astype(np.float64)
        return np.concatenate([np.zeros_like(values), values], axis=1) if self.binary else values


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return (1 + np.tanh(values / 2)) / 2  # 1 / (1 + exp(-x)) would overflow


def find_output(
    values: Sequence[Mapping[str, Floats]],
    report: Report,
    *,
    path: Path,
    name: str | None = None,
    kind: ScoreKind | None = None,
    task: Task | None = None,
    task_source: str = "--task",
    classes: int | None = None,
    others: Sequence[str] = (),
) -> NetworkOutput:
    """Return the output of shape [N, K], where [N, K, 1, 1] and the like count too.

    values: the outputs of each picture by name. name, kind, task: given by the user; the task by `task_source`.
    classes: number of labels, where known; it decides between several outputs. others: descriptions of outputs that
    are no floating-point tensors.
    Raises OnnxImportError for what is no image classifier, and where the user has to choose.
    """
    first = values[0]
    seen = ", ".join([f"{each} {list(value.shape)}" for each, value in first.items()] + list(others)) or "none"
    if name is not None and name not in first:
        raise OnnxImportError(f"there is no output {name!r} of floating-point numbers for --output; there is: {seen}")
    fitting = [each for each in ([name] if name else first) if all(_is_row(value[each]) for value in values)]
    if not fitting:
        raise OnnxImportError(
            f"{path} is no image classifier: for one picture its outputs are {seen}, and one of shape [1, classes], or "
            "[1, 1] for two classes, is needed"
        )
    fitting = _preferred({each: first[each].size for each in fitting}, classes)
    if len(fitting) > 1:
        names = ", ".join(f"{each} {list(first[each].shape)}" for each in fitting)
        raise OnnxImportError(f"several outputs may hold the scores: choose one with --output; there is: {names}")
    chosen = fitting[0]
    scores = np.stack([value[chosen].reshape(-1) for value in values])
    if not np.isfinite(scores).all():
        raise OnnxImportError(f"output {chosen!r} holds NaN or infinity for ordinary pictures: check --preset")
    reason = "--output" if name else "the only one" if len(first) == 1 else "the one that has a score for each class"
    report(Guess("output", f"{chosen} {list(first[chosen].shape)}", reason))
    values_seen = _Values(chosen, scores)
    judged = (
        _judge_one(values_seen, kind, task) if scores.shape[1] == 1 else _judge(values_seen, kind, task, task_source)
    )
    report(Guess("scores", judged.kind, "--scores" if kind else f"they {values_seen.text}"))
    report(Guess("task", judged.task, judged.reason if task is None else task_source))
    return NetworkOutput(chosen, judged.kind, first[chosen].ndim, scores, judged.task)


def check_varies(output: NetworkOutput) -> None:
    """Raise OnnxImportError where the scores are the same for all pictures; they would prove nothing."""
    if not np.ptp(output.scores, axis=0).any():
        raise OnnxImportError(
            f"output {output.name!r} is the same for all {len(output.scores)} pictures, so nothing can be told about "
            "it: the weights are none of a trained network, or --preset is wrong; --check PHOTO --try shows others"
        )


def _is_row(value: Floats) -> bool:
    return value.ndim >= 2 and value.shape[0] == 1 and max(value.shape) == value.size >= 1


def _preferred(sizes: Mapping[str, int], classes: int | None) -> list[str]:
    """Return the outputs that fit best: as many scores as labels, else one for two labels, else several scores."""
    exact = [name for name, size in sizes.items() if size == classes]
    single = [name for name, size in sizes.items() if size == 1]
    several = [name for name, size in sizes.items() if size > 1]
    return exact or (single if classes == 2 else []) or several or single


class _Values:
    """What the scores [N, S] of the output `name` look like."""

    def __init__(self, name: str, scores: Floats) -> None:
        self.name, self.single = name, scores.shape[1] == 1
        self._lowest, self._highest, self._count = float(scores.min()), float(scores.max()), len(scores)
        sums = scores.sum(axis=1, dtype=np.float64)
        self.shares = self._lowest >= 0 and self._highest <= 1 + _TOLERANCE
        self.add_up = self.shares and bool((np.abs(sums - 1) <= _TOLERANCE).all())
        self.percentages = self._lowest >= 0 and sums.min() > 1 + _TOLERANCE and np.ptp(sums) <= _TOLERANCE * sums.min()
        self.constant = self._lowest == self._highest
        self._sums = f"sum to {sums.min():.3g} to {sums.max():.3g}"

    @property
    def text(self) -> str:
        """Return the verb and the rest of a sentence about the scores."""
        where = f"on {self._count} pictures"
        if self.add_up and not self.single:
            return f"sum to 1 {where}"
        between = f"lie between {self._lowest:.3g} and {self._highest:.3g}"
        return f"{between} and {self._sums} {where}" if self.shares and not self.single else f"{between} {where}"


@dataclass(frozen=True)
class _Judged:
    """reason: why it is this task, where the user did not give it."""

    kind: ScoreKind
    task: Task
    reason: str


def _judge(values: _Values, kind: ScoreKind | None, task: Task | None, task_source: str) -> _Judged:
    """Return what several scores are. Raises OnnxImportError where the options contradict the values."""
    if task is Task.MULTILABEL and values.add_up:
        raise OnnxImportError(
            f"the values of output {values.name!r} {values.text}, as those of a softmax do, so one class of an image "
            f"is true, but {task_source} says multilabel: say --task single"
        )
    if kind is None and values.percentages:
        raise OnnxImportError(
            f"the values of output {values.name!r} {values.text} with the same sum for each, as percentages do: export "
            "probabilities of 0 to 1, or say --scores logits if they are logits"
        )
    if kind is ScoreKind.PROBABILITIES and not values.shares:
        raise OnnxImportError(
            f"output {values.name!r} holds no probabilities: its values {values.text}; leave out --scores"
        )
    sigmoids = values.shares and not values.add_up and kind is not ScoreKind.LOGITS
    if sigmoids and task is Task.SINGLE:
        raise OnnxImportError(
            f"the values of output {values.name!r} {values.text}, as those of sigmoids do, so any number of classes "
            "may be true: leave out --task, or say --scores logits if they are logits"
        )
    if sigmoids:
        return _Judged(ScoreKind.PROBABILITIES, Task.MULTILABEL, "each score is the probability of one class alone")
    found = ScoreKind.PROBABILITIES if values.add_up else ScoreKind.LOGITS
    reason = "they share a sum of 1" if values.add_up else "assumed for logits, whose values do not tell: see --task"
    return _Judged(kind or found, task or Task.SINGLE, reason)


def _judge_one(values: _Values, kind: ScoreKind | None, task: Task | None) -> _Judged:
    """Return what the only score is. Raises OnnxImportError for the task multilabel, and for unknown values."""
    if task is Task.MULTILABEL:
        raise OnnxImportError(
            f"output {values.name!r} has one score, that of the second of two classes: say --task single"
        )
    if kind is not ScoreKind.LOGITS and not values.shares:
        raise OnnxImportError(
            f"output {values.name!r} has one score, and its values {values.text}, so they are no probabilities: say "
            "--scores logits if a sigmoid makes one of them; another number per picture is no classification"
        )
    if values.constant:
        raise OnnxImportError(
            f"output {values.name!r} has one score, which is the same for all pictures, as a softmax of one score is: "
            "export the network with a sigmoid or with logits; a wrong --preset can be the reason too"
        )
    return _Judged(kind or ScoreKind.PROBABILITIES, Task.SINGLE, "one score is that of the second of two classes")
