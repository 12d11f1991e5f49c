"""One photo, classified with every scaling that a network may take, so that the right one shows."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from models.contract import Pixels, Row
from training.importing.network_input import NetworkInput
from training.importing.network_output import NetworkOutput
from training.importing.normalization import ChannelOrder, Normalization, Preset, preset_normalization
from training.importing.original_graph import OriginalGraph, network_values

TOP = 5
"""Classes of a photo that are shown."""
_MATTERS = 0.05
"""A probability that changes by more than this one makes the order of the colours worth a trial of its own."""
Top = tuple[tuple[str, float], ...]
"""The most probable labels with their probabilities."""


class Trial(NamedTuple):
    """The answer to a photo with one scaling; preset None: the numbers of a file beside the network, or of the user.

    found: whether it is the scaling that an import without further options takes. top: empty where the network answers
    with NaN or infinity.
    """

    preset: Preset | None
    order: ChannelOrder
    found: bool
    top: Top


def top_classes(row: Row, labels: Sequence[str]) -> Top:
    """Return the five most probable labels, with the class where several have one label. row: probabilities [K]."""

    def name(index: int) -> str:
        label = labels[index]
        return label if labels.count(label) == 1 else f"{label} (class {index})"

    return tuple((name(index), float(row[index])) for index in np.argsort(-row, kind="stable")[:TOP].tolist())


def try_presets(
    original: OriginalGraph,
    network_input: NetworkInput,
    found: Normalization,
    output: NetworkOutput,
    photo: Pixels,
    labels: Sequence[str],
) -> tuple[Trial, ...]:
    """Return the trial of each preset, and that of `found` where it is none of them.

    Each preset is tried in the other order of colours as well, and shown where that changes the answer. output: judged
    with `found`; its kind and task hold for all trials. photo: uint8 [height, width, channels].
    """

    def answer(normalization: Normalization) -> Row:
        values = original.run(network_values(photo[None], network_input, normalization))
        scores = values[output.name].reshape(1, -1)
        with np.errstate(invalid="ignore", over="ignore"):
            row: Row = replace(output, scores=scores).probabilities[0].astype(np.float32)
        return row

    def trial(preset: Preset | None, normalization: Normalization, row: Row) -> Trial:
        top = top_classes(row, labels) if np.isfinite(row).all() else ()
        return Trial(preset, normalization.order, normalization == found, top)

    trials = list[Trial]()
    for preset in _presets(network_input):
        first: Row | None = None
        for normalization in _orders(preset, network_input):
            row = answer(normalization)
            if first is None or normalization == found or not np.abs(row - first).max() <= _MATTERS:
                trials.append(trial(preset, normalization, row))
            first = row if first is None else first
    if not any(each.found for each in trials):
        trials.insert(0, trial(None, found, answer(found)))
    return tuple(trials)


def _presets(network_input: NetworkInput) -> Sequence[Preset]:
    """Return the presets in question; a graph that takes uint8 scales the pixels itself."""
    return (Preset.RAW,) if network_input.kind == "uint8" else tuple(Preset)


def _orders(preset: Preset, network_input: NetworkInput) -> Iterator[Normalization]:
    """Yield the preset as it is, then in the other order of colours."""
    usual = preset_normalization(preset, network_input, None)
    yield usual
    if usual.order is not ChannelOrder.L:
        other = ChannelOrder.BGR if usual.order is ChannelOrder.RGB else ChannelOrder.RGB
        yield preset_normalization(preset, network_input, other)
