"""Checks that the inputs and outputs of a graph match the manifest. Independent of onnxruntime."""

from collections.abc import Mapping

from models.contract import CLASS_MAP, INPUT, LOGITS, PROBABILITIES, Manifest

CLASS_MAP_WANTED = "class_map_wanted"
"""Further input of graphs that the service has changed: whether to compute the class map."""

Tensors = Mapping[str, tuple[str, list[int | str | None]]]
"""Type and shape of the inputs or outputs of a graph by name, without the batch. A free dimension is a name or None."""


def contract_violation(inputs: Tensors, outputs: Tensors, manifest: Manifest) -> str | None:
    """Return why the graph does not match the manifest; None if it does."""
    classes, given = len(manifest.labels), inputs[INPUT][1][:2] if INPUT in inputs else []
    size: list[int | str | None] = [*manifest.input.shape[:2]]
    if manifest.dense is not None and given:
        if any(isinstance(each, int) for each in given):
            return f"the manifest has `dense`, but height and width of the graph's input are not free: {given}"
        size = given
    expected = {INPUT: ("tensor(uint8)", [*size, manifest.input.shape[2]])}
    if inputs != expected:
        return f"the graph's inputs are {inputs}, the manifest says {expected}"
    for name in [PROBABILITIES, LOGITS] + ([CLASS_MAP] if manifest.class_map else []):
        kind, shape = outputs.get(name, ("", []))
        if (kind, shape[:1]) != ("tensor(float)", [classes]):
            return f"output {name} should be float32 [N, {classes}, ...]: {outputs}"
    return None
