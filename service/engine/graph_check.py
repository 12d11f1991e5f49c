"""Checks that the inputs and outputs of a graph match the manifest. Independent of onnxruntime."""

from collections.abc import Mapping
from typing import NamedTuple

from models.contract import CLASS_MAP, INPUT, LOGITS, PROBABILITIES, Manifest

CLASS_MAP_WANTED = "class_map_wanted"
"""Further input of graphs that the service has changed: whether to compute the class map."""


class TensorSpec(NamedTuple):
    """Type and shape of an input or output of a graph. A free dimension is a name or None."""

    type: str
    shape: list[int | str | None]


def contract_violation(
    inputs: Mapping[str, TensorSpec], outputs: Mapping[str, TensorSpec], manifest: Manifest
) -> str | None:
    """Return why the graph does not match the manifest; None if it does."""
    if reason := _misfit_of_inputs(inputs, manifest):
        return reason
    names = [PROBABILITIES, LOGITS] + ([CLASS_MAP] if manifest.class_map else [])
    expected = "tensor(float)", [len(manifest.labels)]
    for name in names:
        port = outputs.get(name)
        if port is None or (port.type, port.shape[1:2]) != expected:
            return f"output {name} should be float32 [N, {len(manifest.labels)}, ...]: {_plain(outputs)}"
    return None


def _misfit_of_inputs(inputs: Mapping[str, TensorSpec], manifest: Manifest) -> str | None:
    height, width, channels = manifest.input.shape
    sizes: list[object] = [height, width]
    if manifest.dense is not None and inputs.keys() == {INPUT}:
        given = inputs[INPUT].shape[1:3]
        if any(isinstance(size, int) for size in given):
            return f"the manifest has `dense`, but height and width of the graph's input are not free: {given}"
        sizes = [*given]
    expected = {INPUT: ("tensor(uint8)", [*sizes, channels])}
    if _plain(inputs) != expected:
        return f"the graph's inputs are {_plain(inputs)}, the manifest says {expected}"
    return None


def _plain(ports: Mapping[str, TensorSpec]) -> dict[str, tuple[str, list[int | str | None]]]:
    """Return types and shapes without the batch dimension."""
    return {name: (port.type, port.shape[1:]) for name, port in ports.items()}
